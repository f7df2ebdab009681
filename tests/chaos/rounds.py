"""One round: a release under fire, what must hold after it, and the release that mends it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.world import LAST, World, make_world
from tests.support import clean_environment, query

HOSTILE = {
    "EXEC_ENV": "dev",
    "ALEMBIC_CONFIG": "/nowhere/alembic.ini",
    "DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3",
    "INVOKE_RUN_WARN": "1",
    "PYTHONSTARTUP": "/nowhere.py",
}
SHOTS = ("parent", "child", "both", "interrupt", "terminate", "full disk", "none")


@dataclass(frozen=True)
class Round:
    """What a round drew, and what came of it."""

    shot: str
    delay: float
    writing: bool
    exit: int
    problems: tuple[str, ...]


def play(template: World, folder: Path, seed: int) -> Round:
    """Release, shoot, look, release again, look again."""
    chance = random.Random(seed)
    world = make_world(template, folder, chance)
    shot, delay = chance.choice(SHOTS), chance.uniform(0.1, 2.5)
    writer = world.start_writer() if chance.random() < 0.7 else None
    variables = HOSTILE if chance.random() < 0.5 else {}
    try:
        code = _release_under_fire(world, shot, delay, chance, variables)
        problems = [f"after the shot: {problem}" for problem in world.problems()]
        again = world.sandbox.invoke("release-migration")
        if again.code != 0:
            problems.append(f"the next release ended with {again.code}: {again.err[-600:]}")
        problems += [f"at the end: {problem}" for problem in world.problems()]
        for file in (world.sandbox.dev, world.sandbox.prod):
            if query(file, "SELECT version_num FROM alembic_version") != [(LAST,)]:
                problems.append(f"{file.name} is not at the head")
        if "Traceback" in again.err:
            problems.append(again.err[-600:])
    finally:
        if writer is not None:
            writer.kill()
            writer.wait()
    if not problems:
        shutil.rmtree(folder)
    return Round(shot, delay, writer is not None, code, tuple(problems))


def _release_under_fire(
    world: World, shot: str, delay: float, chance: random.Random, variables: dict[str, str]
) -> int:
    argv = [sys.executable, "-m", "invoke", "release-migration"]
    if shot == "full disk":
        argv = [sys.executable, str(Path(__file__).with_name("small_files.py")),
                str(chance.randrange(8, 400) * 1024), *argv]  # fmt: skip
    process = subprocess.Popen(
        argv,
        cwd=world.sandbox.folder,
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if shot in ("full disk", "none"):
        return process.wait(120)
    time.sleep(delay)
    _shoot(process, shot)
    code = process.wait(120)
    _wait_for_orphans(process.pid)
    return code


def _shoot(process: subprocess.Popen[bytes], shot: str) -> None:
    if process.poll() is not None:
        return
    children = _children(process.pid)
    if shot == "interrupt":
        process.send_signal(signal.SIGINT)
    elif shot == "terminate":
        process.send_signal(signal.SIGTERM)
    if shot in ("child", "both"):
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
    if shot in ("parent", "both"):
        process.kill()


def _children(parent: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    pairs = (line.split() for line in listed.splitlines())
    return [int(child) for child, above in pairs if int(above) == parent]


def _wait_for_orphans(session: int) -> None:
    """Children whose parent was killed notice it and leave; nothing may stay behind."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        listed = subprocess.run(
            ["ps", "-A", "-o", "sid=,stat="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split() for line in listed.splitlines()]
        if not [row for row in rows if int(row[0]) == session and not row[1].startswith("Z")]:
            return
        time.sleep(0.05)
    raise AssertionError("a child outlived its parent")
