"""Real projects whose databases are in use, in WAL mode, and whose releases are killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from migrations_ops.system.reading import read_json
from tests.scenarios.corpus.support import RealProject, pragma
from tests.scenarios.corpus.test_real_histories import HISTORIES, VERSION, History
from tests.support import REPOSITORY, query, wait_for

# Real projects, in virtual environments of their own.
pytestmark = pytest.mark.slow

WRITER = REPOSITORY / "tests/chaos/writer.py"


def history_of(configuration: str) -> History:
    [found] = [each for each in HISTORIES if each.configuration == configuration]
    return found


@contextmanager
def in_use(project: RealProject) -> Iterator[Path]:
    """Production in WAL mode, with an application that writes without pause.

    Yields the file that names each row whose commit was acknowledged.
    """
    query(project.prod, "PRAGMA journal_mode=WAL")
    query(project.prod, "CREATE TABLE journal (id INTEGER PRIMARY KEY, token TEXT)")
    tokens = project.folder / "tokens.txt"
    tokens.touch()
    writer = subprocess.Popen([sys.executable, str(WRITER), str(project.prod), str(tokens)])
    try:
        while not tokens.read_text():
            assert writer.poll() is None
            time.sleep(0.05)
        yield tokens
    finally:
        writer.kill()
        writer.wait()


def lost(project: RealProject, tokens: Path) -> set[str]:
    """The rows that the application was told are safe, and that are not there."""
    # The last line may be cut short: the writer was killed while it wrote.
    acknowledged = set(tokens.read_text().splitlines(keepends=True))
    there = {f"{row[0]}\n" for row in query(project.prod, "SELECT token FROM journal")}
    return {each for each in acknowledged if each.endswith("\n")} - there


def under_way(project: RealProject) -> list[str]:
    """The step that each record says is at work."""
    found = [read_json(each) for each in project.folder.glob("data/releases/*/release.json")]
    return [((each or {}).get("under_way") or {}).get("name", "") for each in found]


def test_a_database_in_use_is_released_without_losing_a_row(tmp_path: Path) -> None:
    history = history_of("optuna")
    project = history.set_up(tmp_path / "live")
    with in_use(project) as tokens:
        ran = project.invoke("release-migration", "--json")
        assert ran.code == 0, ran.err
    assert lost(project, tokens) == set()
    assert query(project.prod, VERSION) == [(history.head,)]
    assert pragma(project.prod, "journal_mode") == [("wal",)]


def test_a_release_that_is_killed_while_its_own_command_upgrades_is_finished_by_the_next(
    tmp_path: Path,
) -> None:
    history = history_of("prefect")
    project = history.set_up(tmp_path / "killed")
    query(project.prod, "PRAGMA journal_mode=WAL")
    release = project.start("release-migration", HOME=str(project.folder))
    wait_for(lambda: under_way(project) == ["upgrade"])
    release.kill()
    release.communicate()
    again = project.invoke("release-migration", "--json")
    assert again.code == 0, again.err
    for file in (project.dev, project.prod):
        assert query(file, VERSION) == [(history.head,)]
        assert pragma(file, "integrity_check") == [("ok",)]
        assert pragma(file, "foreign_key_check") == []
