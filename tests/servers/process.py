"""One server process with a folder and a port of its own, guarded against surviving the tests."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.memory import temporary_root
from tests.servers import guard

# What each message of it says, so that the end of a run can repeat how to get the servers.
MISSING = " is missing here: "


class MissingServerError(Exception):
    """A program is not installed here; the message says what to install."""


class StartError(Exception):
    """A server did not start; the message ends with what it said."""


def free_port() -> int:
    """A port of the loopback that nobody uses, and that no client is given by the system.

    So that a server finds its port free when it is started once more.
    """
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def as_user() -> dict[str, Any]:
    """What Popen needs so that a server runs as somebody who is not root."""
    if sys.platform == "win32":
        raise MissingServerError("The servers of the tests need a POSIX system, or WSL.")
    if os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def own_folder(name: str) -> Path:
    """A folder for a server: its path is short, for that of a socket has about 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=temporary_root() or "/tmp"))
    hand_over(folder)
    return folder


def hand_over(path: Path) -> Path:
    """Give a file or folder to the user as whom the servers run."""
    if user := as_user():
        os.chown(path, user["user"], user["group"])
    return path


def write_private(path: Path, text: str) -> Path:
    """A file that the servers' user alone may read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return hand_over(path)


def variables(folder: Path) -> dict[str, str]:
    """The environment of a server: nothing of the shell's but the place of programs."""
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": f"{path}:/usr/sbin:/sbin", "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}


def run_as_user(argv: Sequence[str | Path], folder: Path) -> None:
    """Run a program of a server to its end.

    :raises StartError: it failed.
    """
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=folder,
        env=variables(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        **as_user(),
    )
    if done.returncode:
        raise StartError(f"{argv[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def may_run(program: Path) -> bool:
    """Whether the user of the servers can start this program where it lies."""
    try:
        subprocess.run([program, "--version"], capture_output=True, check=True, **as_user())
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


# Windows, which has no such signal, starts none of these servers.
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class ServerProcess:
    """A server that can be started again and again in the same folder on the same port."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        folder: Path,
        *,
        ready: Callable[[], bool],
        stop_signal: signal.Signals = signal.SIGTERM,
        last_signal: signal.Signals = KILL,
        more_variables: Mapping[str, str] | None = None,
    ) -> None:
        """:param ready: tells whether the server answers.
        :param stop_signal: what ends it in good order.
        :param last_signal: what ends it at once, when the tests have ended.
        """
        self.folder = folder
        self.log = folder / "server.log"
        self.pid = 0
        self.is_paused = False
        self._ready = ready
        self._stop_signal = stop_signal
        order = {
            "argv": [str(word) for word in argv],
            "folder": str(folder),
            "log": str(self.log),
            "env": variables(folder) | dict(more_variables or {}),
            "as_user": as_user(),
            "last_signal": last_signal.value,
        }
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A Ctrl-C in the terminal is for the tests; the guard ends after them.
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        """Whether the process is there, paused or not."""
        return bool(self.pid) and guard.alive(self.pid)

    @property
    def written(self) -> str:
        """What the server has written to its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self, seconds: float = 60) -> None:
        """Start the server and wait until it answers; one that runs goes on, unpaused.

        :raises StartError: it ended, or did not answer in time.
        """
        if self.running:
            self.resume()
        else:
            assert self._guard.stdin is not None
            assert self._guard.stdout is not None
            self._guard.stdin.write("start\n")
            self._guard.stdin.flush()
            self.pid = int(self._guard.stdout.readline())
        self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        limit = time.monotonic() + seconds
        while not self._ready():
            if not self.running:
                raise StartError(f"The server ended at once. It said:\n{self.written[-2000:]}")
            if time.monotonic() > limit:
                raise StartError(f"No answer within {seconds} s. It said:\n{self.written[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server in good order, sessions or not."""
        guard.end(self.pid, self._stop_signal)

    def kill(self) -> None:
        """SIGKILL for the server and all its processes: a crash, no shutdown."""
        guard.kill(self.pid)

    def pause(self) -> None:
        """SIGSTOP for the server and all its processes: connections stay, nothing answers."""
        self.is_paused = True
        guard.send(signal.SIGSTOP, [self.pid])
        guard.send(signal.SIGSTOP, guard.family(self.pid))

    def resume(self) -> None:
        """Go on after a pause."""
        if self.is_paused:
            guard.send(signal.SIGCONT, guard.family(self.pid))
            self.is_paused = False

    def close(self) -> None:
        """End the server for good and remove its folder."""
        self._guard.communicate()
