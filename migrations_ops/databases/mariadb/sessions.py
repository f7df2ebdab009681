"""Which sessions are in a transaction, and so may hold locks on the tables of a database."""

from __future__ import annotations

from migrations_ops.databases.mariadb.connect import Connection, ask

# A transaction that has only read holds its tables as well: no ALTER TABLE gets past it.
_HOLDERS = """
SELECT p.id, p.user, TIMESTAMPDIFF(SECOND, t.trx_started, NOW())
FROM information_schema.innodb_trx t JOIN information_schema.processlist p
    ON p.id = t.trx_mysql_thread_id
WHERE p.db = DATABASE() AND p.id <> CONNECTION_ID() ORDER BY t.trx_started, p.id
"""


def find_blocking_sessions(connection: Connection) -> list[str]:
    """The sessions that are in a transaction, in words, the oldest first.

    :raises pymysql.MySQLError: the server cannot be asked, or this role may not (PROCESS).
    """
    return [
        f"session {number} of {user} (in a transaction for {seconds} s)"
        for number, user, seconds in ask(connection, _HOLDERS)
    ]
