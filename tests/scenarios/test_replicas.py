"""Of several containers that start at once, one releases; the others wait for it and go on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest

from migrations_ops.cli.output.progress import Lines
from migrations_ops.operations.release import ReleaseOptions, upgrade_environment
from migrations_ops.operations.replica import TasksBefore
from migrations_ops.project.project import Project
from tests.contract.child.steps import PAUSING, is_alive, wait_for_pause
from tests.support import R3, TIMEOUT, Ran, Sandbox, wait_for

ALONE = """\
[tool.migrations_ops.environments.prod]
url = "sqlite:///data/repom/db.sqlite3"
"""
TASK = ("upgrade-prod", "--or-wait")
WAITED = f"Nothing to do: prod has reached {R3}.\n"
# Waits in the rehearsal until a file is gone, and fails then.
FAILING = """\
    import time
    from pathlib import Path
    while Path("pause").exists():
        Path("paused").touch()
        time.sleep(0.05)
    raise RuntimeError("in the middle")"""


def run_together(replicas: Sequence[Sandbox]) -> list[Ran]:
    """Start the same task in each, at once."""
    started = [each.start(*TASK) for each in replicas]
    try:
        ended = [process.communicate(timeout=5 * TIMEOUT) for process in started]
    finally:
        for process in started:
            process.kill()
    return [
        Ran(process.returncode, out, err)
        for process, (out, err) in zip(started, ended, strict=True)
    ]


def outcomes(shop: Sandbox) -> list[str]:
    """How the tasks of a project ended, as their records have it."""
    records = sorted((shop.folder / "data/repom/releases").glob("*/release.json"))
    return [json.loads(each.read_text(encoding="utf-8"))["outcome"] for each in records]


def require_one_release(ran: Sequence[Ran]) -> None:
    """One has upgraded, and each of the others tells the result in one line, after what it waited
    for, if that took long."""
    assert [each.code for each in ran] == [0] * len(ran), [each.err for each in ran]
    waited = [each.err for each in ran if each.out == WAITED]
    assert len(waited) == len(ran) - 1
    assert all(
        re.fullmatch(r"(.* works on .*: waiting for up to 600 s\.\n)?", err) for err in waited
    )
    [upgraded] = [each for each in ran if each.out != WAITED]
    assert upgraded.out.startswith(f"prod is at {R3} (record ")


def test_of_three_that_start_at_once_one_upgrades(filled: Sandbox) -> None:
    """In a container that has neither backups nor records, with production alone."""
    filled.configure(ALONE)
    assert [each.name for each in filled.prod.parent.iterdir() if each.is_dir()] == []
    require_one_release(run_together([filled] * 3))
    assert outcomes(filled) == ["released"]


@pytest.mark.slow
def test_another_takes_over_from_one_that_was_killed(filled: Sandbox) -> None:
    filled.configure(ALONE)
    filled.add_revision("r4", R3, PAUSING)
    (filled.folder / "pause.prod").touch()
    first = filled.start(*TASK)
    child = wait_for_pause(filled, "prod")
    second = filled.start(*TASK)
    (filled.folder / "pause.prod").unlink()
    first.kill()
    first.communicate()
    wait_for(lambda: not is_alive(child))
    out, err = second.communicate(timeout=TIMEOUT)
    assert second.returncode == 0, err
    assert out.startswith("prod is at r4 (record ")


@pytest.mark.slow
def test_what_failed_for_one_is_not_tried_by_those_that_waited(filled: Sandbox) -> None:
    filled.configure(ALONE)
    filled.add_revision("r4", R3, FAILING)
    (filled.folder / "pause").touch()
    first = filled.start(*TASK)
    wait_for((filled.folder / "paused").exists)
    project = Project.read(filled.folder)
    options = ReleaseOptions(others=TasksBefore.read(project.settings.releases))
    (filled.folder / "pause").unlink()
    out, err = first.communicate(timeout=TIMEOUT)
    assert (first.returncode, out) == (1, ""), err
    waited = upgrade_environment(project, project.settings.last, options, Lines())
    assert waited.error
    assert "has not released prod (refused): it is behind." in waited.error.what
    # Whoever comes afterwards, tries it.
    assert "in the middle" in filled.invoke(*TASK).err


@pytest.mark.slow
def test_a_replica_waits_no_longer_than_it_is_to(filled: Sandbox) -> None:
    filled.configure(ALONE)
    filled.add_revision("r4", R3, PAUSING)
    (filled.folder / "pause.prod").touch()
    first = filled.start(*TASK)
    try:
        wait_for_pause(filled, "prod")
        ran = filled.invoke(*TASK, "--timeout", "0.2")
    finally:
        first.kill()
        first.communicate()
    assert ran.code == 5
    assert "upgrade-prod of " in ran.err
    for wrong in ("soon", "-1"):
        assert filled.invoke(*TASK, f"--timeout={wrong}").code == 2
    assert "--timeout is for --or-wait" in filled.invoke("upgrade-prod", "--timeout", "5").err
