"""The one door through which processes start: an argv and a dictionary, no shell, no fork."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

# A child that was told to stop gets this long, in seconds, to roll back before it is killed.
GRACE = 10.0
# How often, in seconds, it is asked whether a child that says nothing is still there.
LOOK_AGAIN = 0.2


class Child:
    """A process that is spoken to by lines: it reads ours on stdin and writes its own on stdout.

    It is a group of its own, so that a Ctrl-C in the terminal reaches the parent alone, which
    then stops the child in order. Stopping means closing its standard input: that works the
    same on every platform, and also when the parent is killed.
    """

    def __init__(self, process: subprocess.Popen[bytes], argv: Sequence[str], log: Path) -> None:
        self._process = process
        self.argv = tuple(argv)
        self.log = log
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ended = False
        # A thread reads, so that a process that the child leaves behind, and that keeps its end
        # of the pipe open, cannot make us wait for ever.
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, line: str) -> bool:
        """Write one line to the child; False if it is gone already."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(line.encode() + b"\n")
            stdin.flush()
        except OSError:  # EPIPE, or EINVAL on Windows
            return False
        return True

    def lines(self) -> Iterator[bytes]:
        """What the child writes, line by line, until it closes its side or has ended."""
        while not self._ended:
            gone = self._process.poll() is not None
            try:
                line = self._lines.get(timeout=LOOK_AGAIN)
            except queue.Empty:
                self._ended = gone
                continue
            if line is None:
                self._ended = True
            else:
                yield line

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        with stdout:
            for line in stdout:
                self._lines.put(line)
        self._lines.put(None)

    def kill_after(self, seconds: float) -> threading.Timer:
        """Kill the child when the time is over, unless the timer is cancelled before."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        return timer

    def stop(self, listener: Callable[[bytes], object] | None = None) -> int:
        """Ask the child to leave, wait, and kill it if it does not; returns its exit code.

        :param listener: is handed the lines that it had left to say.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        patience = self.kill_after(GRACE)
        for line in self.lines():
            if listener is not None:
                listener(line)
        code = self._process.wait()
        patience.cancel()
        return code

    def dismiss(self) -> None:
        """End a child that was never told to do anything; there is nothing to wait for."""
        self._process.kill()
        self.stop()


def start(argv: Sequence[str], variables: Mapping[str, str], directory: Path, log: Path) -> Child:
    """Start a child; what it prints to standard error is appended to ``log``, if that can be.

    :raises OSError: the program or the directory does not exist, or may not be used.
    """
    with _open_log(log) as errors:
        process = subprocess.Popen(
            list(argv),
            env=dict(variables),
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            **_group_of_its_own(),
        )
    return Child(process, argv, log)


def _open_log(log: Path) -> IO[bytes]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")
    except OSError:
        # The database counts, not the log: a full disk must not fail a release.
        return Path(os.devnull).open("ab")


def run(
    argv: Sequence[str],
    variables: Mapping[str, str],
    directory: Path,
    *,
    output: IO[bytes] | int = subprocess.PIPE,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, without standard input; errors go where ``output`` goes.

    :raises OSError: the program or the directory does not exist, or may not be used.
    :raises subprocess.TimeoutExpired: it took longer than ``timeout`` seconds, and was killed.
    """
    merged = subprocess.DEVNULL if output == subprocess.PIPE else subprocess.STDOUT
    return subprocess.run(
        list(argv),
        env=dict(variables),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=merged,
        timeout=timeout,
        check=False,
        **_group_of_its_own(),
    )


def _group_of_its_own() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}
