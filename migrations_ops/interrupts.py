"""Ctrl-C and SIGTERM: the first one interrupts, the next ones wait for the undoing."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def one_interrupt() -> Iterator[None]:
    """Inside, the first signal raises KeyboardInterrupt and later ones are ignored.

    What is being undone after the first must not be broken off by an impatient second one. A
    release that is stopped by SIGTERM, as a CI does it, is undone in the same way.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) == 1:
            raise KeyboardInterrupt
        # Not through sys.stderr, which may be in the middle of a write and then raises.
        with suppress(OSError):
            os.write(2, b"\nUndoing what was begun; please wait.\n")

    numbers = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
