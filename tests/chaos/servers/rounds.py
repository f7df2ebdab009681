"""One round on a server: a command under fire, what must hold, and what fixes it."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from migrations_ops.model.outcome import DONE
from tests.chaos import disks
from tests.chaos.acts import RELEASE, Act
from tests.chaos.invariants import two_at_work
from tests.chaos.playing import LEFT_TO_THE_NEXT, TO_TYPE, Around, Play, Round
from tests.chaos.servers.acts import ACTS, act_of
from tests.chaos.servers.invariants import (
    dirty,
    in_need,
    problems,
    problems_at_rest,
    records,
    unfinished,
    wait_for_quiet,
    wrong_names,
)
from tests.chaos.servers.shots import BREAKING, HALVING, LASTING, SHOTS, locked, shoot
from tests.chaos.servers.world import NAMES, SECRETS, Arena, World
from tests.chaos.shots import Aim
from tests.chaos.world import can_spy, start_spy
from tests.support import Ran


@dataclass(frozen=True)
class Draw:
    """What a round drew. Everything is drawn in one order, so that a seed says it all."""

    seed: int
    act: str
    shot: str
    aim: Aim
    committing: bool
    writing: bool
    reading: bool
    as_json: bool
    way: str
    between: tuple[str, ...]
    pause: float
    holder: tuple[str, float]
    resolving: bool
    room: int
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
            aim=_later(Aim.draw(ACTS[act], chance), chance),
            committing=chance.random() < 0.4,
            writing=chance.random() < 0.8,
            reading=chance.random() < 0.5,
            as_json=chance.random() < 0.3,
            way=chance.choice(["raise", "sql", "exit", "kill"]),
            between=chance.choice([(), (), ("backup",), ("verify",), ("restore",)]),
            pause=chance.uniform(0.1, 4.0),
            holder=(chance.choice(["dev", "prod"]), chance.choice([0.5, 3.0, 9.0])),
            resolving=chance.random() < 0.5,
            room=chance.randrange(4, 400) * 1024,
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
            parts.append("{} for {} s".format(*self.holder))
        if ACTS[self.act].fails:
            parts.append(f"by {self.way}")
        for name in ("committing", "writing", "reading", "as_json", "resolving"):
            parts += [name] if getattr(self, name) else []
        if self.shot == "full disk":
            parts.append(f"{self.room // 1024} KiB left")
        parts += self.around.words(self.shot)
        return ", ".join([*parts, f"then {' '.join(self.between) or 'nothing'}"])


def _later(aim: Aim, chance: random.Random) -> Aim:
    """A command takes longer on a server than on a file."""
    times = chance.choice([1, 3, 6])
    return aim if aim.place else Aim(aim.delay * times)


def play(arena: Arena, folder: Path, draw: Draw) -> Round:
    """Run the command, shoot, look, type what follows, look again. A bad round's folder stays."""
    act = act_of(draw.act, arena.engine, committing=draw.committing)
    with ExitStack() as stack:
        world = stack.enter_context(arena.world(act.template, folder, committing=draw.committing))
        if act.fails:
            (folder / "alembic/broken").write_text(f"{act.fails} {draw.way}")
        if draw.shot not in LASTING:
            (folder / "alembic/marks").touch()
        if draw.shot == "full disk" and disks.can_mount():
            disks.put_on_small_disk(world.repom, draw.room)
            stack.callback(disks.take_from_small_disk, world.repom)
        if draw.around.open_umask and can_spy():
            spy = start_spy(world)
            stack.callback(spy.wait)
            stack.callback(spy.kill)
        for wanted, role in ((draw.writing, "write"), (draw.reading, "read")):
            if wanted:
                user = world.start_application(role)
                stack.callback(user.wait)
                stack.callback(user.kill)
        round_ = _Play(world, act, draw)
        round_.whole()
    if not round_.found:
        shutil.rmtree(folder)
    return Round(draw, folder, tuple(round_.exits), tuple(round_.found))


class _Play(Play):
    """The parts of a round on a server."""

    patience = 240.0

    def __init__(self, world: World, act: Act, draw: Draw) -> None:
        super().__init__(world.sandbox, act, draw)
        self._world, self._draw = world, draw

    # -- under fire ---------------------------------------------------------------------------

    def under_fire(self) -> None:
        ended = self._fire()
        disks.make_room(self._world.repom)
        self.found += wait_for_quiet(self._world)
        self._all_dirty = {name for name in NAMES if dirty(self._world, name)}
        for number, (code, out, err) in enumerate(ended):
            self._judge(code, out, err, as_json=self._as_json and number == 0)
        self.found += two_at_work(self._world)
        self.check("after the shot", problems(self._world))
        self._type_what_was_advised(ended)

    def _fire(self) -> list[tuple[int, str, str]]:
        """Run the command, or both of them; exit, output and errors of each."""
        draw, world = self._draw, self._world
        holder = threading.Thread(target=locked, args=(world, *draw.holder))
        if draw.shot == "held":
            holder.start()
        releases = world.repom / "releases"
        self._known = {folder.name for folder in releases.glob("*")}
        processes = self.start_all(self._start, draw.aim.delay)
        if draw.shot not in LASTING:
            draw.aim.wait(processes[0], world, self._known)
            shoot(processes[0], draw.shot, draw.pause, world)
        ended = self.ends_of(processes)
        if draw.shot == "held":
            holder.join()
        return ended

    def _start(self, arguments: tuple[str, ...], name: str) -> subprocess.Popen[bytes]:
        around = self._draw.around
        return self.spawn(self.command(arguments, around), name, around.variables())

    def _judge(self, code: int, out: str, err: str, *, as_json: bool) -> None:
        self.exits.append(code)
        if self.left_by_invoke(code, out, err):
            return
        allowed = self._act.codes | SHOTS[self._draw.shot]
        if self._may_stay_half and self._draw.shot in HALVING | BREAKING | {"held"}:
            allowed |= {4}
        self.judge_code(code, err, allowed)
        if code in (0, 1, 2, 3, 130) and self._all_dirty and not self._act.second:
            self.found.append(
                f"it ended with {code}, but {self._all_dirty} are dirty: {err[-800:]}"
            )
        self.judge_words("it", Ran(code, out, err), as_json=as_json)
        if not self._act.second:
            self._judge_record(code)

    @property
    def _may_stay_half(self) -> bool:
        return self._world.engine == "mariadb" or self._draw.committing

    def judge_words(self, what: str, ran: Ran, *, as_json: bool = False) -> None:
        super().judge_words(what, ran, as_json=as_json)
        if any(secret in ran.out + ran.err for secret in SECRETS):
            self.found.append(f"{what} told a password")

    def _judge_record(self, code: int) -> None:
        """What ``releases`` says of the command is how it ended."""
        mine = [each for each in records(self._world) if each["id"] not in self._known]
        for record in mine[:1]:
            outcome = record.get("outcome")
            if code >= 0 and outcome is None and self._shot not in ("failing call", "full disk"):
                self.found.append(f"it ended with {code}, and its record does not say how")
            if code > 0 and outcome in DONE:
                self.found.append(f"it ended with {code}, and its record says released")
            if code == 0 and outcome == "failed":
                self.found.append("it ended with 0, and its record says failed")

    def _type_what_was_advised(self, ended: list[tuple[int, str, str]]) -> None:
        """Where the command needs a person, it says what to type: that must work."""
        for code, _, err in ended:
            if code != 4:
                continue
            commands = TO_TYPE.findall(err)
            if not commands and LEFT_TO_THE_NEXT in err:
                continue
            if not commands and self._all_dirty:
                self.found.append(f"it needs a person and says nothing to type: {err[-800:]}")
            if not commands:
                continue
            if self._draw.resolving and self._all_dirty:
                self._resolve()
            if not self._all_dirty or any(in_need(self._world, name) for name in NAMES):
                self.type(tuple(commands[-1].split()), {0})

    def _resolve(self) -> None:
        """Nothing was repaired: only where nothing is left may it be taken for rolled back.

        Of rows, which an application writes too, the tool takes a person's word.
        """
        for name in sorted(self._all_dirty):
            if wrong_names(self._world, name):
                continue
            self.type(("resolve", "--env", name, "--rolled-back"), {0, 1})
            self.check(f"after {name} was resolved", problems(self._world))

    # -- afterwards ---------------------------------------------------------------------------

    def fix(self) -> None:
        act, world = self._act, self._world
        self._status()
        self.type(("releases",), {0})
        if self._draw.around.mutating:
            self.type_among_mutated(world.repom, self._draw.seed)
            self.check("among mutated documents", problems(world))
        if self._draw.between:
            self.type(self._between(), {0, 1} | self._if_dirty())
            self.check("in between", problems(world))
        if act.fails:
            self._release(act.codes)
            self.check("while it is broken", problems(world))
            (world.sandbox.folder / "alembic/broken").unlink()
        self._release({0})
        self.check("at the end", problems_at_rest(world))

    def _if_dirty(self) -> set[int]:
        return {4} if any(in_need(self._world, name) for name in NAMES) else set()

    def _status(self) -> None:
        """Half of a revision is told by ``status-all``, and nothing else is."""
        ran = self.type(("status-all", "--json"), {0})
        if ran.code:
            return
        dirty_ones = {each["name"] for each in ran.json["environments"] if each["dirty"]}
        is_so = {name for name in NAMES if in_need(self._world, name)}
        if dirty_ones != is_so:
            self.found.append(f"status-all says that {dirty_ones} are dirty, and {is_so} are")

    def _between(self) -> tuple[str, ...]:
        """What somebody types before the next release; the first backup is from before it all."""
        if self._draw.between != ("restore",):
            return self._draw.between
        first = _first_backup(self._world)
        return ("restore", "--env", "prod", "--backup", first, "--yes")

    def _release(self, codes: set[int] | frozenset[int]) -> None:
        """Release; a half applied revision is refused, with the way out, which is typed then."""
        was_dirty = self._if_dirty()
        ran = self.type_release({*codes, 1, 3, 4} if was_dirty else codes, unfinished(self._world))
        if ran.code in (1, 3, 4) and (was_dirty or self._if_dirty()):
            commands = TO_TYPE.findall(ran.err)
            if self._if_dirty() and not commands:
                self.found.append(f"no way out of a dirty database is said: {ran.err[-800:]}")
            if commands:
                self.type(tuple(commands[-1].split()), {0})
            self.check("after the way out", problems(self._world))
            if codes == {0}:
                self.type(RELEASE, codes)


def _first_backup(world: World) -> str:
    sidecars = sorted(world.repom.glob("backups/db_*.json"))
    suffix = ".dump" if world.engine == "postgresql" else ".gz"
    return f"{sidecars[0].stem}{suffix}" if sidecars else "latest"
