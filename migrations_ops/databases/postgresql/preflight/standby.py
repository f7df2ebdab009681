"""Whether the commits of a server wait for a standby that does not answer."""

from __future__ import annotations

from migrations_ops.databases.postgresql.connect import Connection

# A standby that has nothing to say reports every 10 s, unless it is configured otherwise; one that
# still has something to write answers at once.
# https://www.postgresql.org/docs/current/runtime-config-replication.html
_SILENT_SECONDS = 15
# Of sessions that are not its own, a plain role sees the process number alone.
_STALLED = f"""
SELECT current_setting('synchronous_standby_names') FROM pg_settings
WHERE name = 'synchronous_commit' AND setting NOT IN ('off', 'local')
    AND current_setting('synchronous_standby_names') <> '' AND NOT pg_is_in_recovery()
    AND NOT EXISTS (
        SELECT FROM pg_stat_replication
        WHERE state IS NULL OR (state = 'streaming' AND sync_state IN ('sync', 'quorum')
            AND (flush_lsn >= pg_current_wal_flush_lsn()
                OR clock_timestamp() - reply_time < interval '{_SILENT_SECONDS} s'))
    )
"""


def find_stalled(connection: Connection) -> str:
    """The standbys for which each commit would wait in vain, as the server is configured; empty
    where there are none, or this role cannot know.

    :raises psycopg.Error: the server cannot be asked.
    """
    row = connection.execute(_STALLED).fetchone()
    return str(row[0]) if row else ""
