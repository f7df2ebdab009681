"""Whether a transaction of PostgreSQL has changed rows, as the server itself counts them.

No text tells: a function that is selected may write, a trigger, a COPY through the driver itself.
"""

from __future__ import annotations

from typing import Any

from ..driver import ask
from ..protocol.sql import literal

_SAVEPOINT = "migrations_ops_written"
# What has not been reported yet may be of a transaction before: hence the count at the beginning.
_COUNTED = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_xact_all_tables
WHERE (schemaname !~ '^pg_' AND schemaname <> 'information_schema' AND relname <> {version})
    OR relid = 'pg_largeobject'::regclass
"""
# A TRUNCATE, and an ALTER TABLE that rewrites its rows, count none: their table has got new
# files, and its entry in the catalog is of this transaction.
_EXCHANGED = """
SELECT EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND c.relname <> {version} AND {own})
"""
_KNOWN = "SELECT current_setting('track_counts') = 'on'"


def is_own(xmin: str) -> str:
    """A condition: a row of a catalog was written by the transaction that is open, which has a
    number, or by what a savepoint has kept of it."""
    return (
        f"CASE WHEN age({xmin}) <= 0 THEN pg_xact_status((pg_current_xact_id()::text::bigint"
        f" - age({xmin}))::text::xid8) = 'in progress' ELSE false END"
    )


class Written:
    """Counts from the start of a transaction; what cannot be counted is treated as written."""

    def __init__(self) -> None:
        self._version = ""
        self._before: int | None = None

    def begins(self, driver: Any, version_table: str) -> None:
        """:param version_table: Alembic's, whose row changes with each revision."""
        self._version = version_table
        self._before = self._count(driver)

    def has_rows(self, driver: Any) -> bool:
        """Whether rows were changed since then, or may have been."""
        now = self._count(driver)
        if now is None or now != self._before:
            return True
        sql = _EXCHANGED.format(version=literal(self._version), own=is_own("c.xmin"))
        return _ask(driver, sql) != [(False,)]

    def _count(self, driver: Any) -> int | None:
        if _ask(driver, _KNOWN) != [(True,)]:
            return None
        rows = _ask(driver, _COUNTED.format(version=literal(self._version)))
        return int(rows[0][0]) if rows else None


def _ask(driver: Any, sql: str) -> list[tuple[Any, ...]]:
    """The answer; none where the role may not ask. The transaction stays as it is."""
    ask(driver, f"SAVEPOINT {_SAVEPOINT}")
    try:
        return ask(driver, sql)
    except Exception:
        ask(driver, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return []
    finally:
        ask(driver, f"RELEASE SAVEPOINT {_SAVEPOINT}")
