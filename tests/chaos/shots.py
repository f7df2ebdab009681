"""What disturbs a command: signals at an instant, a disk that is full, a file that is held."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from migrations_ops.system.reading import read_json
from tests.chaos.acts import IN_REVISION, RELEASE, Act, LocatedDatabase
from tests.support import Sandbox

# The codes that each shot allows besides those of the undisturbed command.
SHOTS: dict[str, frozenset[int]] = {
    "none": frozenset(),
    "parent": frozenset({-9}),
    "child": frozenset({1, 3}),
    "both": frozenset({-9, 1, 3}),
    "everything": frozenset({-9}),
    "interrupt": frozenset({130, -2}),
    "terminate": frozenset({130, -15}),
    "hangup": frozenset({130, -1}),
    "pause child": frozenset(),
    "pause everything": frozenset(),
    "full file": frozenset({1, 3, 4}),
    "full disk": frozenset({1, 3, 4}),
    "failing call": frozenset({1, 3, 4}),
    "held": frozenset({1, 3}),
}
# These need no instant: they last as long as the command does.
LASTING = frozenset({"none", "full file", "full disk", "failing call", "held"})
_SIGNALS = {
    "interrupt": signal.SIGINT, "terminate": signal.SIGTERM, "hangup": getattr(signal, "SIGHUP", 1),
}  # fmt: skip
# A command that does not get so far, in seconds, was disturbed by something else.
PATIENCE = 30.0


class Files(Protocol):
    """The part of a world that lies in files."""

    @property
    def repom(self) -> Path: ...

    @property
    def sandbox(self) -> Sandbox: ...


@dataclass(frozen=True)
class Aim:
    """An instant: so many seconds after the start, or after the record says that a step began."""

    delay: float
    place: LocatedDatabase | None = None

    @classmethod
    def draw(cls, act: Act, chance: random.Random) -> Aim:
        # Some steps are over within milliseconds, others take longer.
        early = chance.uniform(0.05, 1.4 if act.argv == RELEASE else 0.8)
        late = chance.uniform(0.0, chance.choice([0.01, 0.05, 0.15]))
        place = chance.choice(act.places) if act.places else None
        if place is None or chance.random() < 0.4:
            return cls(early)
        return cls(late, place)

    def __str__(self) -> str:
        after = " of ".join(self.place) if self.place else "the start"
        return f"{self.delay:.2f} s after {after}"

    def wait(self, process: subprocess.Popen[bytes], world: Files, known: set[str]) -> None:
        """Wait for that instant, or for the end of the process."""
        releases, alembic = world.repom / "releases", world.sandbox.folder / "alembic"
        deadline = time.monotonic() + PATIENCE
        while self.place and process.poll() is None and time.monotonic() < deadline:
            if self.place[0] == IN_REVISION:
                arrived = (alembic / f"mark-{self.place[1]}").exists()
            else:
                arrived = self.place in _under_way(releases, known)
            if arrived:
                break
            time.sleep(0.002)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.delay)


def _under_way(releases: Path, known: set[str]) -> list[LocatedDatabase]:
    folders = [folder for folder in releases.glob("*") if folder.name not in known]
    found = [read_json(folder / "release.json") for folder in folders]
    steps = [(document or {}).get("under_way") or {} for document in found]
    return [(step.get("name", ""), step.get("environment", "")) for step in steps]


def shoot(process: subprocess.Popen[bytes], shot: str, pause: float) -> None:
    """Send the signals of a shot; whoever has left meanwhile is not hit."""
    if process.poll() is not None:
        return
    if shot in _SIGNALS:
        process.send_signal(_SIGNALS[shot])
    elif shot in ("child", "both"):
        _send(_children(process.pid), signal.SIGKILL)
        if shot == "both":
            process.kill()
    elif shot == "parent":
        process.kill()
    elif shot == "everything":
        _kill_at_once(process.pid)
    elif shot == "pause child":
        _pause(_children(process.pid), pause)
    elif shot == "pause everything":
        _pause(in_session(process.pid), pause)


def _kill_at_once(session: int) -> None:
    """As near to a power cut as signals come: all stand still before the first one is gone."""
    stopped: list[int] = []
    while left := [pid for pid in in_session(session) if pid not in stopped]:
        _send(left, signal.SIGSTOP)
        stopped += left
    _send(stopped, signal.SIGKILL)


def _pause(pids: list[int], seconds: float) -> None:
    _send(pids, signal.SIGSTOP)
    time.sleep(seconds)
    _send(pids, signal.SIGCONT)


def _send(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(parent: int) -> list[int]:
    return [pid for pid, above, _ in _processes() if above == parent]


def in_session(session: int) -> list[int]:
    """The processes of a session: a command was started with one of its own."""
    return [pid for pid, _, its in _processes() if its == session]


def _processes() -> list[tuple[int, int, int]]:
    """Each live process: its id, its parent's, its session's."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,sid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [
        (int(pid), int(above), int(session))
        for pid, above, session, state in rows
        if not state.startswith("Z")
    ]


def orphans(session: int) -> list[int]:
    """Who is still there of a session after a while: children whose parent was killed leave."""
    deadline = time.monotonic() + PATIENCE
    while (left := in_session(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
