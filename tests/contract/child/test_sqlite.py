"""What is SQLite's own: foreign keys, its one writer, and an env.py that pretends or breaks off."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from textwrap import indent

import pytest

from migrations_ops.child.protocol.stamp import stamp_of
from migrations_ops.databases.sqlite.database import SQLite
from tests.contract.child.engines import HALF_DONE, cases, on
from tests.contract.child.env_ways import SQLITE as WAYS
from tests.contract.child.project import FAILING, R1, R2, R3, USUAL, ChildProject
from tests.contract.child.steps import R4 as PENDING
from tests.contract.child.steps import everything, write_env
from tests.support import R2 as AT
from tests.support import R3 as HEAD
from tests.support import Sandbox

DELETES = "    op.execute('DELETE FROM shops WHERE id = {}')"


# -- foreign keys -----------------------------------------------------------------------------


@cases(
    "env",
    {
        "sqlite": {way: WAYS[way] for way in ("usual", "engine in AUTOCOMMIT")}
        | {"its own COMMIT": WAYS["BEGIN and COMMIT of its own"]}
    },
)
def test_rows_that_lose_their_parents_are_refused(project: ChildProject, env: str) -> None:
    project.write_env(env)
    before = project.everything()
    project.add_revision(R2, R1, DELETES.format(2))
    assert "2 of orders without their shops" in project.run().failure
    assert project.everything() == before


@on("sqlite")
def test_rows_that_had_no_parent_before_are_tolerated(project: ChildProject) -> None:
    project.database.execute("INSERT INTO orders VALUES (99, 12345)")
    project.add_revision(R2, R1, HALF_DONE)
    project.add_revision(R3, R2, DELETES.format(1))
    with project.upgrades(R2, "head") as run:
        assert (run().failure, project.revision()) == ("", R2)
        assert "1 of orders without their shops" in run().failure


@on("sqlite")
def test_rows_that_an_autocommit_block_orphans_are_refused(project: ChildProject) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    block = "    with op.get_context().autocommit_block():\n    "
    project.add_revision(R3, R2, block + DELETES.format(1))
    assert "1 of orders without their shops" in project.run().failure
    assert project.revision() == R2


# -- one writer -------------------------------------------------------------------------------


@on("sqlite")
def test_writer_cannot_come_between_what_a_revision_reads_and_what_it_writes(
    project: ChildProject,
) -> None:
    """In a deferred transaction it could, and the revision's own write would then fail."""
    project.database.execute("PRAGMA journal_mode=WAL")
    project.add_revision(
        R2,
        R1,
        "    import sqlite3\n"
        "    count = op.get_bind().scalar(sa.text('SELECT count(*) FROM shops'))\n"
        f"    with sqlite3.connect({project.database.name!r}, timeout=0) as application:\n"
        "        try:\n"
        "            application.execute('INSERT INTO shops VALUES (77, NULL)')\n"
        "        except sqlite3.OperationalError as error:\n"
        "            print(error, flush=True)\n"
        "    op.execute(f'UPDATE shops SET name = {count}')",
    )
    assert project.run().failure == ""
    assert "database is locked" in project.log
    assert project.names() == ["3"] * 3


# -- env.py that goes wrong -------------------------------------------------------------------

# Each of these ends with 0 under plain Alembic, or hangs; and what is said of it.
BAD_WAYS = {
    "leaves with sys.exit(0)": ("sys.exit(0)", "sys.exit(0)"),
    "leaves with os._exit(0)": ("os._exit(0)", "ended by itself with exit code 0"),
    "asks a question": (f"input('Really? ')\n{USUAL}", "EOFError"),
    "writes before configure, and leaves that open": (
        """
with create_engine(url).connect() as connection:
    connection.connection.driver_connection.execute("UPDATE orders SET shop = 1")
    migrate(connection)
""",
        "env.py has written to the database before Alembic began",
    ),
}


@cases("given", {"sqlite": BAD_WAYS})
def test_env_that_breaks_off_fails_and_leaves_everything(
    project: ChildProject, given: tuple[str, str]
) -> None:
    ending, sentence = given
    project.write_env(ending)
    project.add_revision(R2, R1, HALF_DONE)
    before = project.everything()
    ran = project.run()
    assert sentence in ran.failure
    assert project.everything() == before


PRETENDING = {
    "does nothing": ("", "instead of"),
    "swallows every error": (
        f"try:{indent(USUAL, '    ')}except BaseException:\n    pass\n",
        "instead of",
    ),
    "begins a transaction before configure": (
        """
with create_engine(url).connect() as connection:
    connection.execute(text("PRAGMA foreign_keys=ON"))
    migrate(connection)
""",
        "it began a transaction before context.configure() and did not commit it",
    ),
}


@pytest.mark.parametrize("way", PRETENDING)
def test_env_that_pretends_is_found_out_by_its_version(filled: Sandbox, way: str) -> None:
    ending, sentence = PRETENDING[way]
    write_env(filled, ending)
    body = FAILING if "swallows" in way else HALF_DONE
    filled.add_revision(PENDING, HEAD, body.replace("shops", "parents"))
    before = everything(filled)
    ran = filled.invoke("upgrade-dev", "--json")
    assert ran.code == 3, ran.err
    assert sentence in ran.json["error"]["what"]
    assert "Traceback" not in ran.err
    assert "restored" not in ran.json["outcome"]
    assert everything(filled) == before


def test_revision_that_fails_after_an_autocommit_block_is_put_back(filled: Sandbox) -> None:
    """What the block committed cannot be rolled back, and moved neither schema nor version."""
    before = everything(filled)
    filled.add_revision(
        "r3a",
        AT,
        "    op.execute(\"UPDATE parents SET name = 'lost'\")\n"
        "    with op.get_context().autocommit_block():\n"
        '        op.execute("VACUUM")\n'
        '    raise RuntimeError("after the block")',
    )
    ran = filled.invoke("upgrade-dev", "--to", "r3a", "--json")
    assert ran.code == 3, ran.err
    assert ran.json["outcome"] == "failed, restored"
    assert everything(filled) == before


def test_env_that_prints_leaves_json_clean(filled: Sandbox) -> None:
    write_env(filled, f"print('noise'); os.write(1, b'more noise')\n{USUAL}print('{{')")
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["outcome"] == "released"


@on("sqlite")
def test_env_that_prints_is_heard_in_the_log(project: ChildProject) -> None:
    project.write_env(f"print('noise', flush=True); os.write(1, b'more noise')\n{USUAL}")
    assert project.run().run.finished
    assert "noise\nmore noise" in project.log


@cases(
    "env",
    {
        "sqlite": {
            way: WAYS[way]
            for way in ("usual", "engine in AUTOCOMMIT", "BEGIN IMMEDIATE of its own")
        }
    },
)
def test_command_that_only_reads_writes_nothing(project: ChildProject, env: str) -> None:
    project.write_env(env)
    before = project.everything()
    assert project.run("current").failure == ""
    assert project.everything() == before


def test_stamp_of_a_file_shows_a_write_whose_time_was_set_back(filled: Sandbox) -> None:
    for mode in ("DELETE", "WAL"):
        with closing(sqlite3.connect(filled.dev, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA journal_mode={mode}")
            before, times = stamp_of(str(filled.dev)), filled.dev.stat()
            connection.execute("UPDATE children SET id = id")
            os.utime(filled.dev, ns=(times.st_atime_ns, times.st_mtime_ns))
            after = stamp_of(str(filled.dev))
            assert after != before
            assert after == SQLite(filled.dev, "dev").stamp_of_content()
            assert ("size-wal" in after) is (mode == "WAL")
