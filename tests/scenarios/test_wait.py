"""``wait`` ends when an environment has arrived, and names its state when the time is over."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.contract.child.steps import PAUSING_CHECK, wait_for_pause, write_env
from tests.scenarios.test_json_schemas import validate
from tests.support import R2, R3, Sandbox


def test_what_starts_during_a_release_goes_on_when_it_has_ended(shop: Sandbox) -> None:
    """The database is not even there at first."""
    waiting = shop.start("wait", "--env", "prod", "--timeout", "600")
    try:
        assert shop.invoke("release-migration").code == 0
        out, err = waiting.communicate(timeout=600)
    finally:
        waiting.kill()
    assert (waiting.returncode, out) == (0, f"prod is at head: {R3}.\n"), err
    again = shop.invoke("wait", "--timeout", "0", "--json")
    assert again.code == 0
    validate(again.json, "status")


@pytest.mark.slow
def test_an_environment_that_is_not_there_in_time_is_named_with_its_state(filled: Sandbox) -> None:
    ran = filled.invoke("wait", "--timeout", "0.2")
    assert (ran.code, ran.out) == (1, "")
    assert "After 0.2 s, prod (data/repom/db.sqlite3) is behind, not at head." in ran.err
    assert filled.invoke("wait", "--timeout", "0", "--json").json["error"]["exit"] == 1
    behind = filled.invoke("wait", "--timeout", "0", "--behind", "ok")
    assert (behind.code, behind.out) == (0, f"prod is behind: {R2}; 1 revision pending.\n")
    wrong = filled.invoke("wait", "--behind", "no")
    assert wrong.code == 2
    assert "--behind is ok, and not 'no'." in wrong.err


@pytest.mark.slow
def test_a_locked_database_is_not_waited_for_beyond_the_timeout(filled: Sandbox) -> None:
    with closing(sqlite3.connect(filled.prod, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        ran = filled.invoke("wait", "--timeout", "0.2")
    assert ran.code == 1
    assert "After 0.2 s, prod (data/repom/db.sqlite3) is unreachable" in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("timeout", ["soon", "-1", "1e9", "nan", "9" * 50])
def test_a_timeout_is_a_number_of_seconds(filled: Sandbox, timeout: str) -> None:
    ran = filled.invoke("wait", f"--timeout={timeout}")
    assert ran.code == 2
    assert "--timeout is a number of seconds" in ran.err


@pytest.mark.slow
def test_an_environment_that_a_killed_task_may_have_to_take_back_is_not_there(
    filled: Sandbox,
) -> None:
    """It is at head, and nothing has verified it."""
    write_env(filled, PAUSING_CHECK)
    (filled.folder / "pause.check.dev").touch()
    upgrading = filled.start("upgrade-dev")
    wait_for_pause(filled, "check.dev")
    during = filled.invoke("wait", "--env", "dev", "--timeout", "0")
    upgrading.kill()
    upgrading.communicate()
    after = filled.invoke("wait", "--env", "dev", "--timeout", "0")
    for ran in (during, after):
        assert ran.code == 1
        assert "is at head, but a task that changes it has not ended." in ran.err
    (filled.folder / "pause.check.dev").unlink()
    assert filled.invoke("upgrade-dev").code == 0
    assert filled.invoke("wait", "--env", "dev", "--timeout", "0").code == 0
