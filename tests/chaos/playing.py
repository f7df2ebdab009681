"""What every round does, on whatever engine: start a command, wait for it, type, look."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests import support
from tests.chaos import clock
from tests.chaos.acts import RELEASE, Act
from tests.chaos.failing import FailingCall, can_fail
from tests.chaos.invariants import bad_words
from tests.chaos.mutating import mutate
from tests.chaos.shots import orphans
from tests.support import Ran, Sandbox

TO_TYPE = re.compile(r"invoke (restore --env \w+ --backup \S+ --yes)")
# What a task says that could not find out how it ended.
LEFT_TO_THE_NEXT = "the next task"
# Tasks that look at, or change, a database, and begin something that recovery has to know.
_LOOKING = ("preflight", "recover", None)


@dataclass(frozen=True)
class Around:
    """What a command runs under, besides a shot.

    ``mutating`` is whether the documents on disk are mutated before what follows, ``clock`` how far
    its clock is off, as faketime reads it.
    """

    failing: FailingCall
    open_umask: bool
    mutating: bool
    clock: str

    @classmethod
    def draw(cls, chance: random.Random) -> Around:
        failing = FailingCall.draw(chance)
        open_umask, mutating = chance.random() < 0.3, chance.random() < 0.3
        return cls(failing, open_umask, mutating, chance.choice(["", "", "", "+3d", "-3d"]))

    def words(self, shot: str) -> list[str]:
        """What of it counts, in words."""
        parts = [str(self.failing)] if shot == "failing call" else []
        parts += ["umask 000"] * self.open_umask + ["mutating"] * self.mutating
        return [*parts, *([f"clock {self.clock}"] if self.clock else [])]

    def variables(self) -> dict[str, str]:
        """A clock that is set back or forward when the command has ended, where that can be had."""
        return clock.variables(self.clock)


class Drawn(Protocol):
    """What every draw says of itself, in words too."""

    @property
    def seed(self) -> int: ...

    @property
    def act(self) -> str: ...

    @property
    def shot(self) -> str: ...

    @property
    def as_json(self) -> bool: ...


@dataclass(frozen=True)
class Round:
    """What a round drew, and what came of it."""

    draw: Drawn
    folder: Path
    exits: tuple[int, ...]
    problems: tuple[str, ...]


class Play:
    """The parts of a round, and what they found; ``patience`` is in seconds."""

    patience: float

    def __init__(self, sandbox: Sandbox, act: Act, draw: Drawn) -> None:
        self._sandbox, self._act = sandbox, act
        self._as_json = draw.as_json and act.argv == RELEASE
        self._shot = draw.shot
        self.found: list[str] = []
        self.exits: list[int] = []

    def whole(self) -> None:
        """Play it to its end, whatever happens."""
        try:
            self.under_fire()
            self.fix()
        except Exception as error:  # a round that cannot go on is a finding, not the end of all
            self.found.append(f"the round was interrupted: {type(error).__name__}: {error}")

    def under_fire(self) -> None:
        """The command, what is shot at it, and what must hold then."""
        raise NotImplementedError

    def fix(self) -> None:
        """What is typed afterwards, and what must hold at the end."""
        raise NotImplementedError

    # -- the command --------------------------------------------------------------------------

    def argv(self) -> tuple[str, ...]:
        """What is typed at first."""
        return (*self._act.argv, "--json") if self._as_json else self._act.argv

    def spawn(
        self, argv: Sequence[str], name: str, variables: Mapping[str, str], cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command whose output goes to files of that name."""
        folder = self._sandbox.folder
        with (folder / f"{name}.out").open("wb") as out, (folder / f"{name}.err").open("wb") as err:
            return subprocess.Popen(
                argv,
                cwd=cwd or folder,
                env=self._sandbox.environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def start_all(
        self, start: Callable[[tuple[str, ...], str], subprocess.Popen[bytes]], delay: float
    ) -> list[subprocess.Popen[bytes]]:
        """Start the command and, after a while, the second one of an act that has two."""
        processes = [start(self.argv(), "first")]
        if self._act.second:
            time.sleep(delay / 8)
            processes.append(start(self._act.second, "second"))
        return processes

    def ends_of(self, processes: list[subprocess.Popen[bytes]]) -> list[tuple[int, str, str]]:
        """Exit, output and errors of each."""
        names = ("first", "second")
        return [self.end_of(*each) for each in zip(processes, names, strict=False)]

    def end_of(self, process: subprocess.Popen[bytes], name: str) -> tuple[int, str, str]:
        """Exit, output and errors of a command, which has to end, with all that it began."""
        try:
            code = process.wait(max(self.patience, support.TIMEOUT))
        except subprocess.TimeoutExpired:
            self.found.append(f"it has not ended in time: {self._texts(name)}")
            process.kill()
            code = process.wait()
        left = orphans(process.pid)
        if left:
            self.found.append(f"{len(left)} processes outlived the command")
        return (code, *self._texts(name))

    def _texts(self, name: str) -> tuple[str, str]:
        files = [self._sandbox.folder / f"{name}.{kind}" for kind in ("out", "err")]
        out, err = (file.read_text(errors="replace") for file in files)
        return out, err

    def left_by_invoke(self, code: int, out: str, err: str) -> bool:
        """Whether Invoke itself has left, while it looked for the tasks."""
        return (code, out, err, self._shot) == (1, "", "", "interrupt")

    def judge_code(self, code: int, err: str, allowed: frozenset[int] | set[int]) -> None:
        """A command that must fail, or may only end so, has."""
        if self._act.fails and code == 0:
            allowed = allowed - {0}
        if code not in allowed:
            self.found.append(f"it ended with {code}: {err[-800:]}")

    def judge_words(self, what: str, ran: Ran, *, as_json: bool = False) -> None:
        """What it printed is fit to be read."""
        self.found += bad_words(what, ran.code, ran.out, ran.err, as_json=as_json)

    def command(self, arguments: Sequence[str], around: Around) -> list[str]:
        """The words that start a command, in what it runs under."""
        argv = [sys.executable, "-m", "invoke", *arguments]
        if self._shot == "failing call" and can_fail():
            argv = around.failing.argv(argv)
        if around.open_umask:
            argv = ["sh", "-c", 'umask 000; exec "$@"', "sh", *argv]
        return argv

    # -- afterwards ---------------------------------------------------------------------------

    def type_among_mutated(self, repom: Path, seed: int) -> None:
        """Whatever the documents on disk hold, tasks end in order and lose nothing."""
        mutated = mutate(repom, random.Random(seed))
        for task in ("status-all", "backups", "releases", "prune"):
            self.type((task,), {0})
        self.type(("backup", "--env", "prod"), {0, 1, 3})
        self.type(RELEASE, {0, 1, 3, *self._act.codes})
        mutated.undo()

    def type(self, arguments: tuple[str, ...], codes: set[int] | frozenset[int]) -> Ran:
        """Type a task, which has to end with one of these codes."""
        ran = self._sandbox.invoke(*arguments)
        what = " ".join(arguments)
        with (self._sandbox.folder / "typed.txt").open("a", encoding="utf-8") as stream:
            stream.write(f"=== {what}: {ran.code}\n{ran.out}\n{ran.err}\n")
        if ran.code not in codes:
            self.found.append(f"afterwards, {what} ended with {ran.code}: {ran.err[-800:]}")
        self.judge_words(what, ran)
        return ran

    def type_release(
        self, codes: set[int] | frozenset[int], unfinished: Sequence[Mapping[str, Any]]
    ) -> Ran:
        """Release; what was interrupted before is said.

        :param unfinished: the records of tasks that did not come to their end.
        """
        interrupted = [
            record["id"]
            for record in unfinished
            if {step.get("name") for step in _steps(record)} - set(_LOOKING)
        ]
        ran = self.type(RELEASE, codes)
        unsaid = [name for name in interrupted if f"{name} was interrupted" not in ran.err]
        if unsaid:
            self.found.append(f"the next release does not say that {unsaid} was interrupted")
        return ran

    def check(self, when: str, found: list[str]) -> None:
        """Keep what does not hold."""
        self.found += [f"{when}: {problem}" for problem in found]


def _steps(record: Mapping[str, Any]) -> list[dict[str, str]]:
    under_way = record.get("under_way")
    return [*record.get("steps", ()), *([under_way] if isinstance(under_way, dict) else [])]
