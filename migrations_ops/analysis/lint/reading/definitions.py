"""Reads the definitions of tables, columns and constraints in SQL."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from migrations_ops.analysis.lint.actions import Column, ColumnType, Constraint, CreateTable
from migrations_ops.analysis.lint.types import type_named
from migrations_ops.analysis.statements.blocks import unquoted
from migrations_ops.analysis.statements.rows import name_of
from migrations_ops.analysis.statements.words import Words
from migrations_ops.child.protocol.sql import Token, group, normal, split

# The words of a column's definition that its type ends before.
_ENDS = (
    "NOT", "NULL", "DEFAULT", "PRIMARY", "UNIQUE", "REFERENCES", "CHECK", "CONSTRAINT", "COLLATE",
    "GENERATED", "AUTO_INCREMENT", "AUTOINCREMENT", "COMMENT", "AS", "ON", "FIRST", "AFTER",
    "INVISIBLE", "USING", "CHARSET", "STORAGE", "COMPRESSION", "KEY",
)  # fmt: skip
_ATTRIBUTES = {
    "COMMENT": "comment",
    "AUTO_INCREMENT": "autoincrement",
    "COLLATE": "collation",
    "CHARSET": "collation",
}
_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE")
_INDEXES = ("INDEX", "KEY", "FULLTEXT", "SPATIAL")


def read_table(name: str, inside: list[Token]) -> CreateTable:
    """The table that CREATE TABLE makes.

    :param inside: what is between its parentheses.
    """
    columns, constraints, indexes = [], [], []
    for part in split(inside):
        if part[0].means(*_CONSTRAINTS):
            constraints.append(read_constraint(Words(part, 0)))
        elif part[0].means(*_INDEXES) and any(word.means("(") for word in part[:4]):
            words = Words(part, 0)
            words.skip(*_INDEXES)
            index = "" if words.sees("(") else words.name()
            indexes.append((index, read_index_columns(words)))
        elif not part[0].means("LIKE", "PERIOD"):
            columns.append(read_column(Words(part, 0)))
    return CreateTable(name, tuple(columns), tuple(constraints), tuple(indexes))


def read_columns(words: Words) -> tuple[str, ...]:
    """The names between the parentheses that come next, in lower case."""
    if not words.sees("("):
        return ()
    inside = group(words.statement, words.at)
    words.at += len(inside) + 2
    return tuple(part[0].text.lower() for part in split(inside))


def read_index_columns(words: Words) -> tuple[str, ...]:
    """The columns of an index, up to the first expression in it."""
    while words.rest and not words.sees("("):
        words.at += 1
    found: list[str] = []
    for part in split(group(words.statement, words.at)) if words.rest else ():
        if not part[0].is_name or (len(part) > 1 and part[1].means("(") and not _is_length(part)):
            break
        found.append(part[0].text.lower())
    return tuple(found)


def _is_length(part: list[Token]) -> bool:
    """Whether ``name(10)`` is the beginning of a column: MariaDB's."""
    return len(part) > 2 and part[2].text.isdigit()


def read_constraint(words: Words) -> Constraint:
    """A constraint, from CONSTRAINT or from its kind on."""
    name = words.name() if words.take("CONSTRAINT") and not _kind_comes(words) else ""
    rest = words.rest
    is_valid = not any(
        word.means("NOT") and following.means("VALID") for word, following in pairwise(rest)
    )
    if words.take("PRIMARY", "KEY") or words.take("UNIQUE"):
        kind = "unique" if rest[0].means("UNIQUE") else "primary key"
        if words.take("USING", "INDEX"):
            return Constraint(kind, name, from_index=True)
        if words.take("INDEX") or words.take("KEY") or not words.sees("("):
            name = name or ("" if words.sees("(") or not words.rest else words.name())
        return Constraint(kind, name, read_columns(words))
    if words.take("FOREIGN", "KEY"):
        if not words.sees("("):
            name = name or words.name()
        columns = read_columns(words)
        words.seek("REFERENCES")
        target = words.name()
        return Constraint("foreign key", name, columns, target, read_columns(words), is_valid)
    if words.take("CHECK"):
        condition = normal(group(words.statement, words.at)) if words.sees("(") else ""
        return Constraint("check", name, is_valid=is_valid, condition=condition)
    return Constraint("exclude" if words.take("EXCLUDE") else "", name)


def _kind_comes(words: Words) -> bool:
    return any(words.sees(each) for each in _CONSTRAINTS[1:])


def read_column(words: Words) -> Column:
    """The definition of a column, from its name on."""
    name = words.name()
    return replace(read_definition(words), name=name)


def read_definition(words: Words) -> Column:
    """The definition of a column, from its type on."""
    kind, generated = _type(words)
    found = Column("", kind, generated=generated, default=None)
    attributes: set[str] = set()
    before = Token("")
    while words.rest:
        word = words.rest[0]
        words.at += 1
        if word.means("("):
            words.at += len(group(words.statement, words.at - 1)) + 1
        elif word.means("NULL") and not before.means("DEFAULT", "SET", "IS"):
            found = replace(found, nullable=not before.means("NOT"))
        elif word.means("DEFAULT"):
            found = replace(found, default=_default(words))
        elif word.means("PRIMARY"):
            found = replace(found, is_key=True)
        elif word.means("UNIQUE"):
            found = replace(found, is_unique=True)
        elif word.means("REFERENCES"):
            table = words.name()
            columns = read_columns(words)
            found = replace(found, references=(table, columns[0] if columns else ""))
        elif word.means("IDENTITY"):
            found = replace(found, generated="identity")
        elif word.means("AS") and words.sees("("):
            found = replace(found, generated=_computed(words))
        elif word.means("ON") and words.sees("UPDATE") and not found.references:
            attributes.add("on-update")
        elif word.text.upper() in _ATTRIBUTES:
            attributes.add(_ATTRIBUTES[word.text.upper()])
        before = word
    return replace(found, attributes=frozenset(attributes))


def _computed(words: Words) -> str:
    inside = group(words.statement, words.at)
    words.at += len(inside) + 2
    return "stored" if words.sees("STORED") or words.sees("PERSISTENT") else "virtual"


def _default(words: Words) -> str:
    """The text of a default, without the words that come after it."""
    start = words.at
    while words.rest:
        if words.sees("("):
            words.at += len(group(words.statement, words.at)) + 2
        elif words.at > start and words.rest[0].means(*_ENDS):
            break
        else:
            words.at += 1
    return normal(words.statement[start : words.at])


def _type(words: Words) -> tuple[ColumnType, str]:
    """A type, and how its values are generated: those of SERIAL."""
    parts: list[str] = []
    arguments: tuple[str, ...] = ()
    while words.rest and not words.rest[0].means(*_ENDS):
        if words.sees("("):
            inside = group(words.statement, words.at)
            words.at += len(inside) + 2
            arguments = tuple(_argument(part) for part in split(inside))
        elif words.take("CHARACTER", "SET") or words.take("UNSIGNED") or words.take("ZEROFILL"):
            continue
        else:
            parts.append(words.rest[0].text.lower())
            words.at += 1
    name = " ".join(parts)
    if name in ("serial", "bigserial", "smallserial"):
        return type_named(name), "serial"
    names = {"character varying": "varchar", "double precision": "double",
             "timestamp with time zone": "timestamptz",
             "timestamp without time zone": "timestamp"}  # fmt: skip
    if arguments and name.startswith("int"):
        arguments = ()  # the width for display
    return type_named(names.get(name, name), arguments), ""


def _argument(part: list[Token]) -> str:
    return unquoted(part[0]) if part[0].literal else name_of(part)
