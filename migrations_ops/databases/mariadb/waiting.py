"""Finds that mariadb-dump waits for a lock: it has no timeout, and its server's is a day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymysql

from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.connect import LOCK_WAIT, ask, close, connect
from migrations_ops.databases.mariadb.sessions import find_blocking_sessions
from migrations_ops.model.errors import StepFailed

# Its statements, in a session of our role. A SELECT of ours would not be in a version comment.
_WAITING = """
SELECT id FROM information_schema.processlist
WHERE db = DATABASE() AND id <> CONNECTION_ID() AND user = SUBSTRING_INDEX(USER(), '@', 1)
    AND state LIKE 'Waiting for %%' AND time >= %s
    AND (info LIKE 'SELECT /*!40001 SQL_NO_CACHE%%' OR info LIKE 'SHOW %%')
"""


def require_no_wait(address: Address, program: str) -> None:
    """:raises StepFailed: the program has waited for a lock for as long as a session of ours
    would."""
    holders = _find_holders(address)
    if holders is None:
        return
    raise StepFailed(
        f"{': '.join([f'{program} failed: another session has locked a table', *holders[:1]])}.",
        untouched=f"{address.label} was only read.",
        next="Let the other process finish, or stop it, and try again.",
    )


def _find_holders(address: Address) -> list[str] | None:
    """Who may have the lock; None if nothing waits for one."""
    with suppress(pymysql.MySQLError), _connected(address) as connection:
        waiting = [int(number) for (number,) in ask(connection, _WAITING, LOCK_WAIT)]
        if not waiting:
            return None
        with suppress(pymysql.MySQLError):  # the role may not ask
            return find_blocking_sessions(connection, waiting)
        return []
    return None


@contextmanager
def _connected(address: Address) -> Iterator[pymysql.Connection[pymysql.cursors.Cursor]]:
    connection = connect(address, "locks")
    try:
        yield connection
    finally:
        close(connection)
