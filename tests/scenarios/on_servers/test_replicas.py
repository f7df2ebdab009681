"""Containers that start at once share the server alone: each has backups and records of its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenarios.on_servers.support import COLUMN, HEAD, NEXT, in_production, version
from tests.scenarios.test_replicas import TASK, require_one_release, run_together
from tests.servers.shops import ServerShop
from tests.support import wait_for


@pytest.mark.slow
def test_of_three_that_start_at_once_one_upgrades(filled: ServerShop, tmp_path: Path) -> None:
    url = json.loads((filled.folder / "urls.json").read_text(encoding="utf-8"))["prod"]
    filled.point({"prod": url})
    replicas = [
        replace(filled, folder=shutil.copytree(filled.folder, tmp_path / f"replica{number}"))
        for number in range(3)
    ]
    require_one_release(run_together(replicas))


@pytest.mark.slow
def test_another_takes_over_from_one_that_was_killed(filled: ServerShop) -> None:
    """In a revision that has changed nothing yet: half of one on MariaDB is left to a person."""
    url = json.loads((filled.folder / "urls.json").read_text(encoding="utf-8"))["prod"]
    filled.point({"prod": url})
    pausing = in_production(
        filled.prod_database,
        "import pathlib, time",
        'if pathlib.Path("pause").exists():',
        '    pathlib.Path("paused").touch()',
        "    time.sleep(60)",
    )
    filled.add_revision(NEXT, HEAD, f"{pausing}\n{COLUMN}")
    (filled.folder / "pause").touch()
    first = filled.start(*TASK)
    wait_for((filled.folder / "paused").exists)
    second = filled.start(*TASK)
    (filled.folder / "pause").unlink()
    first.kill()
    first.communicate()
    out, err = second.communicate(timeout=600)
    assert second.returncode == 0, err
    assert f"prod is at {NEXT} (record " in out
    assert version(filled.prod_database) == NEXT
