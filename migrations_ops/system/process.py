"""Starts every process: an argv and a dictionary of variables, without a shell or a fork."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from migrations_ops.child.protocol.redaction import RedactedStream
from migrations_ops.system.files import make_folder, open_own

TooLong = subprocess.TimeoutExpired
# Ends a program when its parent process has died.
WATCHDOG = Path(__file__).with_name("watchdog.py")
# How long, in seconds, a child may take to roll back before it is killed.
GRACE = 10.0
# How often, in seconds, a silent child is checked for being alive.
POLL_SECONDS = 0.2


class Child:
    """A process that exchanges lines with this one over its stdin and stdout.

    It has its own process group, so that Ctrl-C in the terminal reaches only the parent, which
    then stops the child in an orderly way. Stopping means closing its standard input:
    that works the same on every platform, and also when the parent is killed.
    """

    def __init__(self, process: subprocess.Popen[bytes], argv: Sequence[str], log: Path) -> None:
        """:param log: gets what it writes to its standard error, without secrets."""
        self._process = process
        self.argv = tuple(argv)
        self.log = log
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ended = False
        # A thread reads: a process that the child leaves behind may keep its end of the pipe open,
        # and would block this one forever.
        threading.Thread(target=self._read, daemon=True).start()
        self._logging = threading.Thread(target=self._log, args=(_open_log(log),), daemon=True)
        self._logging.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, line: str) -> bool:
        """Write one line to the child; False if it has ended."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(line.encode() + b"\n")
            stdin.flush()
        except OSError:  # EPIPE, or EINVAL on Windows
            return False
        return True

    def lines(self) -> Iterator[bytes]:
        """Yield what the child writes, line by line, until it closes its stdout or has ended."""
        while not self._ended:
            gone = self._process.poll() is not None
            try:
                line = self._lines.get(timeout=POLL_SECONDS)
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

    def _log(self, log: int | None) -> None:
        assert self._process.stderr is not None
        written = RedactedStream()
        with self._process.stderr as errors:
            while data := os.read(errors.fileno(), 65536):
                _append(log, written.feed(data))
        _append(log, written.feed(b"", last=True))
        if log is not None:
            os.close(log)

    def kill_after(self, seconds: float) -> threading.Timer:
        """Kill the child after that many seconds, unless the timer is cancelled before."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        return timer

    def stop(self, listener: Callable[[bytes], object] | None = None) -> int:
        """Ask the child to end, wait, kill it if it does not, and return its exit code.

        :param listener: gets the lines that the child writes until then.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        timer = self.kill_after(GRACE)
        for line in self.lines():
            if listener is not None:
                listener(line)
        code = self._process.wait()
        timer.cancel()
        # Not for ever: what it leaves behind may keep this pipe open, too.
        self._logging.join(1)
        return code

    def dismiss(self) -> None:
        """Kill a child that got no instructions: it has nothing to roll back."""
        self._process.kill()
        self.stop()


def start(argv: Sequence[str], variables: Mapping[str, str], directory: Path, log: Path) -> Child:
    """Start a child; its standard error is appended to ``log``, if possible.

    It gets a pipe, and not the file: no secret that it prints is on the disk at any moment.

    :raises OSError: the program or the directory does not exist, or may not be used.
    """
    process = subprocess.Popen(
        list(argv),
        env=dict(variables),
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **_group_of_its_own(),
    )
    return Child(process, argv, log)


# The database counts, not the log: a full disk must not fail a release.
def _open_log(log: Path) -> int | None:
    with contextlib.suppress(OSError):
        make_folder(log.parent)
        return open_own(log, os.O_WRONLY | os.O_APPEND)
    return None


def _append(log: int | None, data: bytes) -> None:
    with contextlib.suppress(OSError):
        while log is not None and data:
            data = data[os.write(log, data) :]


def run(
    argv: Sequence[str],
    variables: Mapping[str, str],
    directory: Path,
    *,
    output: IO[bytes] | int = subprocess.PIPE,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command until it ends, without standard input; errors go where ``output`` goes.

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


class Supervised:
    """A program that a watchdog ends when this process has died."""

    def __init__(self, watchdog: subprocess.Popen[bytes]) -> None:
        self._watchdog = watchdog
        self.is_ending = False

    def end(self) -> None:
        """Ask the watchdog to end the program; do not wait."""
        self.is_ending = True
        assert self._watchdog.stdin is not None
        # The end of its input tells the watchdog to end the program.
        with contextlib.suppress(OSError):
            self._watchdog.stdin.close()

    def lines(self) -> Iterator[bytes]:
        """Yield what the program writes to standard error, until it has ended."""
        assert self._watchdog.stderr is not None
        yield from self._watchdog.stderr

    def ended(self) -> tuple[int | None, str]:
        """Return its exit code, None if unknown, and why it did not end by itself."""
        assert self._watchdog.stdout is not None
        line = self._watchdog.stdout.readline()
        killed: dict[str, Any] = {"exit": None, "reason": "its watchdog was killed"}
        answer = json.loads(line) if line else killed
        return answer["exit"], answer.get("reason", "")


@contextlib.contextmanager
def supervised(
    argv: Sequence[str], variables: Mapping[str, str], remove: Sequence[Path] = ()
) -> Iterator[Supervised]:
    """Run a program and read only its standard error.

    It is ended when the context is left, and when this process is killed.

    :param remove: files that are removed when the program has ended.
    """
    python = [sys.executable, "-I", "-S", "-X", "utf8", str(WATCHDOG)]
    watchdog = subprocess.Popen(
        python,
        env=dict(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **_group_of_its_own(),
    )
    assert watchdog.stdin is not None
    instruction = {"argv": list(argv), "timeout": None, "remove": [str(file) for file in remove]}
    try:
        with contextlib.suppress(OSError):
            watchdog.stdin.write(json.dumps(instruction).encode() + b"\n")
            watchdog.stdin.flush()
        yield Supervised(watchdog)
    finally:
        with contextlib.suppress(OSError):
            watchdog.stdin.close()
        watchdog.stdin = None
        timer = threading.Timer(GRACE, watchdog.kill)
        timer.start()
        watchdog.communicate()
        timer.cancel()


@contextlib.contextmanager
def piped(
    argv: Sequence[str], variables: Mapping[str, str], errors: IO[bytes], *, fed: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program and read its output, or write its input.

    It is killed when the context is left, if it has not ended by itself. If this process is killed,
    the pipe breaks and the program ends too.

    :param errors: the file for its standard error.
    :param fed: whether its input is written; otherwise its output is read.
    :raises OSError: the program does not exist, or may not be used.
    """
    process = subprocess.Popen(
        list(argv),
        env=dict(variables),
        stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if fed else subprocess.PIPE,
        stderr=errors,
        **_group_of_its_own(),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _group_of_its_own() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}
