"""What is compared with what."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import projects
from benchmarks.backups import backups
from benchmarks.measure import Case, Command, Comparison
from benchmarks.projects import FILES, alembic, python, variables

VERSION = "SELECT version_num FROM alembic_version"
# A script that changed within the last two seconds is not remembered by the cache: a clock may
# be that coarse.
SETTLING = 2.5


def _nothing() -> None:
    """For cases that leave everything as it was."""


def invoke(folder: Path, *arguments: str, shows: str = "") -> tuple[Command, ...]:
    return (python(folder, "-m", "invoke", *arguments, shows=shows),)


def release(folder: Path, *, shows: str) -> tuple[Command, ...]:
    return invoke(folder, "release-migration", shows=shows)


def release_by_hand(folder: Path) -> tuple[Command, ...]:
    """For dev, then prod: read the version, copy the file, upgrade, look, compare the models."""
    commands: list[Command] = []
    for name, file in FILES.items():
        commands += [
            _read_version(folder, file),
            _copy_file(folder, file),
            alembic(folder, "upgrade", "head", EXEC_ENV=name),
            alembic(folder, "current", EXEC_ENV=name),
            alembic(folder, "check", EXEC_ENV=name),
        ]
    return tuple(commands)


def current_by_hand(folder: Path, *names: str) -> tuple[Command, ...]:
    return tuple(alembic(folder, "current", EXEC_ENV=name) for name in names)


def _read_version(folder: Path, file: str) -> Command:
    if shutil.which("sqlite3"):
        return Command(("sqlite3", file, VERSION), folder, variables())
    code = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]))"
    return python(folder, "-c", code, file, VERSION)


def _copy_file(folder: Path, file: str) -> Command:
    into = f"data/repom/backups/{Path(file).stem}_20261122_160500.sqlite3"
    if shutil.which("cp"):
        return Command(("cp", file, into), folder, variables())
    return python(folder, "-c", "import shutil, sys; shutil.copy(*sys.argv[1:])", file, into)


def _fresh(title: str, template: Path, commands: Callable[[Path], tuple[Command, ...]]) -> Case:
    """A case of which each run gets a new copy of the template."""
    folder = template.with_name(f"{template.name}-run")
    return Case(title, commands(folder), lambda: projects.copy(template, folder))


def pending(place: Path) -> list[Comparison]:
    """The release with three pending revisions, rehearsal and verified backups included."""
    ours, plain = place / "ours", place / "plain"
    projects.own_project(ours)
    projects.plain_copy(ours, plain)
    return [
        Comparison(
            _fresh("release, 3 pending", ours, partial(release, shows="Released")),
            _fresh("typed by hand", plain, release_by_hand),
            0.4,
        )
    ]


def nothing_pending(place: Path) -> list[Comparison]:
    """The release where every environment is at head already."""
    ours, plain = place / "ours", place / "plain"
    projects.own_project(ours)
    projects.release(ours)
    projects.plain_copy(ours, plain)
    return [
        Comparison(
            _fresh("release, nothing pending", ours, partial(release, shows="Nothing to do")),
            _fresh("typed by hand", plain, release_by_hand),
            0.3,
        )
    ]


def status(place: Path) -> list[Comparison]:
    """Where two environments stand."""
    ours, plain = place / "ours", place / "plain"
    projects.own_project(ours)
    projects.release(ours)
    projects.plain_copy(ours, plain)
    return [
        Comparison(
            Case("status-all, 2 environments", invoke(ours, "status-all"), _nothing),
            Case("alembic current, twice", current_by_hand(plain, *FILES), _nothing),
            0.25,
        )
    ]


def start(place: Path) -> list[Comparison]:
    """What our tasks add to the start of Invoke."""
    ours, bare = place / "ours", place / "bare"
    projects.long_project(ours, 1)
    projects.empty_tasks(bare)
    return [
        Comparison(
            Case("invoke --list", invoke(ours, "--list", shows="release-migration"), _nothing),
            Case("with one empty task", invoke(bare, "--list", shows="nothing"), _nothing),
            1.05,
        )
    ]


def growth(place: Path, sizes: Sequence[int] = (10, 1000, 5000)) -> list[Comparison]:
    """status-all over histories of growing length: never read before, and remembered."""
    cold: dict[int, Case] = {}
    warm: dict[int, Case] = {}
    by_hand: dict[int, Case] = {}
    for size in sizes:
        folder, plain = place / f"ours-{size}", place / f"plain-{size}"
        projects.long_project(folder, size)
        if size < 5000:  # there it takes four seconds and says nothing new
            projects.plain_copy(folder, plain)
            current = current_by_hand(plain, "prod")
            by_hand[size] = Case(f"alembic current, {size:,} revisions", current, _nothing)
        commands = invoke(folder, "status-all")
        cache = folder / "data/repom/releases/.scripts.json"
        title = f"status-all, {size:,} revisions"
        cold[size] = Case(f"{title}, first time", commands, _forget(cache))
        warm[size] = Case(title, commands, _remember(commands, cache))
    time.sleep(SETTLING)
    smallest = sizes[0]
    return [
        *_grown(warm, smallest),
        *_grown(cold, smallest),
        *(Comparison(warm[size], case) for size, case in by_hand.items()),
    ]


def _grown(cases: Mapping[int, Case], smallest: int) -> list[Comparison]:
    return [Comparison(case, cases[smallest]) for size, case in cases.items() if size != smallest]


def _forget(cache: Path) -> Callable[[], None]:
    return lambda: cache.unlink(missing_ok=True)


def _remember(commands: Sequence[Command], cache: Path) -> Callable[[], None]:
    def prepare() -> None:
        if not cache.exists():
            for command in commands:
                command.run()

    return prepare


BENCHMARKS: Mapping[str, Callable[[Path], list[Comparison]]] = {
    "pending": pending,
    "nothing": nothing_pending,
    "status": status,
    "list": start,
    "growth": growth,
    "backup": backups,
}
