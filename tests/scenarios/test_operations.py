"""The single tasks that move a database or write a revision."""

from __future__ import annotations

import pytest

from tests.support import R1, R2, R3, Sandbox, dump, query


def version(sandbox: Sandbox, name: str = "dev") -> list[tuple[str]]:
    file = sandbox.dev if name == "dev" else sandbox.prod
    return query(file, "SELECT version_num FROM alembic_version")


def backups(sandbox: Sandbox) -> list[str]:
    found = sandbox.invoke("backups", "--json").json["backups"]
    return [backup["environment"] for backup in found]


def test_downgrade_takes_a_backup_and_goes_down(filled: Sandbox) -> None:
    assert filled.invoke("downgrade", "--env", "dev").code == 0
    assert version(filled) == [(R1,)]
    assert backups(filled) == ["dev"]
    assert filled.invoke("downgrade", "--env", "dev", "--to", "base").code == 0
    assert version(filled) == []


@pytest.mark.slow
def test_stamp_accepts_what_the_revision_builds(filled: Sandbox) -> None:
    query(filled.dev, "DROP TABLE alembic_version")
    ran = filled.invoke("stamp", "--env", "dev", "--to", R2)
    assert ran.code == 0, ran.err
    assert version(filled) == [(R2,)]


@pytest.mark.slow
def test_stamp_refuses_a_mismatch(filled: Sandbox) -> None:
    query(filled.dev, "DROP TABLE alembic_version")
    before = dump(filled.dev)
    ran = filled.invoke("stamp", "--env", "dev", "--to", R3)
    assert ran.code == 1
    assert "column parents.note" in ran.err
    assert dump(filled.dev) == before


@pytest.mark.slow
def test_revision_says_what_it_detected(filled: Sandbox) -> None:
    assert filled.invoke("upgrade-dev").code == 0
    query(filled.dev, "ALTER TABLE parents DROP COLUMN note")
    arguments = ("--message", "notes", "--rev-id", "r4dddddddddd")
    ran = filled.invoke("revision", *arguments)
    assert ran.code == 0, ran.err
    assert "r4dddddddddd_notes.py" in ran.out
    assert "add_column parents" in ran.out


@pytest.mark.slow
def test_an_empty_revision_needs_no_database(shop: Sandbox) -> None:
    ran = shop.invoke("revision", "--empty", "--message", "by hand", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["operations"] == []
    assert not shop.dev.exists()


@pytest.mark.slow
def test_sql_prints_what_is_pending_and_runs_nothing(filled: Sandbox) -> None:
    filled.invoke("downgrade", "--env", "dev", "--to", R1)
    ran = filled.invoke("upgrade-dev", "--to", R2, "--sql")
    assert ran.code == 0, ran.err
    assert "CREATE TABLE children" in ran.out
    assert version(filled) == [(R1,)]


@pytest.mark.slow
def test_alembic_runs_under_the_guards(filled: Sandbox) -> None:
    ran = filled.invoke("alembic", "--env", "prod", "--args", "current", EXEC_ENV="dev")
    assert ran.code == 0, ran.err
    assert R2 in ran.out


@pytest.mark.slow
def test_history_marks_where_each_environment_stands(filled: Sandbox) -> None:
    assert filled.invoke("upgrade-dev").code == 0
    rows = filled.invoke("history", "--json").json["revisions"]
    assert {row["revision"]: row["environments"] for row in rows} == {
        R3: ["dev"],
        R2: ["prod"],
        R1: [],
    }
    assert filled.invoke("heads", "--json").json["heads"] == [R3]
