"""Columns of MariaDB, and how SQL says that a value of one is still the value of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pymysql

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.names import quoted

_FAMILIES = {
    "integer": ("tinyint", "smallint", "mediumint", "int", "bigint", "bit", "year"),
    "decimal": ("decimal",),
    "float": ("float", "double"),
    "date": ("date", "datetime", "timestamp"),
    "time": ("time",),
    "text": ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set",
             "json"),
    "binary": ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry",
               "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
               "geometrycollection", "geomcollection", "vector"),
}  # fmt: skip
_FAMILY = {kind: family for family, kinds in _FAMILIES.items() for kind in kinds}
_SHORT = ("char", "varchar", "enum", "set", "binary", "varbinary")
_NUMBERS = frozenset({"integer", "decimal", "float"})
# As many digits as there can be; a value that has more is compared as text only.
_EXACT, _LARGEST = "DECIMAL(65,30)", "1e34"
# Texts that can be converted to a number or a time, and back: '007' is more than 7.
_IS_NUMBER = "'^[+-]?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'"
_IS_MOMENT = "'^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?$'"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    ``kind`` is the type without its length, ``type`` the whole of it; ``is_computed`` tells that
    its value follows from others, ``is_period`` that the server writes it: since when a row is so.
    """

    name: str
    kind: str
    type: str
    charset: str
    collation: str
    is_nullable: bool
    is_computed: bool
    is_period: bool

    @property
    def family(self) -> str:
        return _FAMILY.get(self.kind, self.kind)

    @property
    def is_short(self) -> bool:
        """Whether it holds texts or bytes that are never longer than a row may be."""
        return self.kind in _SHORT

    def at(self, side: str) -> str:
        """The column in SQL, of the table with that alias."""
        return f"{side}.{quoted(self.name)}"


class _Columns(dict[str, list[Column]]):
    """The columns of each table; a missing table raises the same error as SQL does."""

    def __missing__(self, table: str) -> list[Column]:
        raise pymysql.ProgrammingError(
            1146, f"the table {table} has gone, or its columns may not be seen"
        )


def read_columns(connection: Connection, database: str) -> Mapping[str, list[Column]]:
    """The columns of all tables of a database, in their order."""
    rows = ask(
        connection,
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME,"
        " COLLATION_NAME, IS_NULLABLE, EXTRA, GENERATION_EXPRESSION FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, ORDINAL_POSITION",
        database,
    )
    found = _Columns()
    for table, name, kind, type_, charset, collation, nullable, extra, expression in rows:
        period = (expression or "").upper() in ("ROW START", "ROW END")
        computed = "GENERATED" in extra.upper().split() and not period
        column = Column(
            name, kind, type_, charset or "", collation or "", nullable == "YES", computed, period
        )
        found.setdefault(table, []).append(column)
    return found


def still_equal(was: Column, now: Column) -> str:
    """A condition: the value in ``b`` equals the value in ``a``, or determines it."""
    a, b = was.at("a"), now.at("b")
    if (was.type, was.charset) == (now.type, now.charset):
        if was.family in ("text", "binary"):
            return f"BINARY {a} <=> BINARY {b}"
        return f"{a} <=> {b}"
    families = {was.family, now.family}
    if families <= {"integer", "decimal"}:
        return f"{a} <=> {b}"
    if families == {"date"}:
        return f"CAST({a} AS DATETIME(6)) <=> CAST({b} AS DATETIME(6))"
    if families == {"time"}:
        return f"CAST({a} AS TIME(6)) <=> CAST({b} AS TIME(6))"
    if families == {"text"}:
        return f"{_text(was, 'a')} <=> {_text(now, 'b')}"
    if families == {"binary"}:
        return f"BINARY {a} <=> BINARY {b}"
    terms = [f"({a} IS NULL AND {b} IS NULL)", f"{_text(was, 'a')} <=> {_text(now, 'b')}"]
    terms += _recoverable(was, now, families)
    return f"COALESCE({' OR '.join(terms)}, 0)"


def _recoverable(was: Column, now: Column, families: set[str]) -> list[str]:
    """Further ways in which a value can be recovered from one of another kind."""
    a, b = was.at("a"), now.at("b")
    if families == {"text", "binary"}:
        return [f"BINARY {a} = BINARY {b}"]
    if "uuid" in families:
        return [f"{_hexadecimal(was, 'a')} = {_hexadecimal(now, 'b')}"]
    if families <= _NUMBERS | {"text"} and families & _NUMBERS:
        pairs = ((was, "a"), (now, "b"))
        sides = [f"CAST({_number(column, side)} AS {_EXACT})" for column, side in pairs]
        guards = [
            f"{column.at(side)} REGEXP {_IS_NUMBER}"
            if column.family == "text"
            else f"ABS({column.at(side)}) < {_LARGEST}"
            for column, side in pairs
        ]
        return [f"({' AND '.join(guards)} AND {' = '.join(sides)})"]
    if families == {"text", "date"}:
        text = a if was.family == "text" else b
        return [
            f"({text} REGEXP {_IS_MOMENT} AND CAST({a} AS DATETIME(6)) = CAST({b} AS DATETIME(6)))"
        ]
    if families == {"text", "time"}:
        return [f"CAST({a} AS TIME(6)) = CAST({b} AS TIME(6))"]
    return []


def _text(column: Column, side: str) -> str:
    name = column.at(side)
    if column.family == "text":
        return name if column.charset == "binary" else f"BINARY CONVERT({name} USING utf8mb4)"
    if column.family == "binary":
        return f"BINARY {name}"
    return f"BINARY CAST({_number(column, side)} AS CHAR)"


def _number(column: Column, side: str) -> str:
    """Bits are no digits until they are added to something."""
    return f"({column.at(side)} + 0)" if column.kind == "bit" else column.at(side)


def _hexadecimal(column: Column, side: str) -> str:
    name = column.at(side)
    if column.family == "binary":
        return f"HEX({name})"
    return f"UPPER(REPLACE(CAST({name} AS CHAR), '-', ''))"


def canonical(column: Column, other: Column, side: str) -> str:
    """A value as a text that is equal for equal values of both columns, whatever their types."""
    if (column.type, column.charset) == (other.type, other.charset):
        return as_text(column, side)
    families = {column.family, other.family}
    name = column.at(side)
    if "uuid" in families:
        return _hexadecimal(column, side)
    if families == {"float"} and (column if side == "a" else other).kind == "float":
        return f"CAST({name} AS DOUBLE)"
    if families & _NUMBERS and families <= _NUMBERS | {"text"}:
        # By way of a text, since a float has more digits as a number than it was given.
        text = f"CAST({_number(column, side)} AS CHAR)"
        guard = f"{name} REGEXP {_IS_NUMBER} AND" if column.family == "text" else ""
        small = f"{guard} ABS({text}) < {_LARGEST}"
        return f"IF({small}, CAST({text} AS {_EXACT}), {_text(column, side)})"
    if "date" in families and families <= {"date", "text"}:
        moment = f"CAST({name} AS DATETIME(6))"
        if column.family == "date":
            return moment
        return f"IF({name} REGEXP {_IS_MOMENT}, {moment}, {_text(column, side)})"
    if families == {"time"}:
        return f"CAST({name} AS TIME(6))"
    if families == {"text", "binary"}:
        return f"BINARY {name}"
    return _text(column, side)


def as_text(column: Column, side: str) -> str:
    """A value as a text that tells it from all others of its column; NULL for NULL."""
    name = column.at(side)
    if column.is_short:
        return f"BINARY {name}"
    if column.family in ("text", "binary"):
        return f"SHA1({name})"  # a row may be longer than the server's longest text
    if column.kind == "float":
        return f"CAST({name} AS DOUBLE)"  # which is printed with all its digits
    if column.kind == "timestamp":
        return f"UNIX_TIMESTAMP({name})"  # whatever the time zone of the session is
    return _number(column, side)


def joined(was: Column, now: Column) -> str | None:
    """A condition for a join by this column of a key, which an index on ``now`` serves.

    None where there is no such condition.
    """
    a, b = was.at("a"), now.at("b")
    alike = (was.charset, was.collation) == (now.charset, now.collation)
    if was.family == now.family and alike:
        return f"{b} = {a}"
    if {was.family, now.family} <= {"integer", "decimal"}:
        return f"{b} = {a}"
    if now.family == "text" and now.charset != "binary" and was.family != "binary":
        value = f"CONVERT(CAST({_number(was, 'a')} AS CHAR) USING {now.charset})"
        return f"{b} = {value} COLLATE {now.collation} AND {still_equal(was, now)}"
    if was.family == "text" and now.family in ("integer", "decimal"):
        return f"{b} = CAST({a} AS {_EXACT}) AND {still_equal(was, now)}"
    return None
