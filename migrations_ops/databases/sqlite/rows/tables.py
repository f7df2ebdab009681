"""What of two tables can be compared: their columns, keys and row numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrations_ops.databases.row_changes import Pair
from migrations_ops.databases.sqlite.connect import quoted
from migrations_ops.databases.sqlite.lacking import ask
from migrations_ops.databases.sqlite.rows.connect import BEFORE

# Tables in which the modules of virtual tables keep what is theirs: a mere optimisation
# rewrites them, and the virtual table itself is compared.
_SHADOWS = ("data", "idx", "content", "docsize", "config", "segments", "segdir", "stat", "node",
            "parent", "rowid")  # fmt: skip


def comparable(connection: sqlite3.Connection, pairs: Sequence[Pair]) -> list[Pair]:
    """Those of the pairs whose rows are not compared as another table's."""
    virtual = {
        name.lower()
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'"
        )
    }
    shadows = {f"{name}_{ending}" for name in virtual for ending in _SHADOWS}
    return [pair for pair in pairs if pair.after.lower() not in shadows]


@dataclass(frozen=True)
class _Table:
    """One side: its columns by their names in small letters, its key, and its row number.

    ``own_number`` is the column that is the row number, INTEGER PRIMARY KEY; ``number`` a name
    under which the row number can be read, empty WITHOUT ROWID; ``texts`` are the columns that
    hold no numbers.
    """

    columns: Mapping[str, str]
    generated: frozenset[str]
    key: tuple[str, ...]
    number: str
    own_number: str
    texts: frozenset[str]


@dataclass(frozen=True)
class Matched:
    """Both sides, and the columns that are in both, by their names before."""

    before: _Table
    after: _Table
    columns: Mapping[str, str]
    virtual: bool


def match(connection: sqlite3.Connection, pair: Pair) -> tuple[Matched | None, int]:
    """What of a pair can be compared, and how many rows there were."""
    try:
        before = _read_table(connection, BEFORE, pair.before)
        after = _read_table(connection, "main", pair.after)
        size = _count(connection, f"{BEFORE}.{quoted(pair.before)}")
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):
            return None, 0
        raise
    columns = {}
    for name in before.columns:
        other = pair.renamed.get(name, name)
        computed = name in before.generated and other in after.generated
        if other in after.columns and not computed:
            columns[name] = other
    virtual = bool(
        connection.execute(
            "SELECT 1 FROM sqlite_master WHERE lower(name) = ? AND sql LIKE 'CREATE VIRTUAL%'",
            (pair.after.lower(),),
        ).fetchone()
    )
    return Matched(before, after, columns, virtual), size


def count_values(
    connection: sqlite3.Connection, columns: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """How many values these columns had, by (table, column) in small letters."""
    found = {}
    for table, column in columns:
        known = _read_table(connection, BEFORE, table)
        counted = "NULL" if column in known.generated else quoted(known.columns[column])
        [(values,)] = ask(connection, f"SELECT count({counted}) FROM {BEFORE}.{quoted(table)}")
        found[table.lower(), column] = int(values)
    return found


def _read_table(connection: sqlite3.Connection, schema: str, table: str) -> _Table:
    columns: dict[str, str] = {}
    types: dict[str, str] = {}
    generated: set[str] = set()
    keys: dict[int, str] = {}
    for _, name, kind, _, _, key, hidden in connection.execute(
        "SELECT * FROM pragma_table_xinfo(?, ?)", (table, schema)
    ):
        if hidden == 1:
            continue  # of a virtual table: no value, but an argument
        columns[name.lower()], types[name.lower()] = name, (kind or "").upper()
        if hidden in (2, 3):
            generated.add(name.lower())
        if key:
            keys[key] = name.lower()
    key_columns = tuple(keys[number] for number in sorted(keys))
    number = _row_number(connection, f"{schema}.{quoted(table)}", columns)
    own = len(key_columns) == 1 and number and types[key_columns[0]] == "INTEGER"
    if own:
        # An INTEGER PRIMARY KEY DESC is an ordinary column with an index.
        indexes = connection.execute("SELECT origin FROM pragma_index_list(?, ?)", (table, schema))
        own = "pk" not in {origin for (origin,) in indexes}
    own_number = key_columns[0] if own else ""
    texts = frozenset(name for name, kind in types.items() if _turns_into_text(kind))
    return _Table(columns, frozenset(generated), key_columns, number, own_number, texts)


def _turns_into_text(kind: str) -> bool:
    """https://www.sqlite.org/datatype3.html, section 3.1"""
    return "INT" not in kind and any(part in kind for part in ("CHAR", "CLOB", "TEXT"))


def _row_number(connection: sqlite3.Connection, table: str, columns: Mapping[str, str]) -> str:
    for name in ("rowid", "_rowid_", "oid"):
        if name not in columns:
            try:
                connection.execute(f"SELECT {name} FROM {table} LIMIT 0")
            except sqlite3.OperationalError:
                return ""
            return name
    return ""


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(ask(connection, f"SELECT count(*) FROM {table}")[0][0])
