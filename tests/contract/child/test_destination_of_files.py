"""The proof of destination: a step opens the database that is meant, or none."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from migrations_ops.child.destination.proof import file_of
from tests.contract.child.steps import R4, USUAL, everything, revision_of, run_child, write_env
from tests.support import R2, R3, Sandbox, dump, query

# Endings of env.py that go where they should not, and what the refusal names.
ASTRAY = {
    "the other environment": (
        "url = f\"sqlite:///{file_of('prod').as_posix()}\"" + USUAL,
        "the database of prod",
    ),
    "the other environment by a link": (
        """
link = Path("link.sqlite3")
link.symlink_to(file_of("prod"))
url = f"sqlite:///{link}"
"""
        + USUAL,
        "the database of prod",
    ),
    "the other environment by a URI": (
        """
url = f"sqlite:///file:{file_of('prod').as_posix()}?mode=rw&uri=true"
"""
        + USUAL,
        "the database of prod",
    ),
    "the other environment by a Connection": (
        """
engine = create_engine("sqlite://", creator=lambda: sqlite3.Connection(file_of("prod")))
with engine.connect() as connection:
    migrate(connection)
""",
        "the database of prod",
    ),
    "a selector that env.py overwrites": (
        """
for line in Path(__file__).parent.joinpath("dotenv").read_text().splitlines():
    name, _, value = line.partition("=")
    os.environ[name] = value
url = f"sqlite:///{file_of(os.environ['EXEC_ENV']).as_posix()}"
"""
        + USUAL,
        "the database of prod",
    ),
    "a fresh file in the working directory": ('url = "sqlite:///fresh.db"' + USUAL, "fresh.db"),
    "a fresh file with a header": (
        """
engine = create_engine("sqlite:///fresh.db")
@event.listens_for(engine, "connect")
def write_ahead(driver, record):
    driver.execute("PRAGMA journal_mode=WAL")
with engine.connect() as connection:
    migrate(connection)
""",
        "fresh.db",
    ),
    "memory": ('url = "sqlite://"' + USUAL, "in memory"),
    "a temporary file": (
        'url = "sqlite:///file:?uri=true"' + USUAL,
        "in memory",
    ),
    "the other environment, and swallows that": (
        f"""
url = f"sqlite:///{{file_of('prod').as_posix()}}"
try:
    {USUAL.replace(chr(10), chr(10) + "    ")}
except BaseException:
    pass
""",
        "the database of prod",
    ),
}


@pytest.mark.parametrize("way", ASTRAY)
def test_env_that_goes_astray_is_refused_before_anything_is_written(
    filled: Sandbox, way: str
) -> None:
    ending, named = ASTRAY[way]
    write_env(filled, ending)
    filled.write("alembic/dotenv", "EXEC_ENV=prod\n")
    before = everything(filled)
    files = {file.name for file in filled.folder.iterdir()}
    run = run_child(filled)
    assert named in run.refused
    assert everything(filled) == before
    left = {file.name for file in filled.folder.iterdir()} - files
    assert left <= {"child.log", "link.sqlite3"}


def test_refused_upgrade_ends_with_1_and_one_sentence(filled: Sandbox) -> None:
    ending, named = ASTRAY["a fresh file with a header"]
    write_env(filled, ending)
    before = everything(filled)
    ran = filled.invoke("upgrade-dev", "--json")
    assert ran.code == 1, ran.err
    assert ran.json["outcome"] == "refused"
    assert named in ran.json["error"]["what"]
    assert "Traceback" not in ran.err
    assert everything(filled) == before
    assert not (filled.folder / "fresh.db").exists()


def test_file_that_was_there_before_is_left_alone(filled: Sandbox) -> None:
    other = filled.folder / "fresh.db"
    query(other, "CREATE TABLE kept (id)")
    empty = filled.write("empty.db", "")
    for name in ("fresh.db", "empty.db"):
        write_env(filled, f'url = "sqlite:///{name}"' + USUAL)
        assert name in run_child(filled).refused
    assert dump(other) == ["BEGIN TRANSACTION;", "CREATE TABLE kept (id);", "COMMIT;"]
    assert empty.exists()


def test_missing_database_stays_missing_when_env_goes_astray(shop: Sandbox) -> None:
    write_env(shop, 'url = "sqlite:///fresh.db"' + USUAL)
    ran = shop.invoke("upgrade-dev")
    assert ran.code == 1, ran.err
    assert not shop.dev.exists()
    assert not (shop.folder / "fresh.db").exists()


def test_file_that_env_filled_itself_is_left_alone(filled: Sandbox) -> None:
    filling = "sqlite3.connect('fresh.db').execute('CREATE TABLE kept (id)')\n"
    write_env(filled, f"{filling}url = 'sqlite:///fresh.db'{USUAL}")
    assert "fresh.db" in run_child(filled).refused
    assert dump(filled.folder / "fresh.db") is not None


@pytest.mark.parametrize(
    "ending",
    [
        "os.symlink(file, 'link.db')\nurl = 'sqlite:///link.db'" + USUAL,
        "url = f'sqlite:///file:{file.as_posix()}?uri=true'" + USUAL,
        "url = 'sqlite:///' + os.path.relpath(file)" + USUAL,
    ],
    ids=["a link", "a URI", "a relative path"],
)
def test_intended_database_is_known_by_any_of_its_names(filled: Sandbox, ending: str) -> None:
    write_env(filled, ending)
    run = run_child(filled)
    assert (run.refused, run.failure, revision_of(filled.dev)) == ("", "", R3)


def test_env_may_use_a_file_of_its_own_beside_the_database(filled: Sandbox) -> None:
    write_env(filled, "sqlite3.connect('cache.db').execute('CREATE TABLE c (id)')" + USUAL)
    assert run_child(filled).finished
    assert (filled.folder / "cache.db").exists()


# What a revision of dev may try in order to reach prod. {prod} is its path.
REACHING = {
    "connect": "    import sqlite3\n    sqlite3.connect({prod!r}).execute('DELETE FROM children')",
    "engine": (
        "    with sa.create_engine('sqlite:///' + {prod!r}).begin() as other:\n"
        "        other.execute(sa.text('DELETE FROM children'))"
    ),
    "ATTACH": (
        '    op.execute("ATTACH \'{prod}\' AS other")\n    op.execute("DELETE FROM other.children")'
    ),
    "ATTACH with a parameter": (
        "    op.get_bind().execute(sa.text('ATTACH :file AS other'), {{'file': {prod!r}}})\n"
        "    op.execute('DELETE FROM other.children')"
    ),
}


@pytest.mark.parametrize("way", REACHING)
def test_revision_cannot_reach_another_environment(filled: Sandbox, way: str) -> None:
    body = REACHING[way].format(prod=filled.prod.as_posix())
    filled.add_revision(R4, R3, body)
    before = everything(filled)
    run = run_child(filled)
    if way == "ATTACH with a parameter":
        assert "must be a literal in the statement" in run.failure
    else:
        assert "the database of prod" in run.refused
    assert everything(filled) == before


def test_revision_may_attach_a_file_of_its_own(filled: Sandbox) -> None:
    query(filled.folder / "names.db", "CREATE TABLE names (id, name)")
    filled.add_revision(
        R4,
        R3,
        "    op.execute(\"ATTACH 'names.db' AS names\")\n"
        '    op.execute("UPDATE parents SET note = (SELECT count(*) FROM names.names)")',
    )
    assert run_child(filled).failure == ""
    assert query(filled.dev, "SELECT DISTINCT note FROM parents") == [("0",)]


# -- the rehearsal ----------------------------------------------------------------------------


@pytest.fixture
def scratch(filled: Sandbox) -> Path:
    """A copy of production, as a rehearsal makes one."""
    return Path(shutil.copyfile(filled.prod, filled.folder / "scratch.sqlite3"))


# What a revision may try in order to reach its own database by its real name while that is
# being rehearsed. True: it must arrive at the copy; False: it must be refused.
BESIDE = {
    "connect": (
        "    import sqlite3\n"
        "    print(sqlite3.connect({prod!r}).execute('PRAGMA database_list').fetchall())",
        True,
    ),
    "connect from dbapi2": (
        "    from sqlite3.dbapi2 import connect\n"
        "    print(connect('file:{prod}?mode=ro', uri=True)"
        ".execute('PRAGMA database_list').fetchall())",
        True,
    ),
    "engine": (
        "    with sa.create_engine('sqlite:///' + {prod!r}).connect() as other:\n"
        "        print(other.execute(sa.text('PRAGMA database_list')).all())",
        True,
    ),
    "Connection": (
        "    import sqlite3\n    sqlite3.Connection({prod!r}).execute('DELETE FROM children')",
        False,
    ),
    "ATTACH": (
        '    op.execute("ATTACH \'{prod}\' AS real")\n    op.execute("DELETE FROM real.children")',
        False,
    ),
    "dev": ("    import sqlite3\n    sqlite3.connect({dev!r})", False),
}


@pytest.mark.parametrize("way", BESIDE)
def test_rehearsal_keeps_every_connection_off_the_real_database(
    filled: Sandbox, scratch: Path, way: str
) -> None:
    body, arrives = BESIDE[way]
    names = {"prod": filled.prod.as_posix(), "dev": filled.dev.as_posix()}
    filled.add_revision(R4, R3, body.format(**names))
    before = everything(filled)
    run = run_child(filled, "prod", scratch=scratch)
    assert everything(filled) == before
    if arrives:
        assert (run.refused, run.failure) == ("", "")
        log = (filled.folder / "child.log").read_text(encoding="utf-8")
        assert str(scratch) in log
        assert str(filled.prod) not in log
    else:
        assert "the database of dev" in run.refused or "this is the rehearsal" in run.refused


def test_revision_that_writes_into_the_real_file_is_stopped_by_the_rehearsal(
    filled: Sandbox,
) -> None:
    """End to end: dev lets it pass, since its own code only acts in production."""
    filled.add_revision(
        R4,
        R3,
        "    import os, sqlite3\n"
        '    if os.environ["EXEC_ENV"] == "prod":\n'
        f"        sqlite3.Connection({str(filled.prod)!r}).execute('DROP TABLE children')",
    )
    before = dump(filled.prod)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert ran.json["steps"][-1]["name"] == "rehearse"
    assert dump(filled.prod) == before
    assert revision_of(filled.dev) == R4
    assert revision_of(filled.prod) == R2


# -- the names of files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database", "file"),
    [
        (":memory:", None),
        ("", None),
        ("file::memory:?cache=shared", None),
        ("file:name?mode=memory", None),
        ("file:/a/b.db?mode=rw", "/a/b.db"),
        ("file:///a/b%20c.db", "/a/b c.db"),
        ("file:/a/b.db?note=mode=memory", "/a/b.db"),
        (b"/a/b.db", "/a/b.db"),
        (Path("/a/b.db"), "/a/b.db"),
        (7, None),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the names are those of POSIX")
def test_argument_of_connect_is_read_as_sqlite_reads_it(database: object, file: str | None) -> None:
    assert file_of(database) == file


def test_memory_name_really_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one rule above that would be dangerous if SQLite read it otherwise."""
    monkeypatch.chdir(tmp_path)
    name = "file:name?mode=memory"
    with closing(sqlite3.connect(name, uri=True)) as connection:
        connection.execute("CREATE TABLE t (id)")
    assert list(tmp_path.iterdir()) == []
