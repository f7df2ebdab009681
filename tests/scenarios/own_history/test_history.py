"""This repository's own Alembic history, as a person would run it."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from tests.scenarios.own_history.support import (
    FIRST,
    HEAD,
    MIDDLE,
    REVISIONS,
    EmptyDatabases,
    OwnProject,
    opened,
    query,
    row_counts,
    succeed,
    tables,
)

# Each revision of the project up and down.
pytestmark = pytest.mark.slow


def version(file: Path) -> list[tuple[object, ...]]:
    return query(file, "SELECT version_num FROM alembic_version")


def schema(file: Path) -> dict[str, object]:
    """Every table by meaning, since a rebuild words its CREATE TABLE differently."""
    found: dict[str, object] = {}
    with opened(file) as connection:
        for table in tables(file):
            (create,) = connection.execute(
                "SELECT sql FROM sqlite_master WHERE name = ?", [table]
            ).fetchone()
            found[table] = {
                "columns": connection.execute(f"PRAGMA table_xinfo({table})").fetchall(),
                "foreign keys": sorted(
                    key[2:] for key in connection.execute(f"PRAGMA foreign_key_list({table})")
                ),
                # Names and texts of constraints stand in the statement alone.
                "constraints": sorted(
                    line.strip().rstrip(",)")
                    for line in create.splitlines()
                    if "CONSTRAINT" in line
                ),
            }
        found["rest"] = sorted(
            connection.execute("SELECT type, name, sql FROM sqlite_master WHERE type <> 'table'"),
            key=str,
        )
    return found


# The commands of the guide, typed by hand


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({}, "db.sqlite3"),
        ({"EXEC_ENV": "dev"}, "db.dev.sqlite3"),
        ({"EXEC_ENV": "staging"}, "db.staging.sqlite3"),
    ],
    ids=["prod by default", "dev", "another"],
)
def test_exec_env_chooses_the_database_from_any_directory(
    project: OwnProject,
    tmp_path_factory: pytest.TempPathFactory,
    variables: dict[str, str],
    file: str,
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    ini = str(project.folder / "alembic.ini")
    upgrade = (sys.executable, "-m", "alembic", "-c", ini, "upgrade", FIRST)
    succeed(project.run(*upgrade, cwd=elsewhere, **variables))
    assert project.databases() == {file}
    assert version(project.folder / "data/repom" / file) == [(FIRST,)]
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("exec_env", ["", "../prod", "Dev", "dev\n"])
def test_exec_env_that_is_no_simple_name_is_refused(project: OwnProject, exec_env: str) -> None:
    done = project.alembic("upgrade", "head", EXEC_ENV=exec_env)
    assert done.code != 0
    assert f"EXEC_ENV is {exec_env!r}" in done.out + done.err
    assert "Traceback" not in done.out + done.err
    assert project.databases() == set()


def test_the_guides_commands_in_their_order(project: OwnProject) -> None:
    project.upgrade("head")
    assert succeed(project.alembic("current", EXEC_ENV="dev")).split() == [HEAD, "(head)"]
    assert "No new upgrade operations detected" in succeed(project.alembic("check", EXEC_ENV="dev"))

    project.downgrade("-1")
    assert version(project.dev) == [(REVISIONS[-2],)]
    project.downgrade("base")
    assert version(project.dev) == []
    assert tables(project.dev) == ["alembic_version"]

    # Production was not meant by any of them.
    assert project.databases() == {"db.dev.sqlite3"}


def test_history_lists_every_revision_once_newest_first(project: OwnProject) -> None:
    lines = succeed(project.alembic("history")).splitlines()

    assert [line.split(" -> ")[1][:12] for line in lines] == list(reversed(REVISIONS))
    assert lines[-1] == "<base> -> 374877b9cd32, create members, tools and loans"


def test_stamp_marks_an_existing_database_and_changes_nothing_else(
    project: OwnProject, at_revision: EmptyDatabases
) -> None:
    at_revision.place(HEAD, project.prod)
    with opened(project.prod) as connection:
        connection.execute("DROP TABLE alembic_version")
    before = schema(project.prod)

    succeed(project.alembic("stamp", "head"))

    after = schema(project.prod)
    assert after.pop("alembic_version")
    assert after.pop("rest")
    before.pop("rest")
    assert after == before
    assert version(project.prod) == [(HEAD,)]


def test_new_revisions_by_hand_and_by_autogenerate_run_up_and_down(
    project: OwnProject, at_revision: EmptyDatabases
) -> None:
    at_revision.place(HEAD, project.dev)

    succeed(project.alembic("revision", "-m", "left empty", EXEC_ENV="dev"))
    project.upgrade("head")
    models = project.folder / "alembic" / "models.py"
    models.write_text(
        models.read_text("utf-8").replace(
            "    shelf: Mapped[str]", "    colour: Mapped[str | None]\n    shelf: Mapped[str]"
        ),
        "utf-8",
    )
    succeed(project.alembic("revision", "--autogenerate", "-m", "tool colours", EXEC_ENV="dev"))
    project.upgrade("head")

    assert "colour" in [row[1] for row in query(project.dev, "PRAGMA table_info(tools)")]
    succeed(project.alembic("check", EXEC_ENV="dev"))
    project.downgrade(HEAD)
    assert schema(project.dev) == schema(at_revision[HEAD])


def test_the_data_migration_can_be_written_as_sql(project: OwnProject) -> None:
    sql = succeed(project.alembic("upgrade", f"{FIRST}:{MIDDLE}", "--sql"))

    assert "CREATE TABLE reservations" in sql
    assert "UPDATE members SET" in sql
    assert project.databases() == set()


# What the migrations do to schema and data


def test_each_downgrade_restores_the_schema_before_and_the_way_up_again_ends_the_same(
    project: OwnProject, at_revision: EmptyDatabases
) -> None:
    at_revision.place(HEAD, project.dev)
    succeed(project.fill("--rows", "500"))

    first = ["alembic_version", "loans", "members", "tools"]
    assert tables(at_revision[FIRST]) == first
    assert tables(at_revision[HEAD]) == sorted([*first, "reservations"])
    for revision in reversed(REVISIONS[:-1]):
        project.downgrade("-1")
        assert version(project.dev) == [(revision,)]
        assert schema(project.dev) == schema(at_revision[revision])

    counts = row_counts(project.dev)
    assert counts == {"members": 75, "tools": 50, "loans": 300}
    project.upgrade("head")
    assert schema(project.dev) == schema(at_revision[HEAD])
    assert row_counts(project.dev) == counts | {"reservations": 0}


def test_rows_survive_the_rebuild_of_their_parent_both_ways(
    project: OwnProject, at_revision: EmptyDatabases
) -> None:
    at_revision.place(MIDDLE, project.dev)
    succeed(project.fill("--rows", "2000"))
    everything = {
        table: query(project.dev, f"SELECT * FROM {table} ORDER BY id")
        for table in ("members", "tools", "loans", "reservations")
    }

    project.upgrade("head")
    kept = "id, tool_id, member_id, lent_on, due_on, returned_on"
    assert query(project.dev, f"SELECT {kept} FROM loans ORDER BY id") == everything["loans"]
    assert query(project.dev, "SELECT DISTINCT extensions FROM loans") == [(0,)]
    assert (
        query(project.dev, "SELECT * FROM reservations ORDER BY id") == (everything["reservations"])
    )
    assert query(project.dev, "PRAGMA foreign_key_check") == []
    assert query(project.dev, "PRAGMA integrity_check") == [("ok",)]

    project.downgrade(MIDDLE)
    assert {
        table: query(project.dev, f"SELECT * FROM {table} ORDER BY id") for table in everything
    } == everything


NAMES = {
    "Ada Bauer": ("Ada", "Bauer"),
    "Ann-Marie Rosa García": ("Ann-Marie Rosa", "García"),
    "Sukarno": ("", "Sukarno"),
    "Zoë O'Brien": ("Zoë", "O'Brien"),
    "山田 花子": ("山田", "花子"),
    "Anna Nanna": ("Anna", "Nanna"),
}


@pytest.mark.parametrize(
    "written_at",
    [
        pytest.param(FIRST, id="before the split"),
        pytest.param(MIDDLE, id="by the old application after the split"),
    ],
)
def test_names_are_split_and_put_together_again(
    project: OwnProject, at_revision: EmptyDatabases, written_at: str
) -> None:
    at_revision.place(written_at, project.dev)
    with opened(project.dev) as connection:
        connection.executemany(
            "INSERT INTO members (name, email, joined_on) VALUES (?, ?, '2025-11-24')",
            [(name, f"member{number}@example.org") for number, name in enumerate(NAMES)],
        )

    project.upgrade("head")
    split = query(project.dev, "SELECT given_name, family_name FROM members ORDER BY id")
    assert split == list(NAMES.values())

    project.downgrade(FIRST)
    names = query(project.dev, "SELECT name FROM members ORDER BY id")
    assert names == [(name,) for name in NAMES]


def test_the_named_constraints_hold_at_head_and_a_member_who_leaves_takes_the_loans_along(
    project: OwnProject, at_revision: EmptyDatabases
) -> None:
    at_revision.place(HEAD, project.dev)
    succeed(project.fill("--rows", "100"))
    for broken_by, constraint in (
        ("UPDATE members SET email = 'same@example.org'", "members.email"),
        ("UPDATE loans SET due_on = '2001-01-01'", "ck_loans_due_after_lent"),
    ):
        with pytest.raises(sqlite3.IntegrityError, match=constraint):
            query(project.dev, broken_by)
    query(project.dev, "DELETE FROM members")
    counts = {"members": 0, "tools": 10, "loans": 0, "reservations": 0}
    assert row_counts(project.dev) == counts
