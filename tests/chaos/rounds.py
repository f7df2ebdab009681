"""One round: a command under fire, what must hold after it, and the release that fixes it."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos import disks
from tests.chaos.acts import ACTS, Act
from tests.chaos.hostile import make_hostile
from tests.chaos.invariants import problems, problems_at_rest, two_at_work, unfinished
from tests.chaos.playing import LEFT_TO_THE_NEXT, TO_TYPE, Around, Play, Round
from tests.chaos.shots import LASTING, SHOTS, Aim, shoot
from tests.chaos.world import World, can_spy, make_world
from tests.support import Ran

_NO_ROOM_TO_READ = "a reader saw disk I/O error"


@dataclass(frozen=True)
class Draw:
    """What a round drew. Everything is drawn in one order, so that a seed says it all."""

    seed: int
    act: str
    shot: str
    aim: Aim
    mode: str
    committing: bool
    writing: bool
    reading: bool
    hostile: bool
    as_json: bool
    way: str
    between: tuple[str, ...]
    pause: float
    room: int
    holder: tuple[str, str, float]
    around: Around

    @classmethod
    def of(cls, seed: int, act: str | None = None, shot: str | None = None) -> Draw:
        """Draw a round; a test may set the act and the shot."""
        chance = random.Random(seed)
        act_drawn, shot_drawn = chance.choice(list(ACTS)), chance.choice(list(SHOTS))
        act = act or act_drawn
        shot = "none" if ACTS[act].second else shot or shot_drawn
        return cls(
            seed=seed,
            act=act,
            shot=shot,
            aim=Aim.draw(ACTS[act], chance),
            mode=chance.choice(["WAL", "DELETE"]),
            committing=chance.random() < 0.4,
            writing=chance.random() < 0.7,
            reading=chance.random() < 0.5,
            hostile=chance.random() < 0.4,
            as_json=chance.random() < 0.3,
            way=chance.choice(["raise", "sql", "exit", "kill"]),
            between=chance.choice([(), (), ("backup",), ("verify",), ("restore",)]),
            pause=chance.uniform(0.1, 3.0),
            room=chance.randrange(4, 600) * 1024,
            holder=(
                chance.choice(["dev", "prod", "prod"]),
                chance.choice(["IMMEDIATE", "EXCLUSIVE", "DEFERRED"]),
                chance.choice([0.5, 2.0, 9.0]),
            ),
            around=Around.draw(chance),
        )

    def numbered(self, number: int) -> Draw:
        """The same with the disk full at that page, or the call of that number failing."""
        failing = replace(self.around.failing, number=number)
        return replace(self, room=number * 4096, around=replace(self.around, failing=failing))

    def __str__(self) -> str:
        parts = [f"{self.act}: {self.shot}"]
        if self.shot not in LASTING:
            parts.append(str(self.aim))
        if self.shot == "held":
            parts.append("{} {} for {} s".format(*self.holder))
        if self.shot.startswith("full"):
            parts.append(f"{self.room // 1024} KiB left")
        if ACTS[self.act].fails:
            parts.append(f"by {self.way}")
        for name in ("committing", "writing", "reading", "hostile", "as_json"):
            parts += [name] if getattr(self, name) else []
        parts += self.around.words(self.shot)
        return ", ".join([*parts, self.mode, f"then {' '.join(self.between) or 'nothing'}"])


def play(templates: Mapping[str, World], folder: Path, draw: Draw) -> Round:
    """Run the command, shoot, look, type what follows, look again. A bad round's folder stays."""
    act = ACTS[draw.act]
    world = make_world(templates[act.template], folder, mode=draw.mode, committing=draw.committing)
    if act.fails:
        (folder / "alembic/broken").write_text(f"{act.fails} {draw.way}")
    if draw.shot not in LASTING:
        (folder / "alembic/marks").touch()
    round_ = _Play(world, act, draw)
    with ExitStack() as stack:
        if draw.shot == "full disk" and disks.can_mount():
            # Given up last, when nobody writes there any more.
            disks.put_on_small_disk(world.repom, draw.room)
            stack.callback(disks.take_from_small_disk, world.repom)
        for wanted, start in (
            (draw.writing, world.start_writer),
            (draw.reading, world.start_reader),
            (draw.around.open_umask and can_spy(), world.start_spy),
        ):
            if wanted:
                user = start()
                stack.callback(user.wait)
                stack.callback(user.kill)
        round_.whole()
    if not round_.found:
        shutil.rmtree(folder)
    return Round(draw, folder, tuple(round_.exits), tuple(round_.found))


class _Play(Play):
    """The parts of a round on files."""

    patience = 150.0

    def __init__(self, world: World, act: Act, draw: Draw) -> None:
        super().__init__(world.sandbox, act, draw)
        self._world, self._draw = world, draw
        self._variables: dict[str, str] = {}

    # -- under fire ---------------------------------------------------------------------------

    def under_fire(self) -> None:
        draw, world = self._draw, self._world
        if draw.hostile:
            chance = random.Random(draw.seed)
            self._variables = make_hostile(world.sandbox.folder, chance)
        self._variables |= draw.around.variables()
        ended = self._fire()
        disks.make_room(world.repom)
        for number, (code, out, err) in enumerate(ended):
            self._judge(code, out, err, as_json=self._as_json and number == 0)
        self.found += two_at_work(world)
        self.check("after the shot", problems(world, stamped=draw.act != "stamp"))
        self._type_what_was_advised(ended)

    def _fire(self) -> list[tuple[int, str, str]]:
        """Run the command, or both of them; exit, output and errors of each."""
        draw, world = self._draw, self._world
        holder = None
        if draw.shot == "held":
            name, how, seconds = draw.holder
            file = world.sandbox.dev if name == "dev" else world.sandbox.prod
            holder = world.start_holder(file, how, seconds)
        releases = world.repom / "releases"
        known = {folder.name for folder in releases.glob("*")}
        processes = self.start_all(self._start, draw.aim.delay)
        if draw.shot not in LASTING:
            draw.aim.wait(processes[0], world, known)
            shoot(processes[0], draw.shot, draw.pause)
        ended = self.ends_of(processes)
        if holder is not None:
            holder.wait()
        return ended

    def _start(self, arguments: tuple[str, ...], name: str) -> subprocess.Popen[bytes]:
        argv = self.command(arguments, self._draw.around)
        small_file = self._draw.shot == "full file" or (
            self._draw.shot == "full disk" and not disks.can_mount()
        )
        if small_file:
            script = str(Path(__file__).with_name("small_files.py"))
            argv = [sys.executable, script, str(self._draw.room), *argv]
        cwd = self._world.sandbox.folder / "alembic/versions" if self._draw.hostile else None
        return self.spawn(argv, name, self._variables, cwd)

    def _judge(self, code: int, out: str, err: str, *, as_json: bool) -> None:
        self.exits.append(code)
        if self.left_by_invoke(code, out, err):
            return
        self.judge_code(code, err, self._act.codes | SHOTS[self._draw.shot])
        self.judge_words("it", Ran(code, out, err), as_json=as_json)

    def _type_what_was_advised(self, ended: list[tuple[int, str, str]]) -> None:
        """Where the command needs a person, it says what to type: that must work."""
        for code, _, err in ended:
            if code != 4:
                continue
            commands = TO_TYPE.findall(err)
            if not commands and LEFT_TO_THE_NEXT in err:
                continue
            if not commands:
                self.found.append(f"it needs a person and says nothing to type: {err[-800:]}")
                continue
            self.type(tuple(commands[-1].split()), {0})

    # -- afterwards ---------------------------------------------------------------------------

    def fix(self) -> None:
        act, world = self._act, self._world
        self.type(("status-all",), {0})
        if self._draw.around.mutating:
            self.type_among_mutated(world.repom, self._draw.seed)
            self.check("among mutated documents", problems(world, stamped=not act.fixes))
        if act.fixes:
            self.type(act.fixes, {0})
        elif self._draw.between:
            self.type(self._between(), {0, 1})
        if act.fails:
            self.type_release(act.codes, unfinished(world))
            self.check("while it is broken", problems(world))
            (world.sandbox.folder / "alembic/broken").unlink()
        self.type_release({0}, unfinished(world))
        self.check("at the end", problems_at_rest(world))

    def _between(self) -> tuple[str, ...]:
        """What somebody types before the next release. Only the first backup is surely from
        before everything: the latest may be the safety backup of what a restore replaced."""
        if self._draw.between != ("restore",):
            return self._draw.between
        sidecars = sorted(self._world.repom.glob("backups/db_*.json"))
        first = sidecars[0].with_suffix(".sqlite3").name if sidecars else "latest"
        return ("restore", "--env", "prod", "--backup", first, "--yes")

    def check(self, when: str, found: list[str]) -> None:
        if self._draw.shot == "full disk":
            # A reader in WAL mode has files of its own to write there.
            found = [problem for problem in found if problem != _NO_ROOM_TO_READ]
        super().check(when, found)
