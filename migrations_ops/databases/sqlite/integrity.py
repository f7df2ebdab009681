"""What SQLite itself finds wrong with a database."""

from __future__ import annotations

import sqlite3
from collections import Counter

from migrations_ops.databases.sqlite.broken import find_broken
from migrations_ops.databases.sqlite.inspection import find_leftovers
from migrations_ops.databases.sqlite.lacking import Lacking, ask, find_unchecked, violations
from migrations_ops.databases.sqlite.schema import table_names
from migrations_ops.model.findings import LEFTOVER_TABLE, ORPHANS, Finding

# What quick_check may find only because a stand-in answers NULL, or compares otherwise.
_OF_STAND_INS = ("NULL value in ", "CHECK constraint failed in ", "row not in PRIMARY KEY order")
_MANY = 10_000
# Since 3.44 it asks the modules of virtual tables, too (https://www.sqlite.org/vtab.html#xintegrity).
# What they find is no damage of the file: search_indexes finds the same, with what mends it.
_OF_MODULES = (
    "malformed inverted index for FTS", "unable to validate the inverted index for FTS",
    "fts5: ", "In RTree ",
)  # fmt: skip


def check(connection: sqlite3.Connection, most: int) -> str:
    """What SQLite finds damaged, a line each; "ok" where nothing is.

    quick_check takes a twentieth of the time of integrity_check, which only adds that indexes
    agree with their tables. But that of SQLite 3.40 sees a "NULL value" in each row of a sound
    table WITHOUT ROWID whose key has another order than its columns: then the long one decides.
    """
    lacking: set[Lacking] = set()
    found = [str(row[0]) for row in ask(connection, f"PRAGMA quick_check({most})", lacking)]
    no_damage = (*_OF_MODULES, *(_OF_STAND_INS if lacking else ()))
    if lacking or any(line.startswith(no_damage) for line in found):
        rows = ask(connection, f"PRAGMA quick_check({_MANY})")
        found = [str(row[0]) for row in rows if not str(row[0]).startswith(no_damage)]
        return "\n".join(found[:most]) or "ok"
    if found and all(line.startswith("NULL value in ") for line in found):
        found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({most})")]
    return "\n".join(found)


def find_inconsistencies(connection: sqlite3.Connection) -> list[Finding]:
    """Rows without their parents, tables that an upgrade has left, what no longer works, and what
    cannot be checked here."""
    counts = Counter((child, parent) for child, _, parent, _ in violations(connection))
    lacking: set[Lacking] = set()
    broken = find_broken(connection, lacking)
    return [
        *(
            ORPHANS.found(child, rows=count, parent=parent)
            for (child, parent), count in sorted(counts.items())
        ),
        *(LEFTOVER_TABLE.found(table) for table in find_leftovers(table_names(connection))),
        *broken,
        *find_unchecked(connection, lacking),
    ]
