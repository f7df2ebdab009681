"""The types of columns under one name each, and what a change from one to another costs."""

from __future__ import annotations

from migrations_ops.analysis.lint.actions import ColumnType

# The names of types in SQL, and those of SQLAlchemy's classes, by what they are called here.
_NAMES = {
    "integer": "int int4 int8 signed mediumint serial4",
    "bigint": "biginteger serial8",
    "smallint": "int2 smallinteger tinyint",
    "varchar": "string unicode char_varying nvarchar autostring",
    "text": "unicodetext longtext mediumtext tinytext clob",
    "boolean": "bool",
    "numeric": "decimal dec",
    "timestamp": "datetime",
    "timestamptz": "timestamp_with_time_zone",
    "real": "float4",
    "double": "double_precision float8 float",
    "blob": "largebinary bytea longblob mediumblob binary varbinary",
}
_ALIASES = {alias: name for name, aliases in _NAMES.items() for alias in aliases.split()}


def type_named(name: str, arguments: tuple[str, ...] = ()) -> ColumnType:
    """The type of this name, as SQL or SQLAlchemy write it."""
    name = name.lower()
    if name in ("int8", "bigserial"):
        name = "bigint"
    if name == "serial":
        name = "integer"
    return ColumnType(_ALIASES.get(name, name), arguments)


_OTHERS = """bytea cidr citext date hstore inet interval json jsonb ltree money oid time timetz uuid
varbit year char enum set float numeric macaddr xml array"""
_SQL = frozenset({*_NAMES, *_OTHERS.split()})


def is_of_sql(kind: ColumnType) -> bool:
    """Whether it is a type of SQL, and not a class of the application."""
    return kind.name in _SQL


def is_kept_by_postgresql(old: ColumnType, new: ColumnType) -> bool:
    """Whether PostgreSQL changes the type without a look at the rows.

    https://www.postgresql.org/docs/current/sql-altertable.html: the new type is binary coercible
    from the old one; a constraint of length that is only relaxed is no reason either.
    """
    if old == new:
        return True
    texts = ("varchar", "text", "citext")
    if old.name in texts and new.name in texts and "citext" not in (old.name, new.name):
        return not new.arguments or _fits(old, new)
    if old.name == new.name == "numeric":
        return not new.arguments or (
            len(old.arguments) == len(new.arguments)
            and _fits(old, new)
            and old.arguments[1:] == new.arguments[1:]
        )
    return (old.name, new.name) in {("cidr", "inet"), ("varbit", "varbit")} and not new.arguments


def is_kept_by_mariadb(old: ColumnType, new: ColumnType) -> bool:
    """Whether MariaDB changes the type without a copy of the table.

    https://mariadb.com/kb/en/innodb-online-ddl-operations-with-the-instant-alter-algorithm/: a
    VARCHAR that becomes longer, on the same side of 255 bytes; values at the end of an ENUM.
    """
    if old == new:
        return True
    if old.name == new.name == "varchar" and _fits(old, new):
        return _is_long(old) == _is_long(new)
    if old.name == new.name and old.name in ("enum", "set"):
        return new.arguments[: len(old.arguments)] == old.arguments
    return False


def _fits(old: ColumnType, new: ColumnType) -> bool:
    if not old.arguments or not new.arguments:
        return not new.arguments
    first, second = old.arguments[0], new.arguments[0]
    return first.isdigit() and second.isdigit() and int(first) <= int(second)


def _is_long(kind: ColumnType) -> bool:
    # utf8mb4 takes up to four bytes for each character.
    return int(kind.arguments[0]) * 4 > 255
