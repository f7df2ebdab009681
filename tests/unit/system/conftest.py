"""A reader that waits for a FIFO fails its test instead of the whole run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """A test that hangs fails instead."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def hang(*_: Any) -> None:
        pytest.fail("it hangs")  # no OSError, which a reader would take for an answer

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, 120)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
