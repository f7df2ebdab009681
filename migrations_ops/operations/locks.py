"""Locks databases, so that one task at a time changes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from migrations_ops.databases.interface import Database


@contextmanager
def lock_databases(databases: Sequence[Database], purpose: str, wait: float) -> Iterator[None]:
    """Lock several databases, in an order that is the same for every task.

    A lock is freed when its process dies.

    :param purpose: the task, for those who wait.
    :param wait: how long, in seconds, to wait for each of them.
    :raises Locked: another process holds one; it is named, with its host and since when.
    :raises Refused: the folder of a database may not be written, or its server not be reached.
    """
    with ExitStack() as stack:
        for _, database in sorted({each.lock_order: each for each in databases}.items()):
            stack.enter_context(database.locked(purpose, wait))
        yield
