"""Which columns of a table that was rebuilt by hand got other values on purpose.

``CREATE TABLE new ...; INSERT INTO new SELECT ... FROM t; DROP TABLE t; ALTER TABLE new RENAME TO
t`` declares that those columns change which its SELECT computes. Copied values must stay the same,
under the same name: a ``SELECT *`` puts values into other columns where production has its columns
in an unexpected order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from migrations_ops.analysis.renames import Naming
from migrations_ops.analysis.resolver import Resolver
from migrations_ops.analysis.statements.copies import (
    Copied,
    collated_table,
    created_columns,
    nullable_columns,
    read_copy,
)
from migrations_ops.analysis.statements.rows import TEMPORARY
from migrations_ops.child.protocol.sql import Token

# What a value comes from that is not copied from a column of the same name, and from where it is
# unknown: a view, a query in brackets, a statement that was not seen.
_COMPUTED, _UNKNOWN = "", "?"


@dataclass
class _Filled:
    """The first names of the tables that each column of a new table is copied from.

    ``cast`` are the columns that get another type. ``rest`` are the tables of all other columns;
    ``whole`` those that it was made of, with all columns that ``SELECT *`` found.
    """

    columns: dict[str, set[str]] = field(default_factory=dict)
    rest: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    cast: set[str] = field(default_factory=set)

    def origins(self, column: str) -> set[str]:
        return self.columns.get(column, self.rest)

    def add(self, column: str, origins: Iterable[str]) -> None:
        self.columns.setdefault(column, set(self.rest)).update(origins)

    def add_rest(self, origins: Iterable[str]) -> None:
        for each in (*self.columns.values(), self.rest):
            each.update(origins)


class Refills:
    """Tracks what is inserted into tables until they replace others.

    ``whole`` are tables whose replacement was made of all their columns, as SELECT * finds them;
    ``collated`` those whose replacement names its collation.
    As (table, column), ``nullable`` are those whose new definition has the word NULL, and ``cast``
    those whose values got another type on the way, and nothing else.
    """

    def __init__(self, naming: Naming, resolver: Resolver) -> None:
        self._naming, self._resolver = naming, resolver
        self.whole: set[str] = set()
        self.collated: set[str] = set()
        self.nullable: set[tuple[str, str]] = set()
        self.cast: set[tuple[str, str]] = set()
        self._layouts: dict[str, list[str]] = {}
        self._nullable: dict[str, set[str]] = {}
        self._collated: set[str] = set()
        self._filled: dict[str, _Filled] = {}
        # What was dropped last under each name, which a batch brings back.
        self._dropped: dict[str, _Filled] = {}

    def read(self, statement: list[Token]) -> None:
        layout = created_columns(statement)
        if layout is not None:
            self._layouts[layout[0]] = layout[1]
            self._nullable[layout[0]] = nullable_columns(statement)
        self._collated |= {collated_table(statement)} - {""}
        copied = read_copy(statement, self._layouts)
        if copied is not None and not copied.table.startswith(TEMPORARY):
            self._add(copied)

    def update(self, table: str, columns: Iterable[str], cast: Collection[str] = ()) -> None:
        """Some columns of a table get other values; ``cast`` those that get another type only."""
        filled = self._of(table)
        for column in columns:
            if column in cast:
                filled.cast.add(column)
            else:
                filled.add(column, [_COMPUTED])

    def rename(self, old: str, new: str) -> None:
        if old in self._filled:
            self._filled[new] = self._filled.pop(old)
        self._nullable[new] = self._nullable.pop(old, set())
        if old in self._collated:
            self._collated = self._collated - {old} | {new}

    def drop(self, table: str) -> None:
        if table in self._filled:
            self._dropped[table] = self._filled.pop(table)

    def rebuilt_by_batch(self, table: str) -> None:
        if table in self._dropped:
            self._filled[table] = self._dropped.pop(table)

    def replaced(self, table: str, first: str) -> set[tuple[str, str]]:
        """A table replaced another: the columns of the old one that it changes."""
        names = self._naming.columns(first)
        self.nullable |= {(first, names.first(each)) for each in self._nullable.get(table, ())}
        if table in self._collated:
            self.collated.add(first)
        if first in self._of(table).whole:
            self.whole.add(first)
        return self._changed(table, first, {first, _UNKNOWN})

    def is_copied(self, table: str, first: str) -> bool:
        """Whether a table got values of another one."""
        filled = self._of(table)
        return any(first in origins for origins in (filled.rest, *filled.columns.values()))

    def emptied(self, table: str, first: str) -> set[tuple[str, str]]:
        """A table was emptied and refilled: the columns that this changes."""
        return self._changed(table, first, {first})

    def _changed(self, table: str, first: str, same: set[str]) -> set[tuple[str, str]]:
        filled = self._filled.pop(table, _Filled())
        if not (filled.rest or filled.columns):
            filled.rest.add(_UNKNOWN)
        names = self._naming.columns(first)
        self.cast |= {(first, names.first(column)) for column in filled.cast}
        return {
            (first, column) for column in names.known() if filled.origins(names.now(column)) - same
        }

    def _add(self, copied: Copied) -> None:
        into = self._of(self._resolver.table(copied.table))
        if copied.everything or copied.is_program:
            into.add_rest([_COMPUTED if copied.everything else _UNKNOWN])
        for star in copied.stars:
            source = self._source(star)
            for column, origins in source.columns.items():
                into.add(column, origins)
            into.add_rest(source.rest)
            into.whole |= source.rest if copied.is_definition else set()
        for column, table in copied.columns:
            into.add(column, self._source(table).origins(column))
        into.cast |= copied.cast
        for column in copied.computed:
            into.add(column, [_COMPUTED])

    def _of(self, table: str) -> _Filled:
        return self._filled.setdefault(table, _Filled())

    def _source(self, table: str) -> _Filled:
        """Where the values of a table that is copied come from."""
        now = self._resolver.table(table)
        if now in self._naming.current():
            return _Filled(rest={self._naming.table(now)})
        return self._filled.get(now, _Filled(rest={_UNKNOWN}))
