"""Ctrl-C, SIGTERM and SIGHUP: the first one interrupts a task, later ones are ignored.

The step that runs catches the interrupt and undoes what it began; ``operations/run.py`` catches the
rest.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def one_interrupt() -> Iterator[None]:
    """A context in which the first signal raises KeyboardInterrupt and later ones are ignored.

    The rollback after the first signal must not be interrupted by a second one. A release that is
    stopped by SIGTERM, as in CI, or because its terminal was closed, is undone in the same way. A
    process that was started immune, as by nohup, stays immune.
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

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last one is Windows' own
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {
        number: signal.signal(number, interrupt)
        for number in numbers
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_interrupt(error: BaseException) -> bool:
    """Whether an error is an interrupt, or came in the place of one.

    One that comes while a thread is being started leaves ``threading`` as a RuntimeError: it gives
    up a lock that it has not got back yet.
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return (
        isinstance(error, RuntimeError)
        and isinstance(error.__context__, KeyboardInterrupt)
        and last is not None
        and last.tb_frame.f_code.co_filename == threading.__file__
    )
