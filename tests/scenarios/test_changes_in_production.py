"""What changes in production alone, which no rehearsal can know, is put back or told."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from textwrap import indent

import pytest

from tests.contract.databases.support import running
from tests.scenarios.test_changes import batch, past
from tests.support import R2, R3, Sandbox, dump, query, wait_for

# In the rehearsal it runs on a file of another name, and there it does nothing.
ONLY_IN_PRODUCTION = """\
    driver = op.get_bind().connection.driver_connection
    file = driver.execute("PRAGMA database_list").fetchone()[2]
    if file.endswith("db.sqlite3"):
        driver.execute("UPDATE notes SET a = 'gone' WHERE id = 3")"""


def with_notes(sandbox: Sandbox) -> Sandbox:
    for file in (sandbox.dev, sandbox.prod):
        query(file, "CREATE TABLE notes (id INTEGER PRIMARY KEY, a TEXT)")
        query(file, "INSERT INTO notes VALUES (3, 'three'), (7, 'seven')")
    return sandbox


def test_values_that_change_in_production_alone_are_put_back(filled: Sandbox) -> None:
    with_notes(filled).add_revision("r4", R3, ONLY_IN_PRODUCTION)
    before = dump(filled.prod)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 3, ran.err
    assert ran.json["outcome"] == "failed, restored"
    assert "1 value of notes.a would change in prod" in ran.json["error"]["what"]
    assert dump(filled.prod) == before


@pytest.mark.slow
def test_rows_of_others_are_no_loss_of_the_upgrade(filled: Sandbox) -> None:
    """The application deletes a row between the backup and the upgrade: nobody can tell."""
    delete = "import sqlite3, sys; live = sqlite3.connect(sys.argv[1]);"
    delete += " live.execute('DELETE FROM notes WHERE id = 7'); live.commit()"
    body = f"""{ONLY_IN_PRODUCTION}
    elif "rehearsal" in file:
        import subprocess, sys
        subprocess.run([sys.executable, "-c", {delete!r}, {str(filled.prod)!r}], check=True)"""
    with_notes(filled).add_revision("r4", R3, body)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    assert "other sessions may have written, so its rows were not compared" in ran.err
    assert query(filled.prod, "SELECT id, a FROM notes") == [(3, "gone")]


@pytest.mark.slow
def test_what_is_allowed_in_the_rehearsal_is_allowed_in_production(filled: Sandbox) -> None:
    body = f"    {past('UPDATE notes SET a = id WHERE id = 3')}"
    with_notes(filled).add_revision("r4", R3, body)
    refused = filled.invoke("release-migration", "--json")
    assert refused.code == 1, refused.err
    assert "--allow changed-values:notes.a" in refused.err
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R2,)]
    allowed = filled.invoke("release-migration", "--allow", "changed-values:notes.a")
    assert allowed.code == 0, allowed.err
    assert query(filled.prod, "SELECT a FROM notes WHERE id = 3") == [("3",)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "statements",
    [
        "CREATE VIEW names AS SELECT name FROM parents",
        "CREATE TABLE logs (a TEXT); CREATE TRIGGER other AFTER INSERT ON logs BEGIN"
        " DELETE FROM parents WHERE name = new.a; END",
        "ALTER TABLE parents ADD COLUMN twice INTEGER GENERATED ALWAYS AS (id * 2) VIRTUAL",
    ],
    ids=["view", "trigger of another table", "generated column"],
)
def test_what_a_rebuild_breaks_aloud_is_stopped_in_the_rehearsal(
    filled: Sandbox, statements: str
) -> None:
    """Only production has it, so that dev goes through."""
    with closing(sqlite3.connect(filled.prod)) as connection:
        connection.executescript(statements)
    code = 'batch_op.alter_column("name", existing_type=sa.Text(), nullable=True)'
    body = batch("parents", code, ', recreate="always"')
    filled.add_revision("r4", R3, indent(body, "    "))
    before = dump(filled.prod)
    ran = filled.invoke("release-migration", "--json")
    kept = ran.code == 0 and set(before or ()) <= set(dump(filled.prod) or ())
    assert kept or (ran.code == 1 and dump(filled.prod) == before), ran.err


# -- where our child is not inside --------------------------------------------------------------

# A project's own tool, which gives pets a home that does not exist, in files of these names.
TOOL = """
import os, sqlite3, sys
file = os.environ["APP_DATABASE"].partition(":///")[2]
database = sqlite3.connect(file, isolation_level=None)
if file.endswith(sys.argv[1]):
    database.execute("INSERT INTO pets VALUES (2, 99)")
database.execute("UPDATE alembic_version SET version_num = 'two'")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "code", "outcome"),
    [("rehearsal.sqlite3", 1, "refused"), ("prod.db", 3, "failed, restored")],
    ids=["in the rehearsal", "in production alone"],
)
def test_rows_that_commands_leave_without_their_parents_are_an_error(
    tmp_path: Path, ending: str, code: int, outcome: str
) -> None:
    app = Sandbox(tmp_path / "app")
    app.write(
        "tasks.py", "from migrations_ops.tasks import namespace\n\nns = namespace(__file__)\n"
    )
    app.write("tool.py", TOOL)
    lines = []
    for name in ("dev", "prod"):
        file = app.write(f"data/{name}.db", "")
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(
                "CREATE TABLE alembic_version (version_num TEXT NOT NULL);"
                "INSERT INTO alembic_version VALUES ('one');"
                "CREATE TABLE homes (id INTEGER PRIMARY KEY); INSERT INTO homes VALUES (1);"
                "CREATE TABLE pets (id INTEGER PRIMARY KEY, home INTEGER REFERENCES homes (id));"
                # One has no home already: that is not the upgrade's doing.
                "INSERT INTO pets VALUES (1, 98)"
            )
        lines += [
            f"[environments.{name}]", f'url = "sqlite:///data/{name}.db"', 'heads = ["two"]',
            f"commands = [{json.dumps([sys.executable, 'tool.py', ending])}]",
            'variables = { APP_DATABASE = "{url}" }',
        ]  # fmt: skip
    app.write("migrations_ops.toml", "\n".join(lines))
    before = dump(file)
    ran = app.invoke("release-migration", "--json")
    assert ran.code == code, ran.err
    assert ran.json["outcome"] == outcome
    assert "1 more row of pets would refer to rows of homes" in ran.json["error"]["what"]
    assert "new-orphans" in [each["code"] for each in ran.json["findings"]]
    assert dump(file) == before


_IDLE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode=WAL").fetchone()
connection.execute("SELECT count(*) FROM notes").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_an_application_that_only_has_it_open_does_not_blind_the_comparison(
    filled: Sandbox,
) -> None:
    """In WAL mode as an application leaves it, and with nobody who has it open at all."""
    with_notes(filled).add_revision("r4", R3, ONLY_IN_PRODUCTION)
    query(filled.prod, "PRAGMA journal_mode=WAL")
    time.sleep(0.2)
    alone = filled.invoke("release-migration", "--json")
    assert alone.code == 3, alone.err
    with running(_IDLE, str(filled.prod)):
        time.sleep(0.2)
        ran = filled.invoke("release-migration", "--json")
    assert ran.code == 3, ran.err
    assert "1 value of notes.a would change in prod" in ran.json["error"]["what"]


_WAITING = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
print("open", flush=True)
sys.stdin.readline()
connection.execute("DELETE FROM notes WHERE id = 7")
"""


@pytest.mark.slow
def test_who_waited_for_the_upgrade_to_end_is_not_blamed_on_it(filled: Sandbox) -> None:
    """An application whose write comes the moment after the commit, and is none of ours."""
    with_notes(filled)
    channel = filled.folder / "go"
    body = f"""    import pathlib, time
    file = op.get_bind().connection.dbapi_connection.execute("PRAGMA database_list").fetchall()
    if file[0][2] == {str(filled.prod)!r}:
        pathlib.Path({str(channel)!r}).touch()
        time.sleep(0.5)"""
    filled.add_revision("r4", R3, body)
    time.sleep(0.2)
    with running(_WAITING, str(filled.prod)) as waiting:
        release = filled.start("release-migration")
        wait_for(lambda: channel.exists() or release.poll() is not None)
        assert waiting.stdin is not None
        waiting.stdin.write("\n")
        waiting.stdin.flush()
        _, err = release.communicate(timeout=60)
        waiting.wait(60)
    assert release.returncode == 0, err
    assert query(filled.prod, "SELECT id FROM notes") == [(3,)]


# What the sources of revisions say, where commands run them; and what the tool does.
IN_SOURCES = """\
    posts = sa.table("posts", sa.column("id"), sa.column("title"))
    op.execute(posts.update().where(posts.c.id == 1).values(title="x"))
    key = sa.Column("id", sa.Text, primary_key=True)
    op.create_table("prompt_new", key, sa.Column("a", sa.Text, unique=True))
    prompts = sa.table("prompt_new", sa.column("id"), sa.column("a"))
    op.get_bind().execute(sa.insert(prompts).values(id="one", a="b"))
    op.drop_table("prompt")
    op.rename_table("prompt_new", "prompt")"""
BY_A_TOOL = """
import os, sqlite3
database = sqlite3.connect(os.environ["APP_DATABASE"].partition(":///")[2])
database.executescript('''
    UPDATE posts SET title = 'x' WHERE id = 1;
    CREATE TABLE prompt_new (id TEXT PRIMARY KEY, a TEXT UNIQUE);
    INSERT INTO prompt_new SELECT 'one', upper(a) FROM prompt;
    DROP TABLE prompt;
    ALTER TABLE prompt_new RENAME TO prompt;
    UPDATE alembic_version SET version_num = 'r4';
''')
"""


@pytest.mark.slow
def test_what_sources_say_by_expressions_does_not_stop_commands(filled: Sandbox) -> None:
    in_both = (
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT);"
        "INSERT INTO posts VALUES (1, 'a');"
        "CREATE TABLE prompt (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO prompt VALUES (1, 'b');"
        "CREATE UNIQUE INDEX prompt_a ON prompt (a)"
    )
    for file in (filled.dev, filled.prod):
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(in_both)
    filled.write("tool.py", BY_A_TOOL)
    filled.add_revision("r4", R3, IN_SOURCES)
    lines = ["[tool.migrations_ops]", "wait = 1"]
    for name, base in (("dev", "db.dev.sqlite3"), ("prod", "db.sqlite3")):
        lines += [
            f"[tool.migrations_ops.environments.{name}]", f'url = "sqlite:///data/repom/{base}"',
            f"commands = [{json.dumps([sys.executable, 'tool.py'])}]",
            'variables = { APP_DATABASE = "{url}" }',
        ]  # fmt: skip
    filled.configure("\n".join(lines))
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    found = {f"{each['code']}:{each['where']}": each["severity"] for each in ran.json["findings"]}
    assert "error" not in found.values()
    assert found["changed-values:posts.title"] == "note"
