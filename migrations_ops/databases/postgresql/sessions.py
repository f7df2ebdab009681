"""Which sessions hold locks on the tables of a database."""

from __future__ import annotations

from migrations_ops.databases.postgresql.connect import Connection

_SHOWN = 3
# Every role may read pg_locks. Of the sessions of other roles, pg_stat_activity tells only the
# user and the name, unless one is in pg_read_all_stats:
# https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-VIEWS
_HOLDERS = """
SELECT l.pid, coalesce(nullif(a.application_name, ''), a.backend_type, ''), a.usename,
    extract(epoch FROM clock_timestamp() - a.xact_start)::bigint,
    array_agg(DISTINCT c.relname::text ORDER BY c.relname::text)
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.locktype = 'relation' AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND c.relkind IN ('r', 'p', 'm', 'f') AND c.relnamespace NOT IN (
        SELECT oid FROM pg_namespace
        WHERE nspname IN ('pg_catalog', 'information_schema') OR nspname LIKE 'pg\\_toast%'
    )
GROUP BY 1, 2, 3, a.xact_start ORDER BY a.xact_start NULLS LAST, l.pid
"""


def find_blocking_sessions(connection: Connection) -> list[str]:
    """The sessions that hold locks on tables, in words, the oldest transaction first.

    :raises psycopg.Error: the server cannot be asked.
    """
    return [_in_words(*row) for row in connection.execute(_HOLDERS).fetchall()]


def _in_words(pid: int, name: str, user: str | None, seconds: int | None, tables: list[str]) -> str:
    who = f"session {pid}" + (f" of {user}" if user else "")
    traits = [name] if name else []
    if seconds is not None:
        traits.append(f"in a transaction for {seconds} s")
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    traits.append(f"on {', '.join(tables[:_SHOWN])}{more}")
    return f"{who} ({', '.join(traits)})"
