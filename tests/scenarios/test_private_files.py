"""Another user of the host reads nothing of what a task makes, at no moment, under any umask."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import pytest

from migrations_ops.journal.record import RECORD
from migrations_ops.journal.scratch import SCRATCH_FILES
from tests.contract.databases.support import NOBODY
from tests.support import R3, REPOSITORY, Sandbox, clean_environment, copy_project

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")

# Opens whatever it can below a folder, over and over, until its input ends; names what it has read.
_SPY = """
import os, select, sys
os.setgroups([])
user = int(sys.argv[2])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
read = set()
print("looking", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for folder, folders, files in os.walk(sys.argv[1]):
        for name in files:
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as stream:
                    stream.read(1)
            except OSError:
                continue
            read.add(path)
print("\\n".join(read))
"""
_TASKS = (
    "release-migration", "backup", "--note", "by hand",
    "alembic", "--env", "dev", "--args", "current", "upgrade-prod", "--sql",
    "restore", "--env", "prod", "--backup", "latest", "--yes",
    "downgrade", "--env", "dev", "upgrade-dev", "verify", "doctor", "status-all",
)  # fmt: skip


@pytest.fixture
def shared() -> Iterator[Sandbox]:
    """A project in a folder that everybody may enter; those of pytest are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield copy_project("shop", folder / "shop")
    shutil.rmtree(folder)


@contextmanager
def spy(folder: Path) -> Iterator[list[str]]:
    """What another user could read below a folder; nothing where we cannot become one."""
    read: list[str] = []
    if os.geteuid() != 0:
        yield read
        return
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _SPY, str(folder), str(NOBODY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "looking\n"
    try:
        yield read
    finally:
        out, _ = process.communicate("\n", timeout=60)
        read += out.splitlines()


def invoke(project: Sandbox, *arguments: str) -> int:
    """Under a umask that takes no right from anybody: any other one leaves fewer."""
    return subprocess.run(
        [sys.executable, "-B", "-m", "invoke", *arguments],
        cwd=project.folder, env=clean_environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, timeout=120, check=False, umask=0,
    ).returncode  # fmt: skip


def paths(folder: Path) -> set[str]:
    return {str(each) for each in folder.rglob("*") if "__pycache__" not in each.parts}


def rows_of_the_page() -> dict[str, str]:
    """The table of docs/security.md: the pattern of a path, and its mode."""
    page = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([^`]+)` \| .* \| ([^|]+) \|$", page, re.MULTILINE))


def require_described(project: Sandbox, made: set[str]) -> None:
    """Each file that was made is on the page, with its mode."""
    rows = rows_of_the_page()
    for path in map(Path, made):
        name = path.relative_to(project.folder / "data").as_posix()
        if name in (".", "repom"):
            continue
        name = re.sub(r"^repom/(backups|releases)", lambda found: found[1].upper(), name)
        name = re.sub(r"^repom/(\.?)db(?:\.dev)?\.sqlite3", r"\1DATABASE", name)
        depth = name.count("/")
        found = [
            mode for row, mode in rows.items() if row.count("/") == depth and fnmatch(name, row)
        ]
        assert found, f"docs/security.md does not know {name}"
        mode = f"{stat.S_IMODE(path.lstat().st_mode):04o}"
        assert mode in found or not any(each.startswith("0") for each in found), (name, mode)


def test_the_page_knows_whatever_a_task_throws_away_or_keeps() -> None:
    rows = {row.rpartition("/")[2] for row in rows_of_the_page() if row.startswith("RELEASES/*/")}
    examples = {pattern.replace("*", "x") for pattern in (*SCRATCH_FILES, "x.log", RECORD)}
    assert not {each for each in examples if not any(fnmatch(each, row) for row in rows)}


def test_nobody_else_reads_what_a_task_makes(shared: Sandbox) -> None:
    (shared.folder / "data/repom").chmod(0o755)
    before = paths(shared.folder)
    with spy(shared.folder) as read:
        assert invoke(shared, *_TASKS) == 0
        shared.add_revision("r4dddddddddd", R3, "    print('hello')\n    op.execute('broken')")
        assert invoke(shared, "release-migration") == 3
        (shared.folder / "alembic/versions/r4dddddddddd.py").unlink()
    made = paths(shared.folder) - before
    assert {Path(each).name for each in made} >= {
        "db.sqlite3", "release.json", "evidence.json", ".scripts.json", ".unfinished"
    }  # fmt: skip
    assert any(each.endswith(".log") for each in made)
    require_described(shared, made)
    own = {each: stat.S_IMODE(os.lstat(each).st_mode) for each in made}
    assert not {each: oct(mode) for each, mode in own.items() if mode & 0o077}
    assert not {each for each in read if each not in before and "__pycache__" not in each} - {
        str(shared.folder / "alembic/versions/r4dddddddddd.py")
    }
