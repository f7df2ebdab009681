"""Who may hold locks on the tables of a database: sessions, and transactions without one."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pymysql

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.names import quoted

# A transaction that has only read holds its tables as well: no ALTER TABLE gets past it.
_HOLDERS = """
SELECT p.id, p.user, TIMESTAMPDIFF(SECOND, t.trx_started, NOW())
FROM information_schema.innodb_trx t JOIN information_schema.processlist p
    ON p.id = t.trx_mysql_thread_id
WHERE p.db = DATABASE() AND p.id <> CONNECTION_ID() ORDER BY t.trx_started, p.id
"""
# One that was prepared stays when its session has ended, and until somebody ends it.
_OF_NO_SESSION = (
    "SELECT MIN(trx_started) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = 0"
)
# LOCK TABLES begins no transaction; which session has done it, no table of the server tells.
_IN_USE = "SHOW OPEN TABLES FROM {} WHERE In_use > 0"
_CONNECTED = """
SELECT id, user, time FROM information_schema.processlist
WHERE db = DATABASE() AND id <> CONNECTION_ID() ORDER BY time DESC, id LIMIT 3
"""
_PLAIN = range(0x20, 0x7F)


def find_blocking_sessions(connection: Connection, waiting: Collection[int] = ()) -> list[str]:
    """What may be in the way, in words: first what does not end by itself, then the oldest.

    :param waiting: the sessions that are waited in: they are not in their own way.
    :raises pymysql.MySQLError: the server cannot be asked, or this role may not (PROCESS).
    """
    found = [
        f"session {number} of {user} (in a transaction for {seconds} s)"
        for number, user, seconds in ask(connection, _HOLDERS)
        if number not in waiting
    ]
    return [*map(str, find_prepared(connection)), *found] or _lockers(connection, waiting)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A transaction that was prepared, and whose session has ended: nothing ends it by itself.

    ``xid`` is its name as SQL, ``since`` when the oldest of them began.
    """

    xid: str
    since: str

    @property
    def statement(self) -> str:
        return f"XA COMMIT {self.xid}; or XA ROLLBACK {self.xid};"

    def __str__(self) -> str:
        return (
            f"the prepared transaction {self.xid} (it has no session, and does not end by itself:"
            f" type {self.statement})"
        )


def find_prepared(connection: Connection) -> list[Prepared]:
    """Those of the whole server, which does not tell of which database they are.

    :raises pymysql.MySQLError: this role may not ask (PROCESS).
    """
    since = ask(connection, _OF_NO_SESSION)[0][0]
    if since is None:
        return []
    with suppress(pymysql.MySQLError):  # MySQL requires a right for that
        return [Prepared(xid_in_sql(*row), str(since)) for row in ask(connection, "XA RECOVER")]
    return []


def xid_in_sql(form: int, of_transaction: int, of_branch: int, data: Any) -> str:
    """The name of a prepared transaction as XA ROLLBACK takes it, from a row of XA RECOVER.

    :param of_transaction: how many bytes of the data are its first part; the second follows.
    """
    raw = data if isinstance(data, bytes) else str(data).encode("latin-1")
    parts = [raw[:of_transaction], raw[of_transaction : of_transaction + of_branch]]
    if int(form) == 1 and not parts[1]:
        return _literal(parts[0])
    return f"{','.join(map(_literal, parts))},{form}"


def _literal(part: bytes) -> str:
    if all(each in _PLAIN and each not in b"'\\" for each in part):
        return f"'{part.decode('ascii')}'"
    return f"X'{part.hex()}'"


def _lockers(connection: Connection, waiting: Collection[int]) -> list[str]:
    [(database,)] = ask(connection, "SELECT DATABASE()")
    rows = ask(connection, _IN_USE.format(quoted(str(database))))
    locked = [str(row[1]) for row in rows]
    if not locked:
        return []
    return [
        f"session {number} of {user} (connected, quiet for {seconds} s; if it has locked"
        f" {locked[0]} by LOCK TABLES: KILL {number};)"
        for number, user, seconds in ask(connection, _CONNECTED)
        if number not in waiting
    ]
