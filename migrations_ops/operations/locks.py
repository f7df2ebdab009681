"""One release at a time: a lock for each database, freed when its holder dies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from migrations_ops.databases.interface import Database


@contextmanager
def lock_databases(databases: Sequence[Database], purpose: str, wait: float) -> Iterator[None]:
    """Hold the locks of several databases, taken in the same order by everybody.

    :param purpose: the task, for those who wait.
    :param wait: how long, in seconds, to wait for each of them.
    :raises Locked: another process holds one; it is named, with its host and since when.
    :raises Refused: the folder of a database may not be written, or its server not be reached.
    """
    with ExitStack() as stack:
        for _, database in sorted({each.lock_order: each for each in databases}.items()):
            stack.enter_context(database.locked(purpose, wait))
        yield
