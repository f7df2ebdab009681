"""Reads the actions of ALTER TABLE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from migrations_ops.analysis.lint.actions import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumn,
    Column,
    CreateIndex,
    Drop,
    DropColumn,
    DropConstraint,
    Maintain,
    Rename,
    ValidateConstraint,
)
from migrations_ops.analysis.lint.reading.definitions import (
    read_column,
    read_constraint,
    read_definition,
    read_index_columns,
)
from migrations_ops.analysis.statements.words import Words
from migrations_ops.child.protocol.sql import normal

_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "FOREIGN", "CHECK", "EXCLUDE")


def read_table_actions(table: str, words: Words) -> Iterator[Action]:
    """One of the actions of ALTER TABLE."""
    if not words.rest:
        return
    verb = words.rest[0].text.upper()
    words.at += 1
    match verb:
        case "ADD":
            yield from _add(table, words)
        case "DROP":
            yield from _drop(table, words)
        case "ALTER":
            yield from _alter(table, words)
        case "MODIFY" | "CHANGE":
            yield _redefine(table, verb, words)
        case "RENAME":
            yield from _rename(table, words)
        case "VALIDATE" if words.take("CONSTRAINT"):
            yield ValidateConstraint(table, words.name())
        case "DETACH" if words.take("PARTITION"):
            name = words.name()
            yield Maintain("DETACH PARTITION", name, words.sees("CONCURRENTLY"))
        case "CONVERT" if words.take("TO"):
            yield Maintain("CONVERT TO CHARACTER SET", table)


def _add(table: str, words: Words) -> Iterator[Action]:
    if any(words.sees(each) for each in _CONSTRAINTS) or words.sees("UNIQUE"):
        yield AddConstraint(table, read_constraint(words))
    elif words.sees("INDEX") or words.sees("KEY") or words.sees("FULLTEXT"):
        words.skip("FULLTEXT", "SPATIAL", "INDEX", "KEY", "IF", "NOT", "EXISTS")
        name = "" if words.sees("(") else words.name()
        yield CreateIndex(name, table, read_index_columns(words))
    elif not words.sees("PARTITION"):
        words.skip("COLUMN", "IF", "NOT", "EXISTS")
        if words.rest and not words.sees("("):
            yield AddColumn(table, read_column(words))


def _drop(table: str, words: Words) -> Iterator[Action]:
    cascades = any(word.means("CASCADE") for word in words.rest)
    for keywords, kind in (
        (("CONSTRAINT",), ""),
        (("FOREIGN", "KEY"), "foreign key"),
        (("CHECK",), "check"),
    ):
        if words.take(*keywords):
            words.skip("IF", "EXISTS")
            yield DropConstraint(table, words.name(), kind, cascades)
            return
    if words.take("PRIMARY", "KEY"):
        yield DropConstraint(table, "", "primary key")
    elif words.take("INDEX") or words.take("KEY"):
        words.skip("IF", "EXISTS")
        yield Drop("index", words.name(), table)
    elif not words.sees("PARTITION"):
        words.skip("COLUMN", "IF", "EXISTS")
        yield DropColumn(table, words.name(), cascades)


def _alter(table: str, words: Words) -> Iterator[Action]:
    words.skip("COLUMN", "IF", "EXISTS")
    name = words.name()
    column, existing = Column(name), Column(name)
    if words.take("SET", "NOT", "NULL"):
        yield AlterColumn(table, replace(column, nullable=False), existing)
    elif words.take("DROP", "NOT", "NULL"):
        yield AlterColumn(table, replace(column, nullable=True), existing)
    elif words.take("SET", "DEFAULT"):
        yield AlterColumn(table, replace(column, default=normal(words.rest)), existing)
    elif words.take("DROP", "DEFAULT"):
        yield AlterColumn(table, replace(column, default=""), existing)
    elif words.take("TYPE") or words.take("SET", "DATA", "TYPE"):
        kind = read_definition(words).type
        yield AlterColumn(table, replace(column, type=kind), existing)


def _redefine(table: str, verb: str, words: Words) -> AlterColumn:
    words.skip("COLUMN", "IF", "EXISTS")
    name = words.name()
    new_name = words.name() if verb == "CHANGE" else ""
    column = replace(read_definition(words), name=name)
    return AlterColumn(table, column, Column(name), verb, new_name if new_name != name else "")


def _rename(table: str, words: Words) -> Iterator[Action]:
    if words.take("TO") or words.take("AS"):
        yield Rename("table", table, words.name())
    elif words.take("CONSTRAINT") or words.take("INDEX") or words.take("KEY"):
        return
    else:
        words.skip("COLUMN", "IF", "EXISTS")
        name = words.name()
        if words.take("TO"):
            yield Rename("column", name, words.name(), table)
        else:  # RENAME new: of SQLite and MariaDB
            yield Rename("table", table, name)
