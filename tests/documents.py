"""Runs the examples of README.md and docs/, and writes their outputs anew where they changed.

The outputs in the documents are real ones. ``python -m tests.documents`` runs every example and
puts the new output in the place of each that no longer fits; the tests only compare.

In a document:

- ``<!-- sandbox: repository -->`` begins with a fresh copy of this repository's own Alembic
  project, ``<!-- sandbox: shop -->`` with one of tests/projects/shop. No database exists yet.
  ``<!-- sandbox: postgresql -->`` and ``<!-- sandbox: mariadb -->`` have the shop over two empty
  databases of a server of their own.
- In a block of ``console``, ``$ `` begins a command, and what follows is its output, standard
  error included. A command ends with 0, unless ``$ echo $?`` below it says something else. A line
  ``...`` stands for any lines.
- ``<!-- write: FILE -->`` has the block below it written into the sandbox, and
  ``<!-- replace: FILE: OLD: NEW -->`` changes a text of a file there.
- ``<!-- run: COMMAND -->`` runs a command that a reader need not see.
- ``<!-- flags: TASK -->`` has the table of the task's flags below it, as ``--help`` tells them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from migrations_ops.tasks import namespace
from tests.servers.databases import Server, ServerDatabase
from tests.servers.fixtures import started
from tests.servers.mariadb import MariaServer
from tests.servers.postgres import PostgresServer
from tests.servers.shops import server_shop
from tests.support import PROJECTS, REPOSITORY, clean_environment

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
PROJECT_FILES = ("alembic", "alembic.ini", "tasks.py", "invoke.yaml", "pyproject.toml")
# Where the reader's copy lies, in every output.
HOME = "/home/me/tool-library"
ANY_LINES = "..."
# What stands for the value of a flag.
_VALUE = {
    "allow": "CODE", "args": '"..."', "backup": "NAME", "base": "REF", "behind": "ok",
    "env": "NAME", "engine": "NAME",
    "format": "FORMAT", "output": "FILE", "plan-file": "FILE", "timeout": "SECONDS",
    "message": '"..."', "envs": "NAMES", "url": "NAME=URL",
    "note": '"..."', "last": "NUMBER", "rev-id": "ID", "show": "ID", "to": "REV",
}  # fmt: skip

_SCRIPT = "import sys; sys.argv = sys.argv[1:]; from migrations_ops.__main__ import main; main()"
_COMMENT = re.compile(r"<!-- (sandbox|write|replace|run): (.*?) -->")
_FLAGS = re.compile(r"<!-- flags: (\S+) -->")
_FENCE = re.compile(r"(`{3,})(\w*)")
# What differs from run to run, or from one version of a library to the next.
_VARYING = (
    (re.compile(r"(?<!\d)\d{8}_\d{6}(_\d+)?"), "STAMP"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "MOMENT"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b([+-]\d\d:\d\d)?"), "MOMENT"),
    (re.compile(r"\b\d{4}_\d\d_\d\d_"), "DAY_"),
    (re.compile(r"\b\d+\.\d+ s\b"), "SECONDS"),
    (re.compile(r"(<|\b)\d+ ms\b"), "MILLISECONDS"),
    (re.compile(r"\b\d+(\.\d+)? (bytes|KB|MB)"), "SIZE"),
    (re.compile(r"\b\d+ statements?"), "STATEMENTS"),
    (re.compile(r"\b\d+\.\d+\.\d+\b"), "VERSION"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "SHA256"),
    (re.compile(r'("(?:seconds|process|size|statements)":) [\d.]+'), r"\1 N"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass
class Command:
    """One command of a document, and the lines of the document that hold its output.

    ``shown`` is False for one that the reader does not see.
    """

    line: int
    text: str
    first: int = 0
    last: int = 0
    exit: int = 0
    shown: bool = True


@dataclass
class File:
    """A file that a document writes, or changes by replacing ``old``."""

    name: str
    text: str
    old: str = ""


@dataclass
class Scene:
    """What a document does in one sandbox, in its order."""

    document: Path
    project: str
    line: int
    acts: list[Command | File] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.document.name}:{self.line}"


def read_scenes(document: Path) -> list[Scene]:
    """The scenes of a document.

    :raises ValueError: an example stands in no sandbox.
    """
    lines = document.read_text(encoding="utf-8").splitlines()
    scenes: list[Scene] = []
    target, number = "", 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if found := _COMMENT.match(line):
            kind, value = found.groups()
            if kind == "sandbox":
                scenes.append(Scene(document, value, number))
            elif kind == "write":
                target = value
            elif kind == "replace":
                name, old, new = value.split(": ")
                scenes[-1].acts.append(File(name, new, old))
            else:
                scenes[-1].acts.append(Command(number, value, shown=False))
        elif found := _FENCE.match(line):
            end = next(i for i in range(number, len(lines)) if lines[i].startswith(found.group(1)))
            if target:
                text = "\n".join(lines[number:end]) + "\n"
                scenes[-1].acts.append(File(target, text))
                target = ""
            elif found.group(2) == "console":
                if not scenes:
                    raise ValueError(f"{document.name}:{number}: no sandbox comment above it")
                scenes[-1].acts += _commands(lines, number, end)
            number = end + 1
    return scenes


def _commands(lines: Sequence[str], begin: int, end: int) -> Iterator[Command]:
    starts = [number for number in range(begin, end) if lines[number].startswith("$ ")]
    command: Command | None = None
    for start, following in zip(starts, [*starts[1:], end], strict=True):
        text = lines[start].removeprefix("$ ")
        if text == "echo $?":
            assert command is not None
            command.exit = int(lines[start + 1])
            continue
        command = Command(start + 1, text, start + 1, following)
        # yielded before its exit code is read, and looked at when all are there
        yield command


class Stage:
    """A sandbox in which the acts of a scene are played."""

    def __init__(self, project: str, folder: Path) -> None:
        self.folder = folder / "project"
        if project == "repository":
            self.folder.mkdir()
            for name in PROJECT_FILES:
                source = REPOSITORY / name
                copy = shutil.copytree if source.is_dir() else shutil.copy
                copy(source, self.folder / name)
        else:
            shutil.copytree(PROJECTS / project, self.folder)
        (self.folder / "data/repom").mkdir(parents=True, exist_ok=True)

    def write(self, file: File) -> None:
        path = self.folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = file.text
        if file.old:
            before = path.read_text(encoding="utf-8")
            assert file.old in before, f"{file.name} holds no {file.old!r}"
            text = before.replace(file.old, file.text)
        path.write_text(text, encoding="utf-8")

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; its exit code, and what a terminal would show of it."""
        words = shlex.split(command)
        variables = {}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
        if words[0] in ("invoke", "alembic"):
            words = [sys.executable, "-m", *words]
        elif words[0] == "migrations-ops":
            # As the script of the installed package would be called.
            words = [sys.executable, "-c", _SCRIPT, *words]
        elif words[0] == "python":
            words[0] = sys.executable
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.variables(COLUMNS="100", **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        return done.returncode, self._as_at_home(done.stdout.decode("utf-8"))

    def variables(self, **more: str) -> dict[str, str]:
        return clean_environment(**more)

    def _as_at_home(self, text: str) -> str:
        for path, name in (
            (os.path.realpath(self.folder), HOME),
            (str(self.folder), HOME),
            (sys.executable, f"{HOME}/.venv/bin/python"),
            (str(REPOSITORY), HOME),
        ):
            text = text.replace(path, name)
        return text


class ServerStage(Stage):
    """The shop over two databases of a server."""

    def __init__(self, server: Server, folder: Path) -> None:
        names = ("shop_dev", "shop")
        dev, prod = (ServerDatabase(server, server.create_database(name)) for name in names)
        self.shop = server_shop(folder / "project", dev, prod)
        self.folder = self.shop.folder
        self._where = f"127.0.0.1:{server.port}"

    def variables(self, **more: str) -> dict[str, str]:
        return self.shop.environment(**more)

    def _as_at_home(self, text: str) -> str:
        return super()._as_at_home(text).replace(self._where, "db.example")


@contextmanager
def staged(project: str, folder: Path) -> Iterator[Stage]:
    """The sandbox of a scene; its server, if it has one, ends with it."""
    kinds: dict[str, Callable[[], PostgresServer | MariaServer]] = {
        "postgresql": PostgresServer,
        "mariadb": MariaServer,
    }
    if project not in kinds:
        yield Stage(project, folder)
        return
    server = started(kinds[project])
    try:
        yield ServerStage(server, folder)
    finally:
        server.close()


def normal(text: str) -> list[str]:
    """The lines of an output without what differs from run to run."""
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return [line.strip() for line in text.strip().splitlines()]


def fits(expected: str, output: str) -> bool:
    """Whether an output is the one of the document, ``...`` standing for any lines."""
    wanted = "".join(
        r"(?:.*\n)*?" if line == ANY_LINES else f"{re.escape(line)}\n" for line in normal(expected)
    )
    return re.fullmatch(wanted, "".join(f"{line}\n" for line in normal(output))) is not None


@dataclass(frozen=True)
class Flag:
    """A flag of a task, as Invoke knows it; ``shorts`` are its short forms."""

    name: str
    shorts: tuple[str, ...]
    takes_value: bool
    help: str


@cache
def flags_of_tasks() -> dict[str, list[Flag]]:
    """The flags of each task; Invoke tells their help only to the first that asks."""
    tasks = namespace(str(REPOSITORY / "tasks.py")).tasks
    found: dict[str, list[Flag]] = {}
    for name, task in tasks.items():
        flags = [
            Flag(
                str(each.name).replace("_", "-"),
                tuple(each.nicknames),
                each.takes_value,
                each.help or "",
            )
            for each in task.get_arguments()
        ]
        found[name] = sorted(flags, key=lambda flag: flag.name)
    return found


def flag_table(task: str) -> list[str]:
    """The flags of a task with their meanings and defaults, from the help that it was given."""
    rows = ["| flag | means | default |", "|---|---|---|"]
    for flag in flags_of_tasks()[task]:
        meaning, _, default = flag.help.rpartition(" (")
        value = f" {_VALUE[flag.name]}" if flag.takes_value else ""
        short = "".join(f", `-{name}`" for name in flag.shorts)
        default = default.rstrip(")").removeprefix("default: ").replace("no default", "none")
        rows.append(f"| `--{flag.name}{value}`{short} | {meaning} | {default} |")
    return rows


def find_flag_tables(lines: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """The tables of flags of a document: the task, and the lines from and up to which they are."""
    for number, line in enumerate(lines):
        if found := _FLAGS.match(line):
            end = number + 1
            while lines[end].startswith("|"):
                end += 1
            yield found.group(1), number + 1, end


@dataclass(frozen=True)
class Difference:
    """An output that is not the one of the document."""

    command: Command
    code: int
    expected: str
    output: str

    def __str__(self) -> str:
        return (
            f"line {self.command.line}: $ {self.command.text}\nended with {self.code}, the document"
            f" has {self.command.exit}\n--- the document has\n{self.expected}\n--- it printed\n"
            f"{self.output}"
        )


def play(scene: Scene, folder: Path) -> list[Difference]:
    """Play a scene; what came out differently."""
    lines = scene.document.read_text(encoding="utf-8").splitlines()
    differences = []
    with staged(scene.project, folder) as stage:
        for act in scene.acts:
            if isinstance(act, File):
                stage.write(act)
                continue
            code, output = stage.run(act.text)
            expected = "\n".join(lines[act.first : act.last])
            if code != act.exit or (act.shown and not fits(expected, output)):
                differences.append(Difference(act, code, expected, output))
    return differences


def main() -> int:
    """Write the outputs anew that no longer fit; says which."""
    for document in DOCUMENTS:
        differences = []
        for scene in read_scenes(document):
            with tempfile.TemporaryDirectory(prefix="documents-") as folder:
                differences += play(scene, Path(folder))
        lines = document.read_text(encoding="utf-8").splitlines()
        for each in reversed(differences):
            print(f"{document.name}:{each.command.line}: $ {each.command.text}")
            if each.code != each.command.exit:
                print(f"  ended with {each.code} instead of {each.command.exit}:\n{each.output}")
            if each.command.shown:
                new = each.output.rstrip().splitlines()
                lines[each.command.first : each.command.last] = new
        for task, first, last in reversed(list(find_flag_tables(lines))):
            lines[first:last] = flag_table(task)
        if lines != document.read_text(encoding="utf-8").splitlines():
            document.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
