"""A bare ``alembic`` in a configured project: as safe as a step, and it says where it goes."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import tomllib
from contextlib import closing
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from migrations_ops.child import plugin
from tests.contract.child.steps import (
    FAILING,
    HALF_DONE,
    PAUSING,
    R4,
    USUAL,
    everything,
    revision_of,
    wait_for_pause,
    write_env,
)
from tests.support import R2, R3, REPOSITORY, Ran, Sandbox, clean_environment, dump, query

UNCONFIGURED = '[project]\nname = "shop"\nversion = "1"\n'
# An env.py that turns the foreign keys on: a rebuild of the parents then deletes the children.
KEYS_ON = """
engine = create_engine(url, poolclass=pool.NullPool)
@event.listens_for(engine, "connect")
def keys_on(driver, record):
    driver.execute("PRAGMA foreign_keys=ON")
with engine.connect() as connection:
    migrate(connection)
"""
# What the plugin must not touch where nothing is configured.
TELLING = (
    USUAL
    + """
from alembic.ddl.sqlite import SQLiteImpl
print("touched:", SQLiteImpl.transactional_ddl, bool(engine.dispatch.begin), file=sys.stderr)
"""
)


def lines(ran: Ran) -> list[str]:
    """The lines of ours on standard error."""
    assert "migrations_ops" not in ran.out
    return [line for line in ran.err.splitlines() if "migrations_ops" in line]


# -- protection -------------------------------------------------------------------------------


def test_bare_upgrade_of_a_parent_keeps_its_children(filled: Sandbox) -> None:
    write_env(filled, KEYS_ON)
    assert filled.alembic("upgrade", "head").code == 0
    assert query(filled.prod, "SELECT count(*) FROM children") == [(20,)]


def test_bare_upgrade_that_orphans_rows_is_refused_and_says_so(filled: Sandbox) -> None:
    filled.add_revision(R4, R3, '    op.execute("DELETE FROM parents")')
    before = everything(filled)
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    assert ran.code == 1
    assert "20 of children without their parents" in ran.err
    assert everything(filled) == before


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_bare_upgrade_that_is_killed_leaves_nothing(filled: Sandbox) -> None:
    filled.add_revision(R4, R3, PAUSING)
    filled.write("pause.dev", "")
    before = everything(filled)
    running = filled.start_python("-m", "alembic", "upgrade", "head", EXEC_ENV="dev")
    os.kill(wait_for_pause(filled, "dev"), signal.SIGKILL)
    running.communicate()
    assert everything(filled) == before
    (filled.folder / "pause.dev").unlink()
    assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 0


def test_without_configuration_alembic_is_as_it_always_was(filled: Sandbox) -> None:
    """What the tests above would see without the plugin, so that they can fail."""
    filled.configure(UNCONFIGURED)
    filled.add_revision(R4, R3, FAILING)
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    assert lines(ran) == []
    assert query(filled.dev, "SELECT name FROM sqlite_master WHERE name = 'half'") == [("half",)]
    write_env(filled, KEYS_ON)
    assert filled.alembic("upgrade", R3).code == 0
    assert query(filled.prod, "SELECT count(*) FROM children") == [(0,)]


@pytest.mark.parametrize("configured", [True, False])
def test_without_configuration_nothing_is_touched(filled: Sandbox, configured: bool) -> None:
    write_env(filled, TELLING)
    if not configured:
        filled.configure(UNCONFIGURED + "# not tool.migrations_ops, which is only talked about\n")
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    assert ran.code == 0, ran.err
    assert f"touched: {configured} {configured}" in ran.err
    assert len(lines(ran)) == configured


def test_application_that_migrates_by_itself_is_left_alone(filled: Sandbox) -> None:
    """Its engines go on living after the upgrade, and want their foreign keys."""
    write_env(filled, TELLING)
    code = (
        "from alembic import command; from alembic.config import Config;"
        "command.upgrade(Config('alembic.ini'), 'head')"
    )
    ran = filled.run(sys.executable, "-c", code, EXEC_ENV="dev")
    assert ran.code == 0, ran.err
    assert "touched: False False" in ran.err
    assert lines(ran) == []


# -- the line ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "selector", "line"),
    [
        (["current"], None, "prod (data/repom/db.sqlite3); EXEC_ENV is not set"),
        (["upgrade", R2], "dev", "dev (data/repom/db.dev.sqlite3); EXEC_ENV=dev"),
        (
            ["current"],
            "test",
            "data/repom/db.test.sqlite3, which no environment of the configuration names;"
            " EXEC_ENV=test",
        ),
    ],
    ids=["prod", "dev", "unknown"],
)
def test_one_line_names_the_environment_and_what_chose_it(
    filled: Sandbox, command: list[str], selector: str | None, line: str
) -> None:
    ran = filled.alembic(*command, **({} if selector is None else {"EXEC_ENV": selector}))
    assert ran.code == 0, ran.err
    assert lines(ran) == [f"migrations_ops: this reaches {line.replace('/', os.sep)}"]


def test_a_project_without_a_selector_reads_nothing_of_one(filled: Sandbox) -> None:
    file = filled.folder / "pyproject.toml"
    text = file.read_text().replace("[tool.migrations_ops]", '[tool.migrations_ops]\nselector = ""')
    file.write_text(text)
    [line] = lines(filled.alembic("current"))
    assert line.endswith("this reaches prod (data/repom/db.sqlite3)".replace("/", os.sep))


def test_command_that_opens_no_database_says_nothing(filled: Sandbox) -> None:
    assert lines(filled.alembic("heads")) == []
    sql = filled.alembic("upgrade", f"base:{R2}", "--sql")
    assert sql.code == 0, sql.err
    assert lines(sql) == []


def test_line_appears_once_under_an_env_that_configures_twice(filled: Sandbox) -> None:
    write_env(filled, f"for _ in range(2):\n    {USUAL.replace(chr(10), chr(10) + '    ')}\n")
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    assert ran.code == 0, ran.err
    assert len(lines(ran)) == 1


def test_configuration_is_found_beside_the_ini_from_another_folder(filled: Sandbox) -> None:
    filled.add_revision(R4, R3, FAILING)
    before = everything(filled)
    for cwd in (filled.folder / "deep/er", filled.folder.parent / "elsewhere"):
        cwd.mkdir(parents=True)
        ini = os.path.relpath(filled.folder / "alembic.ini", cwd)
        words = ("-m", "alembic", "-c", ini, "upgrade", "head")
        ran = filled.run(sys.executable, *words, cwd=cwd, EXEC_ENV="dev")
        assert "this reaches dev" in lines(ran)[0]
        assert everything(filled) == before


def test_own_file_configures_as_well(filled: Sandbox) -> None:
    text = (filled.folder / "pyproject.toml").read_text(encoding="utf-8")
    filled.configure(UNCONFIGURED)
    filled.write(
        "migrations_ops.toml",
        text.replace("[tool.migrations_ops]", "").replace("[tool.migrations_ops.", "["),
    )
    assert "this reaches prod" in lines(filled.alembic("current"))[0]


def test_environment_whose_url_is_elsewhere_is_protected_all_the_same(filled: Sandbox) -> None:
    filled.configure(
        "[tool.migrations_ops.environments.dev]\nurl = { variable = 'DEV' }\n"
        "[tool.migrations_ops.environments.prod]\nurl = { variable = 'PROD' }\n"
    )
    filled.add_revision(R4, R3, FAILING)
    before = everything(filled)
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    name = os.path.join("data", "repom", "db.dev.sqlite3")
    assert lines(ran) == [f"migrations_ops: this reaches {name}; EXEC_ENV=dev"]
    assert everything(filled) == before


# -- a configuration that is out of order -----------------------------------------------------
# In a file of ours: Alembic itself reads pyproject.toml, and stops where that is broken.


def test_broken_toml_stops_no_bare_alembic_and_leaves_it_protected(filled: Sandbox) -> None:
    filled.configure(UNCONFIGURED)
    filled.write("migrations_ops.toml", "selector = \n")
    filled.add_revision(R4, R3, FAILING)
    before = everything(filled)
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    assert "RuntimeError: in the middle" in ran.err
    line = "migrations_ops: migrations_ops.toml is not valid TOML; this reaches data"
    assert lines(ran)[0].startswith(line)
    assert everything(filled) == before
    filled.add_revision(R4, R3, HALF_DONE)
    assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 0


# -- reading ----------------------------------------------------------------------------------


def test_command_that_only_reads_needs_no_lock(filled: Sandbox) -> None:
    """A writer at work does not hold up ``alembic current``."""
    with closing(sqlite3.connect(filled.dev, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        ran = filled.alembic("current", EXEC_ENV="dev")
        writer.execute("ROLLBACK")
    assert ran.code == 0, ran.err


def test_bare_stamp_and_downgrade_work(filled: Sandbox) -> None:
    before = dump(filled.dev)
    assert filled.alembic("stamp", "head", EXEC_ENV="dev").code == 0
    assert revision_of(filled.dev) == R3
    assert filled.alembic("stamp", R2, EXEC_ENV="dev").code == 0
    assert dump(filled.dev) == before
    assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 0
    assert filled.alembic("downgrade", "-1", EXEC_ENV="dev").code == 0
    assert revision_of(filled.dev) == R2
    assert query(filled.dev, "SELECT count(*) FROM children") == [(20,)]


def test_entry_point_is_what_each_alembic_expects() -> None:
    """From 1.20 a module; before, something to iterate over: it stopped every command else."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = project["entry-points"]["alembic.plugins"]["migrations_ops"]
    loaded = EntryPoint("migrations_ops", named, "alembic.plugins").load()
    assert isinstance(loaded, ModuleType)
    assert list(loaded) == [loaded]
    assert loaded.setup is plugin.setup


def test_shell_of_the_tests_is_clean() -> None:
    """Else a variable of the developer's own would decide what these tests see."""
    assert "EXEC_ENV" not in clean_environment()
    assert not Path("migrations_ops.toml").exists()
