"""A release that was killed when it had upgraded, and had not verified yet, is verified next time,
against the target that it went to."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.scenarios.test_restore_trouble import ROOT
from tests.support import R2, R3, Sandbox, query

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX matter"),
]

# A whole release, which dies when a step of one environment is about to begin.
DYING = """
import os, signal, sys
from migrations_ops.cli.output.progress import Lines
from migrations_ops.operations.release import ReleaseOptions, release_all
from tests.scenarios.in_process import project_of
from tests.support import Sandbox
from pathlib import Path

class Dying(Lines):
    def begin(self, step, environment):
        if (step, environment) == (sys.argv[4], sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

release_all(project_of(Sandbox(Path(sys.argv[1]))), ReleaseOptions(to=sys.argv[3]), Dying())
"""
R4 = "r4dddddddddd"
PARTS = """    op.execute("CREATE TABLE whole (id INTEGER)")
    with op.get_context().autocommit_block():
        op.execute("UPDATE parents SET name = name || '!'")"""
WHOLE = '    op.execute("CREATE TABLE whole (id INTEGER)")'


def kill_before(step: str, sandbox: Sandbox, environment: str, to: str) -> None:
    argv = ("-c", DYING, str(sandbox.folder), environment, to, step)
    dead = sandbox.start_python(*argv, PYTHONPATH=ROOT)
    _, err = dead.communicate(timeout=60)
    assert dead.returncode == -signal.SIGKILL, err


def version(sandbox: Sandbox, environment: str) -> str:
    file = sandbox.prod if environment == "prod" else sandbox.dev
    [(found,)] = query(file, "SELECT version_num FROM alembic_version")
    return str(found)


def outcomes(sandbox: Sandbox) -> list[str]:
    records = sorted((sandbox.folder / "data/repom/releases").glob("*/release.json"))
    return [json.loads(record.read_text())["outcome"] for record in records]


# Two opposite corners; tests/unit/operations/failure/test_decision.py has the whole table.
@pytest.mark.parametrize(
    ("body", "to", "environment"),
    [
        pytest.param(WHOLE, "head", "dev", id="whole-head-dev"),
        pytest.param(PARTS, R4, "prod", id="in parts-below head-prod"),
    ],
)
def test_release_killed_before_verify_is_verified_by_the_same_command_typed_again(
    filled: Sandbox, body: str, to: str, environment: str
) -> None:
    filled.add_revision(R4, R3, body)
    if to == R4:
        filled.add_revision("r5eeeeeeeeee", R4, "    pass")
    kill_before("verify", filled, environment, to)
    assert version(filled, environment) == R4
    again = filled.invoke("release-migration", "--to", to)
    assert again.code == 0, again.err
    steps = [line.split()[1:3] for line in again.err.splitlines()]
    assert ["verify", environment] in steps, again.err
    assert "restore" not in again.err
    assert [version(filled, each) for each in ("dev", "prod")] == [R4, R4]
    assert outcomes(filled)[0] == "interrupted"
    # What is changed by hand from now on is noticed.
    assert filled.invoke("drift", "--env", environment).code == 0


def test_what_was_upgraded_below_head_and_does_not_pass_is_put_back(filled: Sandbox) -> None:
    filled.add_revision(R4, R3, WHOLE)
    filled.add_revision("r5eeeeeeeeee", R4, "    pass")
    kill_before("verify", filled, "prod", R4)
    query(filled.prod, "CREATE TABLE _alembic_tmp_parents (id INTEGER)")
    again = filled.invoke("release-migration", "--to", R4)
    assert (again.code, version(filled, "prod")) == (3, R2), again.err
    assert "did not pass verify" in again.err


def test_environment_that_was_only_verified_was_not_upgraded(filled: Sandbox) -> None:
    """dev was upgraded by hand: the release verified it, and was killed before it went on."""
    assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 0
    kill_before("rehearse", filled, "prod", "head")
    query(filled.dev, "CREATE TABLE _alembic_tmp_parents (id INTEGER)")
    again = filled.invoke("release-migration")
    assert (again.code, "was upgraded by" in again.err) == (1, False), again.err
