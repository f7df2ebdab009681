"""A bare ``alembic`` in a configured project, on each engine: as whole as a step, and it says where
it goes."""

from __future__ import annotations

import subprocess
import sys

from tests.contract.child.engines import HALF_DONE, on, on_each_server, on_every_engine
from tests.contract.child.env_ways import IN_AUTOCOMMIT
from tests.contract.child.project import FAILS, R1, R2, R3, ChildProject
from tests.support import Ran, clean_environment


def configure(project: ChildProject, **urls: str) -> None:
    tables = [
        f"[tool.migrations_ops.environments.{name}]\nurl = '{url}'\n" for name, url in urls.items()
    ]
    (project.folder / "pyproject.toml").write_text("\n".join(tables), encoding="utf-8")


def alembic(project: ChildProject, *arguments: str) -> Ran:
    project.write_ini()
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=project.folder,
        env=clean_environment(
            DATABASE_URL=project.url, EXEC_ENV="dev", PYTHONDONTWRITEBYTECODE="1"
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def lines(ran: Ran) -> list[str]:
    return [line for line in ran.err.splitlines() if line.startswith("migrations_ops:")]


def address(project: ChildProject) -> str:
    """The URL without the driver and the password."""
    user, _, where = project.url.partition("://")[2].partition("@")
    return f"{project.engine.dialect}://{user.partition(':')[0]}@{where}"


@on("sqlite", "postgresql")
def test_bare_upgrade_that_fails_leaves_nothing(project: ChildProject) -> None:
    """Without us, each statement would be committed: its env.py asks for that."""
    configure(project, dev=project.url)
    project.write_env(IN_AUTOCOMMIT)
    before = project.everything()
    project.add_revision(R2, R1, HALF_DONE)
    project.add_revision(R3, R2, '    op.execute("COMMIT")')
    ran = alembic(project, "upgrade", "head")
    assert f"revision {R3} sends a COMMIT of its own" in ran.err
    assert project.everything() == before
    project.add_revision(R3, R2, FAILS)
    assert alembic(project, "upgrade", "head").code == 1
    assert project.everything() == before
    (project.folder / "pyproject.toml").unlink()
    assert alembic(project, "upgrade", "head").code == 1
    assert project.everything() != before


@on_each_server
def test_bare_alembic_names_the_environment_and_what_is_unexpected(project: ChildProject) -> None:
    configure(project, other=project.url + "_2", dev=project.url.replace("127.0.0.1", "localhost"))
    project.add_revision(R2, R1, HALF_DONE)
    assert lines(alembic(project, "current")) == [
        f"migrations_ops: this reaches dev ({address(project)}); EXEC_ENV=dev"
    ]
    assert project.run("upgrade", "head", environment="prod", ledger_entry={}).failure == ""
    [line] = lines(alembic(project, "current"))
    assert f"({address(project)}), whose ledger says that it is prod; EXEC" in line
    configure(project, other=project.url + "_2")
    [line] = lines(alembic(project, "current"))
    assert f"this reaches {address(project)}, which no environment of the configuration" in line
    assert "hidden-word" not in line


@on_every_engine
def test_bare_upgrade_continues_a_ledger_and_begins_none(project: ChildProject) -> None:
    configure(project, dev=project.url)
    project.add_revision(R2, R1, HALF_DONE, "    op.drop_table('half')")
    assert alembic(project, "upgrade", "head").code == 0
    assert not project.has_ledger
    assert project.run("downgrade", R1, ledger_entry={}).failure == ""
    ran = alembic(project, "upgrade", "head")
    assert ran.code == 0, ran.err
    assert project.events() == ["identity", "downgrade", "upgrade"]


@on("mariadb")
def test_half_that_a_bare_upgrade_leaves_is_named_the_next_time(project: ChildProject) -> None:
    configure(project, dev=project.url)
    project.add_revision(R2, R1, "    op.execute('SELECT 1')")
    assert project.run(ledger_entry={}).failure == ""
    project.add_revision(R3, R2, HALF_DONE + FAILS)
    assert alembic(project, "upgrade", "head").code == 1
    [line] = lines(alembic(project, "current"))
    assert f", where {R3} is half applied; EXEC_ENV=dev" in line
