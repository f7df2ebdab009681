"""A bare ``alembic`` on a server, in a configured project: as whole as a step, and it says where
it goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.child.server_steps import (
    FAILING,
    HALF_DONE,
    R1,
    R2,
    R3,
    ServerProject,
    make_project,
)
from tests.servers.databases import ServerDatabase
from tests.support import Ran, clean_environment


@pytest.fixture
def postgresql(postgres_database: ServerDatabase, tmp_path: Path) -> ServerProject:
    return make_project(tmp_path / "project", postgres_database, "psycopg")


@pytest.fixture
def mariadb_project(mariadb_database: ServerDatabase, tmp_path: Path) -> ServerProject:
    return make_project(tmp_path / "project", mariadb_database, "pymysql")


def configure(project: ServerProject, **urls: str) -> None:
    tables = [
        f"[tool.migrations_ops.environments.{name}]\nurl = '{url}'\n" for name, url in urls.items()
    ]
    (project.folder / "pyproject.toml").write_text("\n".join(tables), encoding="utf-8")


def alembic(project: ServerProject, *arguments: str) -> Ran:
    (project.folder / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/alembic\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=project.folder,
        env=clean_environment(DATABASE_URL=project.url, EXEC_ENV="dev"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def said(ran: Ran) -> list[str]:
    return [line for line in ran.err.splitlines() if line.startswith("migrations_ops:")]


def place(project: ServerProject) -> str:
    url = project.url.replace("+psycopg", "").replace("+pymysql", "")
    user, _, rest = url.partition("://")[2].partition(":")
    return f"{url.partition(':')[0]}://{user}@{rest.partition('@')[2]}"


def test_bare_upgrade_that_fails_leaves_nothing_on_postgresql(postgresql: ServerProject) -> None:
    """Without us, each revision would be committed: its env.py asks for that."""
    configure(postgresql, dev=postgresql.url)
    postgresql.write_env(
        'with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:\n'
        "    migrate(connection)\n"
    )
    before = postgresql.everything()
    postgresql.add_revision(R2, R1, HALF_DONE)
    postgresql.add_revision(R3, R2, FAILING.replace("half", "half2"))
    assert alembic(postgresql, "upgrade", "head").code == 1
    assert postgresql.everything() == before
    postgresql.add_revision(R3, R2, '    op.execute("COMMIT")')
    ran = alembic(postgresql, "upgrade", "head")
    assert f"revision {R3} sends a COMMIT of its own" in ran.err
    assert postgresql.everything() == before
    (postgresql.folder / "pyproject.toml").unlink()
    assert alembic(postgresql, "upgrade", "head").code == 0
    assert postgresql.revision() == R3


@pytest.mark.parametrize("server", ["postgresql", "mariadb_project"])
def test_bare_alembic_names_the_environment_and_its_doubts(
    server: str, request: pytest.FixtureRequest
) -> None:
    project: ServerProject = request.getfixturevalue(server)
    configure(project, other=project.url + "_2", dev=project.url.replace("127.0.0.1", "localhost"))
    project.add_revision(R2, R1, HALF_DONE)
    assert said(alembic(project, "current")) == [
        f"migrations_ops: this reaches dev ({place(project)}); EXEC_ENV=dev"
    ]
    assert project.run("upgrade", "head", environment="prod", ledger={}).failure == ""
    [line] = said(alembic(project, "current"))
    assert f"({place(project)}), whose ledger says that it is prod; EXEC" in line
    configure(project, other=project.url + "_2")
    [line] = said(alembic(project, "current"))
    assert f"this reaches {place(project)}, which no environment of the configuration" in line
    assert "hidden-word" not in line


@pytest.mark.parametrize("server", ["postgresql", "mariadb_project"])
def test_bare_upgrade_continues_a_ledger_and_begins_none(
    server: str, request: pytest.FixtureRequest
) -> None:
    project: ServerProject = request.getfixturevalue(server)
    configure(project, dev=project.url)
    project.add_revision(R2, R1, HALF_DONE, "    op.drop_table('half')")
    assert alembic(project, "upgrade", "head").code == 0
    views = "SELECT table_name FROM information_schema.views WHERE table_name LIKE 'migrations%'"
    assert project.database.execute(views) == []
    assert project.run("downgrade", R1, ledger={}).failure == ""
    ran = alembic(project, "upgrade", "head")
    assert ran.code == 0, ran.err
    assert [run["event"] for run in project.ledger()] == ["identity", "downgrade", "upgrade"]


def test_half_that_a_bare_upgrade_leaves_on_mariadb_is_named_the_next_time(
    mariadb_project: ServerProject,
) -> None:
    configure(mariadb_project, dev=mariadb_project.url)
    mariadb_project.add_revision(R2, R1, "    op.execute('SELECT 1')")
    assert mariadb_project.run(ledger={}).failure == ""
    mariadb_project.add_revision(R3, R2, FAILING)
    assert alembic(mariadb_project, "upgrade", "head").code == 1
    [line] = said(alembic(mariadb_project, "current"))
    assert f", where a half of {R3} is applied; EXEC_ENV=dev" in line
