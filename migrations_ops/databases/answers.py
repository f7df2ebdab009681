"""How long a database may take for its answers, where a task has less time than usual.

Each engine has a time of its own, after which a file counts as locked and a server as silent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Less would call a database locked that another process has for a moment only.
_LEAST = 0.1
_until: ContextVar[float | None] = ContextVar("_until", default=None)


@contextmanager
def answered_until(moment: float) -> Iterator[None]:
    """Inside, no question is waited for longer than until then.

    :param moment: as ``time.monotonic`` has it.
    """
    token = _until.set(moment)
    try:
        yield
    finally:
        _until.reset(token)


def seconds_for(usual: float) -> float:
    """How long to wait for an answer now.

    :param usual: how long the engine waits where nothing limits it.
    """
    until = _until.get()
    return usual if until is None else min(usual, max(_LEAST, until - time.monotonic()))
