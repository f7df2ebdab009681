"""Reads what a statement of SQL does, for any engine, without a grammar."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from migrations_ops.analysis.lint.actions import (
    Action,
    AddEnumValue,
    CreateIndex,
    CreateTable,
    CreateTrigger,
    CreateView,
    Drop,
    Maintain,
    Other,
    Rename,
    WriteRows,
)
from migrations_ops.analysis.lint.reading.definitions import read_index_columns, read_table
from migrations_ops.analysis.lint.reading.table_actions import read_table_actions
from migrations_ops.analysis.statements.blocks import unquoted
from migrations_ops.analysis.statements.rows import outside, writes_of
from migrations_ops.analysis.statements.words import Words
from migrations_ops.child.protocol.sql import Token, group, split

_FILLERS = ("IF", "NOT", "EXISTS", "ONLY", "TEMPORARY", "TEMP", "ONLINE", "IGNORE")


def read_statement(statement: list[Token]) -> Iterator[Action]:
    """What one statement does; names that it has are in lower case."""
    if not statement:
        return
    verb = statement[0].text.upper()
    found = list(_READERS[verb](Words(statement))) if verb in _READERS else []
    yield from found or _rows(verb, statement)


def _rows(verb: str, statement: list[Token]) -> Iterator[Action]:
    written = False
    for write in writes_of(statement):
        written = True
        does = "DELETE" if write.deletes else "INSERT" if write.inserts else "UPDATE"
        has_condition = outside(statement, ("WHERE", "JOIN", "USING", "LIMIT")) < len(statement)
        yield WriteRows(does, write.table, has_condition)
    if not written:
        words = tuple(each.text.lower() for each in statement[1:6])
        yield Other(verb, words)


def _create(words: Words) -> Iterator[Action]:
    words.take("OR", "REPLACE")
    is_unique = words.take("UNIQUE")
    is_temporary = words.take("TEMPORARY") or words.take("TEMP")
    words.skip("UNLOGGED", "RECURSIVE", "CONSTRAINT", "FULLTEXT", "SPATIAL")
    if words.take("INDEX"):
        yield from _index(words, is_unique=is_unique)
    elif words.take("TABLE") and not is_temporary:
        words.skip(*_FILLERS)
        yield from _table(words)
    elif words.take("MATERIALIZED", "VIEW") or words.take("VIEW"):
        words.skip(*_FILLERS)
        name = words.name()
        yield CreateView(name, frozenset(each.text.lower() for each in words.rest if each.is_name))
    elif words.take("TRIGGER"):
        words.skip(*_FILLERS)
        name = words.name()
        on = outside(words.rest, ("ON",))
        if on < len(words.rest):
            words.at += on + 1
            yield CreateTrigger(name, words.name())


def _index(words: Words, *, is_unique: bool) -> Iterator[Action]:
    concurrently = words.take("CONCURRENTLY")
    words.skip("IF", "NOT", "EXISTS")
    name = "" if words.sees("ON") else words.name()
    if words.seek("ON"):
        words.skip("ONLY")
        table = words.name()
        yield CreateIndex(name, table, read_index_columns(words), is_unique, concurrently)


def _table(words: Words) -> Iterator[Action]:
    name = words.name()
    if words.take("PARTITION", "OF"):
        yield CreateTable(name, partition_of=words.name())
    elif words.sees("("):
        inside = group(words.statement, words.at)
        if inside and inside[0].means("SELECT", "WITH", "LIKE"):
            yield CreateTable(name, is_copy=True)
        else:
            yield read_table(name, inside)
    else:
        yield CreateTable(name, is_copy=True)


def _alter(words: Words) -> Iterator[Action]:
    words.skip(*_FILLERS)
    if words.take("TABLE") or words.take("FOREIGN", "TABLE"):
        words.skip(*_FILLERS)
        table = words.name()
        words.take("*")
        for part in split(words.rest):
            yield from read_table_actions(table, Words(part, 0))
    elif words.take("TYPE"):
        name = words.name()
        if words.take("ADD", "VALUE"):
            words.skip("IF", "NOT", "EXISTS")
            if words.rest and words.rest[0].literal:
                yield AddEnumValue(name, unquoted(words.rest[0]))
    elif kind := words.kind():
        words.skip(*_FILLERS)
        name = words.name()
        if words.take("RENAME", "TO"):
            yield Rename(kind, name, words.name())


def _drop(words: Words) -> Iterator[Action]:
    words.skip("TEMPORARY")
    kind = words.kind()
    if not kind:
        return
    concurrently = words.take("CONCURRENTLY")
    words.skip(*_FILLERS)
    names = words.names()
    table = words.name() if words.take("ON") else ""
    cascades = any(word.means("CASCADE") for word in words.rest)
    for name in names:
        yield Drop(kind, name, table, cascades, concurrently)


def _rename(words: Words) -> Iterator[Action]:
    if words.take("TABLE") or words.take("TABLES"):
        for part in split(words.rest):
            each = Words(part, 0)
            name = each.name()
            if each.take("TO"):
                yield Rename("table", name, each.name())


def _truncate(words: Words) -> Iterator[Action]:
    words.skip("TABLE", "ONLY")
    for name in words.names():
        yield WriteRows("TRUNCATE", name)


def _refresh(words: Words) -> Iterator[Action]:
    if words.take("MATERIALIZED", "VIEW"):
        concurrently = words.take("CONCURRENTLY")
        yield Maintain("REFRESH MATERIALIZED VIEW", words.name(), concurrently)


def _reindex(words: Words) -> Iterator[Action]:
    if words.sees("("):
        words.at += len(group(words.statement, words.at)) + 2
    for kind in ("TABLE", "INDEX", "SCHEMA", "DATABASE", "SYSTEM"):
        words.take(kind)
    concurrently = words.take("CONCURRENTLY")
    if words.rest:
        yield Maintain("REINDEX", words.name(), concurrently)


def _vacuum(words: Words) -> Iterator[Action]:
    options = group(words.statement, words.at) if words.sees("(") else words.rest[:1]
    if any(word.means("FULL") for word in options):
        words.at += len(options) + 2 if words.sees("(") else 1
        words.skip("VERBOSE", "ANALYZE", "FREEZE")
        yield Maintain("VACUUM FULL", words.name() if words.rest else "")


def _cluster(words: Words) -> Iterator[Action]:
    words.skip("VERBOSE")
    yield Maintain("CLUSTER", words.name() if words.rest else "")


_READERS: dict[str, Callable[[Words], Iterator[Action]]] = {
    "CREATE": _create,
    "ALTER": _alter,
    "DROP": _drop,
    "RENAME": _rename,
    "TRUNCATE": _truncate,
    "REFRESH": _refresh,
    "REINDEX": _reindex,
    "VACUUM": _vacuum,
    "CLUSTER": _cluster,
}
