"""Locks databases, so that one task at a time changes them.

How long a step waits for a lock on a table is set in child/transactions/timeouts.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from migrations_ops.databases.interface import Database


@contextmanager
def lock_databases(databases: Sequence[Database], purpose: str, wait: float) -> Iterator[None]:
    """Lock several databases, in the same order in every task.

    A lock is freed when its process dies.

    :param purpose: the task, for those who wait.
    :param wait: how long, in seconds, to wait for each of them.
    :raises Locked: another process has locked one; it is named, with its host and start time.
    :raises Refused: the folder of a database is not writable, or its server cannot be reached.
    """
    with ExitStack() as stack:
        for _, database in sorted({each.lock_order: each for each in databases}.items()):
            stack.enter_context(database.locked(purpose, wait))
        yield
