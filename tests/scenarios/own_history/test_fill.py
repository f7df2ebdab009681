"""The script that fills this repository's databases."""

from __future__ import annotations

import pytest

from tests.scenarios.own_history.support import (
    FIRST,
    HEAD,
    EmptyDatabases,
    OwnProject,
    opened,
    query,
    row_counts,
    succeed,
)

# Whole databases are filled.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("revision", "added"),
    [
        (FIRST, {"members": 150, "tools": 100, "loans": 750}),
        (HEAD, {"members": 150, "tools": 100, "loans": 600, "reservations": 150}),
    ],
    ids=["first", "head"],
)
def test_fill_adds_the_rows_that_it_tells(
    project: OwnProject, at_revision: EmptyDatabases, revision: str, added: dict[str, int]
) -> None:
    at_revision.place(revision, project.dev, project.prod)

    lines = succeed(project.fill("--rows", "1000")).splitlines()

    counts = ", ".join(f"{count} {table}" for table, count in added.items())
    assert lines == [
        f"dev: added 1000 rows to data/repom/db.dev.sqlite3: {counts}",
        f"prod: added 1000 rows to data/repom/db.sqlite3: {counts}",
    ]
    assert row_counts(project.dev) == row_counts(project.prod) == added
    assert query(project.dev, "PRAGMA foreign_key_check") == []


def test_fill_is_the_same_every_time_and_continues_where_it_stopped(
    project: OwnProject, at_revision: EmptyDatabases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    dumps = []
    for directory in (None, elsewhere):
        at_revision.place(HEAD, project.dev)
        succeed(project.fill("--rows", "300", cwd=directory))
        succeed(project.fill("--rows", "200", cwd=directory))
        with opened(project.dev) as connection:
            dumps.append(list(connection.iterdump()))

    assert dumps[0] == dumps[1]
    assert row_counts(project.dev) == {
        "members": 75,
        "tools": 50,
        "loans": 300,
        "reservations": 75,
    }


def test_fill_adds_five_thousand_rows_by_default(
    project: OwnProject, at_revision: EmptyDatabases
) -> None:
    at_revision.place(HEAD, project.prod)

    done = project.fill()

    assert sum(row_counts(project.prod).values()) == 5000
    assert succeed(done).splitlines() == [
        "dev: nothing added to data/repom/db.dev.sqlite3: it does not exist yet; "
        "type first: python -m invoke upgrade-dev",
        "prod: added 5000 rows to data/repom/db.sqlite3: "
        "750 members, 500 tools, 3000 loans, 750 reservations",
    ]
    assert project.databases() == {"db.sqlite3"}


def test_fill_says_what_to_type_where_there_are_no_tables(project: OwnProject) -> None:
    project.prod.parent.mkdir(parents=True)
    project.prod.touch()

    done = project.fill()

    assert done.code == 1
    assert done.out.splitlines()[1] == (
        "prod: nothing added to data/repom/db.sqlite3: it has no tables to fill; "
        "type first: python -m invoke release-migration"
    )
    assert project.prod.stat().st_size == 0


def test_fill_leaves_a_database_alone_that_it_cannot_write_completely(
    project: OwnProject, at_revision: EmptyDatabases
) -> None:
    at_revision.place(HEAD, project.dev)
    with opened(project.dev) as connection:
        connection.execute("DROP TABLE reservations")
        connection.execute("CREATE TABLE reservations (id INTEGER PRIMARY KEY, fee INT NOT NULL)")
    project.prod.write_text("This is no database. " * 100)

    done = project.fill()

    assert done.code == 1
    assert done.err == ""
    assert done.out.splitlines() == [
        "dev: nothing added to data/repom/db.dev.sqlite3: "
        "NOT NULL constraint failed: reservations.fee",
        "prod: nothing added to data/repom/db.sqlite3: file is not a database",
    ]
    assert set(row_counts(project.dev).values()) == {0}


@pytest.mark.parametrize("rows", ["9", "many"])
def test_fill_refuses_a_number_of_rows_that_makes_no_sense(project: OwnProject, rows: str) -> None:
    done = project.fill("--rows", rows)

    assert done.code == 2
    assert "--rows" in done.err
