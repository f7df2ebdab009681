"""Locks databases, so that one task at a time changes them.

How long a step waits for a lock on a table is set in child/transactions/timeouts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from migrations_ops.databases.interface import Database
from migrations_ops.model.errors import Locked, Refused

# How long, in seconds, to wait without a word: a server may notice only after a moment that a task
# has ended.
_SILENT = 1.0


@contextmanager
def lock_databases(
    databases: Sequence[Database],
    purpose: str,
    wait: float,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Lock several databases, in the same order in every task.

    A lock is freed when its process dies.

    :param purpose: the task, for those who wait.
    :param wait: how long, in seconds, to wait for each of them.
    :param on_wait: called with a sentence where another process has locked one, before the wait.
    :raises Locked: another process has locked one; it is named, with its host and start time.
    :raises Refused: the folder of a database is not writable, or its server cannot be reached.
    """
    with ExitStack() as stack:
        for _, database in sorted({each.lock_order: each for each in databases}.items()):
            if wait <= _SILENT:
                stack.enter_context(database.locked(purpose, wait))
                continue
            try:
                stack.enter_context(database.locked(purpose, _SILENT))
                continue
            except Locked as locked:
                on_wait(f"{locked.what.removesuffix('.')}: waiting for up to {wait:g} s.")
            except Refused:
                pass  # a server may be about to come up
            stack.enter_context(database.locked(purpose, wait - _SILENT))
        yield
