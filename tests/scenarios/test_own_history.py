"""This repository's own Alembic history, and the script that fills its databases.

Each test works in a copy of `alembic.ini` and `alembic/`, so the repository's own data folder is
never touched. Alembic and the fill script run as a person would start them.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import REPOSITORY

# Each revision of the project up and down.
pytestmark = pytest.mark.slow

REVISIONS = (
    "374877b9cd32",
    "778af1fde598",
    "aad5b64aea63",
    "3b9f8cce1200",
    "5402b13a1056",
    "2f83208ee6a6",
    "04896a126852",
    "f296be3724ea",
)
FIRST, MIDDLE, HEAD = REVISIONS[0], REVISIONS[2], REVISIONS[-1]
"""MIDDLE has the full name of a member beside the split ones; the next revision rebuilds."""

STEERING = ("EXEC_ENV", "ALEMBIC_", "DATABASE_URL", "PYTHONPATH", "PYTHONSTARTUP", "INVOKE_")
"""Beginnings of variables that a developer's shell may hold and a test must not inherit."""


@dataclass(frozen=True)
class Project:
    """A copy of this repository's history, with a data folder of its own."""

    root: Path

    @property
    def dev(self) -> Path:
        return self.root / "data" / "repom" / "db.dev.sqlite3"

    @property
    def prod(self) -> Path:
        return self.root / "data" / "repom" / "db.sqlite3"

    def databases(self) -> set[str]:
        """The names of all files in the data folder."""
        return {file.name for file in (self.root / "data" / "repom").glob("*")}

    def alembic(
        self, *arguments: str, exec_env: str | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs one Alembic command; None leaves EXEC_ENV unset."""
        return self._python("-m", "alembic", *arguments, exec_env=exec_env, cwd=cwd)

    def upgrade(self, revision: str, exec_env: str | None = None) -> None:
        succeed(self.alembic("upgrade", revision, exec_env=exec_env))

    def downgrade(self, revision: str, exec_env: str | None = None) -> None:
        succeed(self.alembic("downgrade", revision, exec_env=exec_env))

    def fill(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the fill script."""
        return self._python(str(self.root / "alembic" / "fill.py"), *arguments, cwd=cwd)

    def _python(
        self, *arguments: str, exec_env: str | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(STEERING)
        }
        if exec_env is not None:
            variables["EXEC_ENV"] = exec_env
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd or self.root,
            env=variables,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    """The standard output of a command that must have exited with 0."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """An existing database, with foreign keys enforced."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        with connection:
            yield connection


def query(file: Path, sql: str) -> list[tuple[object, ...]]:
    with opened(file) as connection:
        return connection.execute(sql).fetchall()


def version(file: Path) -> list[tuple[object, ...]]:
    return query(file, "SELECT version_num FROM alembic_version")


def tables(file: Path) -> list[str]:
    rows = query(file, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [str(name) for (name,) in rows]


def row_counts(file: Path) -> dict[str, int]:
    """Rows of each table but Alembic's own."""
    with opened(file) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in tables(file)
            if table != "alembic_version"
        }


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


def copied_history(root: Path) -> Project:
    """Copies the history to an empty folder; the data folder is left for env.py to make."""
    shutil.copy(REPOSITORY / "alembic.ini", root)
    shutil.copytree(
        REPOSITORY / "alembic", root / "alembic", ignore=shutil.ignore_patterns("__pycache__")
    )
    return Project(root)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copied_history(tmp_path)


class EmptyDatabases:
    """An empty database at each revision, made when it is first asked for."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def __getitem__(self, revision: str) -> Path:
        ready = self._project.root / f"{revision}.sqlite3"
        if not ready.exists():
            self._project.dev.unlink(missing_ok=True)
            self._project.upgrade(revision, "dev")
            shutil.copy(self._project.dev, ready)
        return ready


@pytest.fixture(scope="module")
def at_revision(tmp_path_factory: pytest.TempPathFactory) -> EmptyDatabases:
    return EmptyDatabases(copied_history(tmp_path_factory.mktemp("empty")))


def place(empty: Path, database: Path) -> None:
    """Puts a copy of a ready database where the project looks for it."""
    database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty, database)


# The commands of the guide, typed by hand


@pytest.mark.parametrize(
    ("exec_env", "file"),
    [
        (None, "db.sqlite3"),
        ("prod", "db.sqlite3"),
        ("dev", "db.dev.sqlite3"),
        ("staging", "db.staging.sqlite3"),
    ],
)
def test_exec_env_chooses_the_database_from_any_directory(
    project: Project, tmp_path_factory: pytest.TempPathFactory, exec_env: str | None, file: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    ini = str(project.root / "alembic.ini")
    succeed(project.alembic("-c", ini, "upgrade", FIRST, exec_env=exec_env, cwd=elsewhere))

    assert project.databases() == {file}
    assert version(project.root / "data" / "repom" / file) == [(FIRST,)]
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("exec_env", ["", "../prod", "Dev", "a b", "dev\n", "1st", "dev;prod"])
def test_exec_env_that_is_no_simple_name_is_refused(project: Project, exec_env: str) -> None:
    done = project.alembic("upgrade", "head", exec_env=exec_env)

    assert done.returncode != 0
    assert f"EXEC_ENV is {exec_env!r}" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert project.databases() == set()


def test_the_guides_commands_in_their_order(project: Project) -> None:
    project.upgrade("head", "dev")
    assert succeed(project.alembic("current", exec_env="dev")).split() == [HEAD, "(head)"]
    assert "No new upgrade operations detected" in succeed(project.alembic("check", exec_env="dev"))

    project.downgrade("-1", "dev")
    assert version(project.dev) == [(REVISIONS[-2],)]
    project.downgrade("base", "dev")
    assert version(project.dev) == []
    assert tables(project.dev) == ["alembic_version"]

    # Production was not meant by any of them.
    assert project.databases() == {"db.dev.sqlite3"}


def test_history_lists_every_revision_once_newest_first(project: Project) -> None:
    lines = succeed(project.alembic("history")).splitlines()

    assert [line.split(" -> ")[1][:12] for line in lines] == list(reversed(REVISIONS))
    assert lines[-1] == "<base> -> 374877b9cd32, create members, tools and loans"


def test_stamp_marks_an_existing_database_and_changes_nothing_else(
    project: Project, at_revision: EmptyDatabases
) -> None:
    place(at_revision[HEAD], project.prod)
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
    project: Project, at_revision: EmptyDatabases
) -> None:
    place(at_revision[HEAD], project.dev)

    succeed(project.alembic("revision", "-m", "left empty", exec_env="dev"))
    project.upgrade("head", "dev")
    models = project.root / "alembic" / "models.py"
    models.write_text(
        models.read_text("utf-8").replace(
            "    shelf: Mapped[str]", "    colour: Mapped[str | None]\n    shelf: Mapped[str]"
        ),
        "utf-8",
    )
    succeed(project.alembic("revision", "--autogenerate", "-m", "tool colours", exec_env="dev"))
    project.upgrade("head", "dev")

    assert "colour" in [row[1] for row in query(project.dev, "PRAGMA table_info(tools)")]
    succeed(project.alembic("check", exec_env="dev"))
    project.downgrade(HEAD, "dev")
    assert schema(project.dev) == schema(at_revision[HEAD])


def test_the_data_migration_can_be_written_as_sql(project: Project) -> None:
    sql = succeed(project.alembic("upgrade", f"{FIRST}:{MIDDLE}", "--sql"))

    assert "CREATE TABLE reservations" in sql
    assert "UPDATE members SET" in sql
    assert project.databases() == set()


# What the migrations do to schema and data


def test_each_downgrade_restores_the_schema_before_and_the_way_up_again_ends_the_same(
    project: Project, at_revision: EmptyDatabases
) -> None:
    place(at_revision[HEAD], project.dev)
    succeed(project.fill("--rows", "500"))

    for revision in reversed(REVISIONS[:-1]):
        project.downgrade("-1", "dev")
        assert version(project.dev) == [(revision,)]
        assert schema(project.dev) == schema(at_revision[revision])

    counts = row_counts(project.dev)
    assert counts == {"members": 75, "tools": 50, "loans": 300}
    project.upgrade("head", "dev")
    assert schema(project.dev) == schema(at_revision[HEAD])
    assert row_counts(project.dev) == counts | {"reservations": 0}


def test_every_revision_has_the_tables_it_should(at_revision: EmptyDatabases) -> None:
    assert tables(at_revision[FIRST]) == ["alembic_version", "loans", "members", "tools"]
    assert tables(at_revision[HEAD]) == [
        "alembic_version",
        "loans",
        "members",
        "reservations",
        "tools",
    ]


def test_rows_survive_the_rebuild_of_their_parent_both_ways(
    project: Project, at_revision: EmptyDatabases
) -> None:
    place(at_revision[MIDDLE], project.dev)
    succeed(project.fill("--rows", "2000"))
    everything = {
        table: query(project.dev, f"SELECT * FROM {table} ORDER BY id")
        for table in ("members", "tools", "loans", "reservations")
    }

    project.upgrade("head", "dev")
    kept = "id, tool_id, member_id, lent_on, due_on, returned_on"
    assert query(project.dev, f"SELECT {kept} FROM loans ORDER BY id") == everything["loans"]
    assert query(project.dev, "SELECT DISTINCT extensions FROM loans") == [(0,)]
    assert (
        query(project.dev, "SELECT * FROM reservations ORDER BY id") == (everything["reservations"])
    )
    assert query(project.dev, "PRAGMA foreign_key_check") == []
    assert query(project.dev, "PRAGMA integrity_check") == [("ok",)]

    project.downgrade(MIDDLE, "dev")
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
    project: Project, at_revision: EmptyDatabases, written_at: str
) -> None:
    place(at_revision[written_at], project.dev)
    with opened(project.dev) as connection:
        connection.executemany(
            "INSERT INTO members (name, email, joined_on) VALUES (?, ?, '2025-11-24')",
            [(name, f"member{number}@example.org") for number, name in enumerate(NAMES)],
        )

    project.upgrade("head", "dev")
    split = query(project.dev, "SELECT given_name, family_name FROM members ORDER BY id")
    assert split == list(NAMES.values())

    project.downgrade(FIRST, "dev")
    names = query(project.dev, "SELECT name FROM members ORDER BY id")
    assert names == [(name,) for name in NAMES]


def test_a_member_who_leaves_takes_the_loans_along_at_head(
    project: Project, at_revision: EmptyDatabases
) -> None:
    place(at_revision[HEAD], project.dev)
    succeed(project.fill("--rows", "100"))

    with opened(project.dev) as connection:
        connection.execute("DELETE FROM members")

    assert row_counts(project.dev) == {
        "members": 0,
        "tools": 10,
        "loans": 0,
        "reservations": 0,
    }


@pytest.mark.parametrize(
    ("broken_by", "constraint"),
    [
        ("UPDATE members SET email = 'same@example.org'", "members.email"),
        ("UPDATE loans SET due_on = '2001-01-01'", "ck_loans_due_after_lent"),
    ],
)
def test_the_named_constraints_hold_at_head(
    project: Project, at_revision: EmptyDatabases, broken_by: str, constraint: str
) -> None:
    place(at_revision[HEAD], project.dev)
    succeed(project.fill("--rows", "20"))

    with pytest.raises(sqlite3.IntegrityError, match=constraint):
        query(project.dev, broken_by)


# The fill script


@pytest.mark.parametrize(
    ("revision", "added"),
    [
        (FIRST, {"members": 150, "tools": 100, "loans": 750}),
        (MIDDLE, {"members": 150, "tools": 100, "loans": 600, "reservations": 150}),
        (HEAD, {"members": 150, "tools": 100, "loans": 600, "reservations": 150}),
    ],
    ids=["first", "middle", "head"],
)
def test_fill_adds_the_rows_that_it_tells(
    project: Project, at_revision: EmptyDatabases, revision: str, added: dict[str, int]
) -> None:
    place(at_revision[revision], project.dev)
    place(at_revision[revision], project.prod)

    lines = succeed(project.fill("--rows", "1000")).splitlines()

    told = ", ".join(f"{count} {table}" for table, count in added.items())
    assert lines == [
        f"dev: added 1000 rows to data/repom/db.dev.sqlite3: {told}",
        f"prod: added 1000 rows to data/repom/db.sqlite3: {told}",
    ]
    assert row_counts(project.dev) == row_counts(project.prod) == added
    assert query(project.dev, "PRAGMA foreign_key_check") == []


def test_fill_is_the_same_every_time_and_continues_where_it_stopped(
    project: Project, at_revision: EmptyDatabases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    dumps = []
    for directory in (None, elsewhere):
        place(at_revision[HEAD], project.dev)
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


def test_fill_adds_five_thousand_rows_unless_told_otherwise(
    project: Project, at_revision: EmptyDatabases
) -> None:
    place(at_revision[HEAD], project.prod)

    done = project.fill()

    assert sum(row_counts(project.prod).values()) == 5000
    assert succeed(done).splitlines() == [
        "dev: nothing added to data/repom/db.dev.sqlite3: it does not exist yet; "
        "type first: python -m invoke upgrade-dev",
        "prod: added 5000 rows to data/repom/db.sqlite3: "
        "750 members, 500 tools, 3000 loans, 750 reservations",
    ]
    assert project.databases() == {"db.sqlite3"}


def test_fill_says_what_to_type_where_there_are_no_tables(project: Project) -> None:
    project.prod.parent.mkdir(parents=True)
    project.prod.touch()

    done = project.fill()

    assert done.returncode == 1
    assert done.stdout.splitlines()[1] == (
        "prod: nothing added to data/repom/db.sqlite3: it has no tables to fill; "
        "type first: python -m invoke release-migration"
    )
    assert project.prod.stat().st_size == 0


def test_fill_leaves_a_database_alone_that_it_cannot_write_completely(
    project: Project, at_revision: EmptyDatabases
) -> None:
    place(at_revision[HEAD], project.dev)
    with opened(project.dev) as connection:
        connection.execute("DROP TABLE reservations")
        connection.execute("CREATE TABLE reservations (id INTEGER PRIMARY KEY, fee INT NOT NULL)")
    project.prod.write_text("This is no database. " * 100)

    done = project.fill()

    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "dev: nothing added to data/repom/db.dev.sqlite3: "
        "NOT NULL constraint failed: reservations.fee",
        "prod: nothing added to data/repom/db.sqlite3: file is not a database",
    ]
    assert set(row_counts(project.dev).values()) == {0}


@pytest.mark.parametrize("rows", ["0", "-5", "9", "many"])
def test_fill_refuses_a_number_of_rows_that_makes_no_sense(project: Project, rows: str) -> None:
    done = project.fill("--rows", rows)

    assert done.returncode == 2
    assert "--rows" in done.stderr
