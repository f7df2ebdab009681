"""Alembic's own commands run under the guards, and what --dry shows of every task."""

from __future__ import annotations

import shlex

import pytest

from tests.support import R1, R2, R3, Sandbox, query

# Several whole tasks a case; test_gate.py has the core.
pytestmark = pytest.mark.slow

VERSION = "SELECT version_num FROM alembic_version"


@pytest.mark.parametrize(
    "task",
    [
        "alembic --env dev --args 'stamp head'", "downgrade --env dev", "stamp --env dev",
        "release-migration", "upgrade-dev", "backup", "prune",
    ],
)  # fmt: skip
def test_dry_tells_the_steps_and_runs_none(filled: Sandbox, task: str) -> None:
    ran = filled.invoke("--dry", *shlex.split(task))
    assert ran.code == 0, ran.err
    assert task == "prune" or "back up" in ran.out
    assert "Nothing was changed." in ran.out
    assert query(filled.dev, VERSION) == [(R2,)]
    assert not (filled.folder / "data/repom/backups").exists()


@pytest.mark.parametrize("arguments", ["history -r -2:", "no-such-command", "upgrade"])
def test_arguments_that_alembic_does_not_know_are_a_usage_error(
    filled: Sandbox, arguments: str
) -> None:
    ran = filled.invoke("alembic", "--env", "dev", "--args", arguments)
    assert ran.code == 2
    assert "Alembic does not understand" in ran.err
    assert query(filled.dev, VERSION) == [(R2,)]


def test_help_of_alembic_is_printed(shop: Sandbox) -> None:
    ran = shop.invoke("alembic", "--env", "dev", "--args", "upgrade --help")
    assert ran.code == 0, ran.err
    assert "usage: alembic upgrade" in ran.out


def test_check_tells_drift_as_alembic_does(filled: Sandbox) -> None:
    assert filled.invoke("upgrade-dev").code == 0
    assert filled.invoke("alembic", "--env", "dev", "--args", "check").code == 0
    query(filled.dev, "CREATE TABLE extra (id INTEGER)")
    ran = filled.invoke("alembic", "--env", "dev", "--args", "check")
    assert ran.code == 1
    assert "remove_table extra" in ran.err


def test_upgrade_by_alembic_itself_is_backed_up_and_recorded(filled: Sandbox) -> None:
    ran = filled.invoke("alembic", "--env", "dev", "--args", "upgrade head")
    assert ran.code == 0, ran.err
    assert query(filled.dev, VERSION) == [(R3,)]
    [record] = filled.invoke("releases", "--json").json["releases"]
    assert [step["name"] for step in record["steps"]] == ["back up", "alembic"]
    assert len(record["backups"]) == 1


def test_a_relative_target_is_the_same_revision_after_the_upgrade(shop: Sandbox) -> None:
    assert shop.invoke("release-migration", "--to", R1).code == 0
    ran = shop.invoke("upgrade-dev", "--to", "+1", "upgrade-prod", "--to", "+1")
    assert ran.code == 0, ran.err
    assert [query(file, VERSION) for file in (shop.dev, shop.prod)] == [[(R2,)], [(R2,)]]


def test_downgrades_are_rehearsed_also_where_drift_cannot_be_seen(filled: Sandbox) -> None:
    env = filled.folder / "alembic/env.py"
    env.write_text(env.read_text().replace("metadata=target_metadata", "metadata=None"))
    ran = filled.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert "down and up again" in ran.err


def test_a_target_that_was_passed_long_ago_is_not_where_it_stands(filled: Sandbox) -> None:
    ran = filled.invoke("upgrade-dev", "--to", R1)
    assert ran.code == 0
    assert f"dev has reached {R1}" in ran.out


def test_revision_is_refused_where_the_models_cannot_be_compared(filled: Sandbox) -> None:
    before = set(filled.folder.glob("alembic/versions/*"))
    ran = filled.invoke("revision", "--message", "more")
    assert ran.code == 1
    assert "invoke upgrade-dev" in ran.err
    assert set(filled.folder.glob("alembic/versions/*")) - before <= {
        filled.folder / "alembic/versions/__pycache__"
    }
    ran = filled.invoke("revision", "--message", "more", "--empty", "--rev-id", "r4dddddddddd")
    assert ran.code == 0, ran.err
    assert len(list(filled.folder.glob("alembic/versions/r4dddddddddd*.py"))) == 1


def test_one_release_is_shown_with_its_steps_and_its_error(filled: Sandbox) -> None:
    filled.add_revision("r4dddddddddd", R3, "    raise RuntimeError('not today')")
    assert filled.invoke("release-migration").code == 3
    [record] = filled.invoke("releases", "--json").json["releases"]
    shown = filled.invoke("releases", "--show", record["id"])
    assert shown.code == 0
    assert "release-migration of prod: failed, unchanged" in shown.out
    assert "not today" in shown.out
    for wrong in ("0", "all", "9" * 5000):
        ran = filled.invoke("releases", "--last", wrong)
        assert ran.code == 2
        assert "Type: invoke releases --last 10" in ran.err
