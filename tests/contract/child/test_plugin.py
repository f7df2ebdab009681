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


def said(ran: Ran) -> list[str]:
    """The lines of ours on standard error."""
    assert "migrations_ops" not in ran.out
    return [line for line in ran.err.splitlines() if "migrations_ops" in line]


# -- protection -------------------------------------------------------------------------------


def test_bare_upgrade_that_fails_leaves_nothing_and_a_rerun_works(filled: Sandbox) -> None:
    before = everything(filled)
    filled.add_revision(R4, R3, FAILING)
    assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 1
    assert everything(filled) == before
    filled.add_revision(R4, R3, HALF_DONE)
    again = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    assert again.code == 0, again.err
    assert revision_of(filled.dev) == R4


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


def test_bare_upgrade_says_why_a_commit_was_refused(filled: Sandbox) -> None:
    filled.add_revision(R4, R3, '    op.execute("COMMIT")')
    before = everything(filled)
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    assert ran.code == 1
    assert said(ran)[1].startswith(f"migrations_ops: revision {R4} sends a COMMIT of its own")
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
    assert said(ran) == []
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
    assert len(said(ran)) == configured


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
    assert said(ran) == []


# -- the line ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "line"),
    [
        (None, "migrations_ops: this reaches prod (data/repom/db.sqlite3); EXEC_ENV is not set"),
        ("dev", "migrations_ops: this reaches dev (data/repom/db.dev.sqlite3); EXEC_ENV=dev"),
        (
            "test",
            "migrations_ops: this reaches data/repom/db.test.sqlite3, which no environment of the"
            " configuration names; EXEC_ENV=test",
        ),
    ],
)
@pytest.mark.parametrize("command", [["current"], ["upgrade", R2]], ids=lambda words: words[0])
def test_one_line_names_the_environment_and_what_chose_it(
    filled: Sandbox, command: list[str], selector: str | None, line: str
) -> None:
    ran = filled.alembic(*command, **({} if selector is None else {"EXEC_ENV": selector}))
    assert ran.code == 0, ran.err
    assert said(ran) == [line.replace("/", os.sep)]


def test_a_project_without_a_selector_reads_nothing_of_one(filled: Sandbox) -> None:
    file = filled.folder / "pyproject.toml"
    text = file.read_text().replace("[tool.migrations_ops]", '[tool.migrations_ops]\nselector = ""')
    file.write_text(text)
    [line] = said(filled.alembic("current"))
    assert line.endswith("this reaches prod (data/repom/db.sqlite3)".replace("/", os.sep))


def test_command_that_opens_no_database_says_nothing(filled: Sandbox) -> None:
    assert said(filled.alembic("heads")) == []
    sql = filled.alembic("upgrade", f"base:{R2}", "--sql")
    assert sql.code == 0, sql.err
    assert said(sql) == []


def test_line_appears_once_under_an_env_that_configures_twice(filled: Sandbox) -> None:
    write_env(filled, f"for _ in range(2):\n    {USUAL.replace(chr(10), chr(10) + '    ')}\n")
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    assert ran.code == 0, ran.err
    assert len(said(ran)) == 1


@pytest.mark.parametrize(
    "arguments",
    [["-c", "../../alembic.ini"], ["-c../../alembic.ini"], ["--config=../../alembic.ini"]],
)
def test_configuration_is_found_beside_the_ini_from_a_subfolder(
    filled: Sandbox, arguments: list[str]
) -> None:
    folder = filled.folder / "deep/er"
    folder.mkdir(parents=True)
    (filled.folder / "pyproject.toml").replace(filled.folder / "kept")
    filled.add_revision(R4, R3, FAILING)
    elsewhere = filled.folder.parent / "elsewhere"
    elsewhere.mkdir()
    before = everything(filled)
    for cwd in (folder, elsewhere):
        ini = [each.replace("../..", os.path.relpath(filled.folder, cwd)) for each in arguments]
        (filled.folder / "kept").replace(filled.folder / "pyproject.toml")
        ran = filled.run(
            sys.executable, "-m", "alembic", *ini, "upgrade", "head", cwd=cwd, EXEC_ENV="dev"
        )
        (filled.folder / "pyproject.toml").replace(filled.folder / "kept")
        assert "this reaches dev" in said(ran)[0]
        assert everything(filled) == before


def test_own_file_configures_as_well(filled: Sandbox) -> None:
    text = (filled.folder / "pyproject.toml").read_text(encoding="utf-8")
    filled.configure(UNCONFIGURED)
    filled.write(
        "migrations_ops.toml",
        text.replace("[tool.migrations_ops]", "").replace("[tool.migrations_ops.", "["),
    )
    assert "this reaches prod" in said(filled.alembic("current"))[0]


def test_environment_whose_url_is_elsewhere_is_protected_all_the_same(filled: Sandbox) -> None:
    filled.configure(
        "[tool.migrations_ops.environments.dev]\nurl = { variable = 'DEV' }\n"
        "[tool.migrations_ops.environments.prod]\nurl = { variable = 'PROD' }\n"
    )
    filled.add_revision(R4, R3, FAILING)
    before = everything(filled)
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    name = os.path.join("data", "repom", "db.dev.sqlite3")
    assert said(ran) == [f"migrations_ops: this reaches {name}; EXEC_ENV=dev"]
    assert everything(filled) == before


# -- a configuration that is out of order -----------------------------------------------------
# In a file of ours: Alembic itself reads pyproject.toml, and stops where that is broken.


@pytest.fixture
def unconfigured(filled: Sandbox) -> Sandbox:
    filled.configure(UNCONFIGURED)
    return filled


def test_broken_toml_stops_no_bare_alembic_and_leaves_it_protected(unconfigured: Sandbox) -> None:
    unconfigured.write("migrations_ops.toml", "selector = \n")
    unconfigured.add_revision(R4, R3, FAILING)
    before = everything(unconfigured)
    ran = unconfigured.alembic("upgrade", "head", EXEC_ENV="dev")
    assert "RuntimeError: in the middle" in ran.err
    line = "migrations_ops: migrations_ops.toml is not valid TOML; this reaches data"
    assert said(ran)[0].startswith(line)
    assert everything(unconfigured) == before
    unconfigured.add_revision(R4, R3, HALF_DONE)
    assert unconfigured.alembic("upgrade", "head", EXEC_ENV="dev").code == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tool = 3",
        "[tool]\nmigrations_ops = 'tool.migrations_ops'",
        "environments = 3\nselector = 4",
        "[environments]\ndev = 1\nprod = []",
        "[environments.dev]\nurl = 7",
        "[environments.dev]\nurl = 'sqlite:///~nobody/'",
        '[environments.dev]\nurl = "sqlite:///\\u0000"',
        b"selector = '\xff'\n",
        None,
    ],
)
def test_senseless_configuration_stops_no_bare_alembic(
    unconfigured: Sandbox, text: str | bytes | None
) -> None:
    file = unconfigured.folder / "migrations_ops.toml"
    if text is None:
        file.mkdir()
    else:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    ran = unconfigured.alembic("current", EXEC_ENV="dev")
    assert ran.code == 0, ran.err
    assert R2 in ran.out


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
