"""Finds objects of a database that refer to another database of the server by its name.

A trigger that writes to ``audit.log`` does so from every database in which it is made, and from the
copy on which a release is rehearsed, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from migrations_ops.child.protocol.named_databases import find_database
from migrations_ops.child.protocol.sql import Token
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.schema.reading import (
    as_text,
    own_objects,
    read_bodies,
    read_views,
)
from migrations_ops.model.findings import NAMES_ANOTHER, NAMES_ENVIRONMENT, Finding

_SYSTEM = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
# Names before a point that no database has.
_ROWS = frozenset({"new", "old"})
# What writes, and up to which word what it writes to is named.
_WRITES = {
    "INSERT": ("SELECT", "VALUES", "VALUE", "SET"),
    "REPLACE": ("SELECT", "VALUES", "VALUE", "SET"),
    "UPDATE": ("SET",),
    "DELETE": ("WHERE", "RETURNING", "ORDER", "LIMIT"),
    "CREATE": ("SELECT",),
    **dict.fromkeys(("ALTER", "DROP", "RENAME", "TRUNCATE", "CALL", "EXECUTE", "PREPARE", "LOAD"),
                    ()),
}  # fmt: skip
# INSERT INTO t (SELECT ...: what is in parentheses is read.
_ENDS_AT_BRACKETS = frozenset({"INSERT", "REPLACE"})
# AFTER UPDATE ON t, SELECT ... FOR UPDATE, ON DUPLICATE KEY UPDATE: nothing of its own.
_NO_STATEMENT = ("BEFORE", "AFTER", "FOR", "KEY", "OR")


@dataclass(frozen=True)
class _Names:
    """Which names are those of other databases of the server."""

    own: str
    folds: bool
    there: frozenset[str]
    objects: frozenset[str]

    def known(self, name: str) -> str:
        return name.lower() if self.folds else name

    def of_others(self, written: list[Token]) -> Callable[[str], bool]:
        """Of databases that this role sees, and of such that only the definer may see."""
        unqualified = {
            word.text.lower()
            for number, word in enumerate(written)
            if not any(each.means(".") for each in written[number + 1 : number + 2])
        }

        def names(name: str) -> bool:
            lowered, known = name.lower(), self.known(name)
            if known == self.own or lowered in _SYSTEM | _ROWS or name.isdigit():
                return False
            unexplained = lowered not in self.objects | unqualified and not name[:1].isdigit()
            return known in self.there or unexplained

        return names


def find_references(
    connection: Connection, environments: Mapping[str, str], *, copied: bool
) -> Iterator[Finding]:
    """What leads to the database of another environment, or writes to any other one.

    :param environments: the names of databases of this server, with whose they are.
    :param copied: whether copies are made on this server.
    """
    names = _names(connection)
    of_environments = {names.known(name): each for name, each in environments.items()}
    bodies = read_bodies(connection)
    for key, written in [*bodies, *read_views(connection)]:
        found = find_database(as_text(written), lambda name: names.known(name) in of_environments)
        if found is not None:
            environment = of_environments[names.known(found)]
            yield NAMES_ENVIRONMENT.found(key, database=found, environment=environment)
        elif copied and (other := _find_written(written, names.of_others(written))) is not None:
            yield NAMES_ANOTHER.found(key, database=other)


def _names(connection: Connection) -> _Names:
    [(own, folded)] = ask(connection, "SELECT DATABASE(), @@lower_case_table_names")
    folds = bool(folded)
    there = (str(name) for (name,) in ask(connection, "SHOW DATABASES"))
    return _Names(
        str(own).lower() if folds else str(own),
        folds,
        frozenset(name.lower() if folds else name for name in there) - _SYSTEM,
        frozenset(name.lower() for name in own_objects(connection)),
    )


def _find_written(written: list[Token], names: Callable[[str], bool]) -> str | None:
    """The first other database to which a text writes, as far as that can be read from it."""
    for part in _written(written):
        found = find_database(as_text(part), names)
        if found is not None:
            return found
    return None


def _written(written: list[Token]) -> Iterator[list[Token]]:
    """The parts of a text that name what it writes to, or calls: what that does is unknown."""
    for number, word in enumerate(written):
        verb = word.text.upper()
        if not word.quoted and verb in _WRITES and _begins(written, number):
            yield written[number : _end(written, number, verb)]
        elif number >= 3 and word.means("(") and written[number - 2].means("."):
            yield written[number - 3 : number + 1]


def _begins(written: list[Token], number: int) -> bool:
    """Whether such a word begins a statement; the first of all makes the routine itself."""
    after = written[number + 1 : number + 2]
    is_function = bool(after) and after[0].means("(")
    return number > 0 and not is_function and not written[number - 1].means(*_NO_STATEMENT)


def _end(written: list[Token], start: int, verb: str) -> int:
    ends = (*_WRITES[verb], ";", *(("(",) if verb in _ENDS_AT_BRACKETS else ()))
    for number in range(start + 1, len(written)):
        if written[number].means(*ends):
            return number
    return len(written)
