"""The two pipes between child and parent: the lines that allow commands, and the events."""

from __future__ import annotations

import _thread
import errno
import io
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any, TextIO

from .protocol.events import Event, Failed, LedgerFailed, encode
from .protocol.redaction import redacted

INTERRUPTED = 130
# How long, in seconds, a run may take to roll back after its parent is gone.
GRACE = 5.0


class Events:
    """The write end of the channel to the parent; without a channel, events are discarded."""

    def __init__(self, channel: IO[bytes] | None = None) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        if self._channel is None:
            return
        if isinstance(event, Failed | LedgerFailed):
            event = event._replace(message=redacted(event.message))
        line = encode(event)
        with self._lock:
            try:
                self._channel.write(line)
                self._channel.flush()
            except OSError:
                # The parent is gone: Control notices that by the end of standard input.
                self._channel = None


class Control:
    """The read end of the channel: each line allows one command, end of file means stop."""

    def __init__(self, channel: IO[bytes]) -> None:
        self._channel = channel
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._gone = False
        self.on_stop: Callable[[], None] | None = None
        self.working = False
        self._stopping, self._stopped = threading.Event(), threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def next_line(self) -> bytes | None:
        """The next line from the parent; None at the end."""
        self.working = False
        line = self._lines.get()
        # In this order, and the other way round in the thread that reads: the second one
        # notices the first, so that no command is begun, or goes on, for a parent that is gone.
        self.working = line is not None
        return None if self._gone else line

    @property
    def is_stopping(self) -> bool:
        """Whether the parent is gone and the running command is being interrupted."""
        return self._stopping.is_set()

    def may_go_on(self) -> bool:
        """Wait for the parent's next line; False if it is gone."""
        return self.next_line() is not None

    def await_stop(self) -> None:
        """Wait for the thread that cancels what the server does.

        If the process exits while this thread is inside a driver, the driver's memory is freed
        under it, and the process ends with a signal.
        """
        if self.is_stopping:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it has done its work
            self._stopped.wait(GRACE)

    def _read(self) -> None:
        for line in self._channel:
            self._lines.put(line)
        self._gone = True
        self._lines.put(None)
        if self.working:
            self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        if self.on_stop is not None:
            self.on_stop()
        self._stopped.set()
        if hasattr(signal, "pthread_kill"):
            # Other than interrupt_main(), a real signal also ends a sleep or a wait.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            _thread.interrupt_main()
        time.sleep(GRACE)
        os._exit(INTERRUPTED)  # SQLite rolls back what is left when it is next opened


class _Printed(io.FileIO):
    """Standard output as a file: the parent reads it and writes the log."""

    def write(self, data: Any, /) -> int:
        """Write; after the parent has died there is no log, and printing is still no error."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # the latter on Windows
                raise
            return memoryview(data).nbytes


def _unbreakable(stream: TextIO) -> TextIO:
    raw = _Printed(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=getattr(stream, "line_buffering", False),
        write_through=getattr(stream, "write_through", False),
    )


def take_channels() -> tuple[Control, Events]:
    """Reserve the pipes to the parent for events; what env.py prints goes to the log.

    Five of 21 real projects print to standard output while they migrate, and one that asks a
    question must read an end of file, not our next line.
    """
    control = os.fdopen(os.dup(0), "rb")
    channel = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout, sys.stderr = _unbreakable(sys.stdout), _unbreakable(sys.stderr)
    return Control(control), Events(channel)
