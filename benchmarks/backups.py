"""A verified backup beside the other ways to copy a database, and beside its own parts.

The database is quiet: beside a writer ``cp`` gives damaged copies, and ``sqlite3 .backup`` may not
come to an end.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks import projects
from benchmarks.measure import Case, Command, Comparison
from benchmarks.projects import FILES, python, variables

MEGABYTES = 1000
_ROW = 220

_TAKE = """
import sys
from pathlib import Path
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.project.project import Project
project = Project.read(Path())
prod = project.settings.default
store = BackupStore.of(project.settings, prod)
backup = take_backup(store, project.database(prod), note="measured")
print("verified", backup.name)
"""
# What any verified backup has to do: copy and flush; then hash beside a check, and count rows.
_RECIPE = """
import hashlib, os, sqlite3, sys
from concurrent.futures import ThreadPoolExecutor
def counts(live):
    names = live.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [live.execute(f'SELECT count(*) FROM "{name}"').fetchone() for name, in names]
def copy():
    live = sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True, isolation_level=None)
    live.execute("BEGIN")
    counted = counts(live)
    target = sqlite3.connect(sys.argv[2], isolation_level=None)
    target.execute("PRAGMA synchronous=OFF")
    target.execute("PRAGMA journal_mode=OFF")
    live.backup(target, pages=4096)
    target.close()
    with open(sys.argv[2], "rb+") as stream:
        os.fsync(stream.fileno())
    return counted
def digest(file):
    found = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(262144):
            found.update(block)
    return found.hexdigest()
def open_copy(file):
    return sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)
def check(file):
    assert open_copy(file).execute("PRAGMA quick_check").fetchall() == [("ok",)]
def whole():
    counted = copy()
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(digest, sys.argv[2])
        check(sys.argv[2])
        assert counts(open_copy(sys.argv[2])) == counted
        hashed.result()
"""


def backups(place: Path, megabytes: int = MEGABYTES) -> list[Comparison]:
    """Ways to copy a database of so many megabytes."""
    folder = place / "ours"
    projects.long_project(folder, 1)
    file = FILES["prod"]
    fill(folder / file, megabytes)
    into = place / "copies"

    def prepare() -> None:
        for made in (into, folder / "data/repom/backups", folder / "data/repom/releases"):
            shutil.rmtree(made, ignore_errors=True)
        into.mkdir()

    def case(title: str, command: Command) -> Case:
        return Case(f"{title}, {megabytes:,} MB", (command,), prepare)

    copy = str(into / "copy")
    plain = case("cp", _cp(folder, file, copy))
    recipe = case("copy, hash, check by hand", _recipe(folder, "whole()", file, copy))
    ours = case("verified backup", python(folder, "-c", _TAKE, shows="verified"))
    task = python(folder, "-m", "invoke", "backup", "--note", "measured", shows=".sqlite3")
    return [
        Comparison(ours, plain, 4.2),
        Comparison(ours, recipe, 1.1),
        Comparison(case("invoke backup", task), plain),
        Comparison(case("sqlite3 .backup", _backup(folder, file, copy)), plain),
        Comparison(case("VACUUM INTO", _vacuum(folder, file, copy)), plain),
        Comparison(recipe, plain),
        Comparison(
            case("copy through SQLite, flushed", _recipe(folder, "copy()", file, copy)), plain
        ),
        Comparison(case("SHA-256", _recipe(folder, "digest(sys.argv[1])", file)), plain),
        Comparison(case("quick_check", _recipe(folder, "check(sys.argv[1])", file)), plain),
    ]


def fill(file: Path, megabytes: int) -> None:
    """Let a database grow to about so many megabytes, of rows as applications have them."""
    rows = max(1, megabytes * 1_000_000 // _ROW)
    with closing(sqlite3.connect(file, isolation_level=None)) as live:
        live.execute("PRAGMA synchronous=OFF")
        live.execute(
            "CREATE TABLE items (id INTEGER PRIMARY KEY, owner INTEGER, note TEXT, amount REAL)"
        )
        live.execute("CREATE INDEX ix_items_owner ON items (owner)")
        live.execute("BEGIN")
        live.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO items SELECT i, i / 7, hex(randomblob(90)), i / 4.0 FROM n",
            (rows,),
        )
        live.execute("COMMIT")


def _recipe(folder: Path, call: str, *arguments: str) -> Command:
    return python(folder, "-c", f"{_RECIPE}{call}\n", *arguments)


def _cp(folder: Path, file: str, into: str) -> Command:
    if shutil.which("cp"):
        return Command(("cp", file, into), folder, variables())
    return python(folder, "-c", "import shutil, sys; shutil.copy(*sys.argv[1:])", file, into)


def _backup(folder: Path, file: str, into: str) -> Command:
    if shutil.which("sqlite3"):
        return Command(("sqlite3", file, f".backup '{into}'"), folder, variables())
    code = "import sqlite3 as s, sys; s.connect(sys.argv[1]).backup(s.connect(sys.argv[2]))"
    return python(folder, "-c", code, file, into)


def _vacuum(folder: Path, file: str, into: str) -> Command:
    if shutil.which("sqlite3"):
        return Command(("sqlite3", file, f"VACUUM INTO '{into}'"), folder, variables())
    code = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', sys.argv[2:])"
    )
    return python(folder, "-c", code, file, into)
