"""Which sessions hold locks on the tables of a database."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_ops.databases.postgresql.connect import Connection

_SHOWN = 3
# Every role may read pg_locks. Of the sessions of other roles, pg_stat_activity tells only the
# user and the name, unless one is in pg_read_all_stats:
# https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-VIEWS
# A prepared transaction has no session: its locks have no pid, and one is on its number.
_HOLDERS = """
SELECT l.pid, coalesce(nullif(a.application_name, ''), a.backend_type, ''),
    coalesce(a.usename, p.owner), quote_literal(p.gid),
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::bigint,
    array_agg(DISTINCT c.relname::text ORDER BY c.relname::text)
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
        AND x.virtualtransaction = l.virtualtransaction
    LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE l.granted AND l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND l.mode = ANY(%s)
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND c.relkind IN ('r', 'p', 'm', 'f') AND c.relnamespace NOT IN (
        SELECT oid FROM pg_namespace
        WHERE nspname IN ('pg_catalog', 'information_schema') OR nspname LIKE 'pg\\_toast%%'
    )
GROUP BY 1, 2, 3, 4, a.xact_start, p.prepared
ORDER BY p.prepared, a.xact_start NULLS LAST, l.pid
"""
# What those that read wait for, and what those that change a table wait for besides.
_EXCLUSIVE = "AccessExclusiveLock"
_MODES = [_EXCLUSIVE, "ExclusiveLock", "ShareRowExclusiveLock", "ShareLock", "RowShareLock",
          "ShareUpdateExclusiveLock", "RowExclusiveLock", "AccessShareLock"]  # fmt: skip
_PREPARED = """
SELECT quote_literal(gid), owner, prepared FROM pg_prepared_xacts WHERE database = %s ORDER BY 3
"""


@dataclass(frozen=True)
class Prepared:
    """A transaction that was prepared, and which no session ends by itself.

    ``gid`` is its name, as a literal of SQL.
    """

    gid: str
    owner: str
    since: str

    @property
    def statement(self) -> str:
        return f"ROLLBACK PREPARED {self.gid}"


def find_prepared(connection: Connection, database: str) -> list[Prepared]:
    """:param connection: to whichever database of the server."""
    rows = connection.execute(_PREPARED, (database,)).fetchall()
    return [Prepared(str(gid), str(owner), f"{at:%Y-%m-%d %H:%M:%S %Z}") for gid, owner, at in rows]


def find_blocking_sessions(connection: Connection, *, readers: bool = False) -> list[str]:
    """The sessions that hold locks on tables, in words, the oldest transaction first.

    :param readers: only those for which a reader waits.
    :raises psycopg.Error: the server cannot be asked.
    """
    modes = [_EXCLUSIVE] if readers else _MODES
    return [_in_words(*row) for row in connection.execute(_HOLDERS, (modes,)).fetchall()]


def _in_words(
    pid: int | None,
    name: str,
    user: str | None,
    gid: str | None,
    seconds: int | None,
    tables: list[str],
) -> str:
    who = f"session {pid}" if gid is None else f"the prepared transaction {gid}"
    who += f" of {user}" if user else ""
    traits = [name] if name else []
    if gid is not None:
        traits.append(f"which ends by: ROLLBACK PREPARED {gid}")
    elif seconds is not None:
        traits.append(f"in a transaction for {seconds} s")
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    traits.append(f"on {', '.join(tables[:_SHOWN])}{more}")
    return f"{who} ({', '.join(traits)})"
