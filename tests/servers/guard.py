"""Starts a server and ends it when the tests end, even if those are killed.

A program of its own: the end of its standard input is the death of the tests, which no signal
and no ``kill -9`` can keep from it. Each line that it reads starts the server once more.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

PROC = Path("/proc")


def _parents() -> dict[int, int]:
    """The parent of each living process; zombies are left out."""
    if not (PROC / "self/stat").exists():
        lines = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        words = [line.split() for line in lines]
        return {int(pid): int(parent) for pid, parent, state in words if state[0] != "Z"}
    found = {}
    for entry in PROC.iterdir():
        # A process may end while we look.
        with suppress(OSError, ValueError):
            pid = int(entry.name)
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                found[pid] = int(parent)
    return found


def alive(pid: int) -> bool:
    """Whether the process runs, stopped or not; a zombie does not."""
    if not (PROC / "self/stat").exists():
        return pid in _parents()
    with suppress(OSError):
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def read(pid: int, name: str) -> bytes:
    """What /proc has of a process in the file of that name; nothing once it has ended."""
    with suppress(OSError):
        return (PROC / str(pid) / name).read_bytes()
    return b""


def user(pid: int) -> int | None:
    """As whom a process runs; none once it has ended."""
    ids = [line.split() for line in read(pid, "status").splitlines() if line.startswith(b"Uid:")]
    return int(ids[0][1]) if ids else None


def family(pid: int) -> list[int]:
    """A living process and all that descend from it, the eldest first."""
    parents = _parents()
    found = [pid] if pid in parents else []
    for member in found:
        found += [child for child, parent in parents.items() if parent == member]
    return found


def children(pid: int) -> list[int]:
    """The living processes that a process has started itself."""
    return [child for child, parent in _parents().items() if parent == pid]


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    """Send a signal to those processes that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_for_end(pids: Iterable[int], seconds: float) -> bool:
    """:returns: whether all processes have ended before the limit."""
    limit = time.monotonic() + seconds
    waiting = set(pids)
    while waiting := waiting & _parents().keys():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


def kill(pid: int) -> None:
    """Kill a process and its descendants; none can start another one meanwhile."""
    # Each backend of PostgreSQL is the head of a process group: no signal reaches all of them.
    send(signal.SIGSTOP, [pid])
    members = family(pid)
    send(signal.SIGKILL, members)
    wait_for_end(members, 20)


def end(pid: int, number: signal.Signals, seconds: float = 20) -> None:
    """End a process and its descendants as the signal says, and kill what does not obey."""
    members = family(pid)
    send(number, members[:1])
    send(signal.SIGCONT, members)
    if not wait_for_end(members, seconds):
        kill(pid)
        send(signal.SIGKILL, members)
        wait_for_end(members, 20)


def start(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    with Path(order["log"]).open("ab") as log:
        process = subprocess.Popen(
            order["argv"],
            cwd=order["folder"],
            env=order["env"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **order["as_user"],
        )
    # Somebody has to ask how it ended, or it stays as a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def main(order: dict[str, Any]) -> None:
    process = None
    for _ in sys.stdin:
        process = start(order)
        with suppress(BrokenPipeError):
            print(process.pid, flush=True)
    if process is not None:
        # Not killed: PostgreSQL removes its shared memory when it may end by itself.
        end(process.pid, signal.Signals(order["last_signal"]), 5)
    shutil.rmtree(order["folder"], ignore_errors=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
