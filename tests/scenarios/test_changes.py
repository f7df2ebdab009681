"""What a migration changes behind its own words stops the release; what it says does not."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from tests.support import R2, R3, Ran, Sandbox, dump, query

TOUCH = 'batch_op.alter_column("a", existing_type=sa.Text(), nullable=False)'


def batch(table: str, code: str = TOUCH, options: str = "") -> str:
    return f'with op.batch_alter_table("{table}"{options}) as batch_op:\n    {code}'


def past(sql: str) -> str:
    """A statement that is sent past SQLAlchemy, so that nobody hears it."""
    return f"op.get_bind().connection.driver_connection.execute({sql!r})"


# What the database holds, what a revision does, and the finding that there has to be; with the
# words that its message has. All of them run in one release, since each release costs seconds.
LOST: dict[str, tuple[str, str, str]] = {
    # -- what a rebuild loses of the schema (tests/unit/analysis/test_losses.py has more)
    "weakened-foreign-key:on_update(p) to parents": (
        "CREATE TABLE on_update (a TEXT, p INTEGER REFERENCES parents (id) ON UPDATE CASCADE)",
        batch("on_update"), "CASCADE",
    ),
    "weakened-foreign-key:no_column(p) to parents": (
        "CREATE TABLE no_column (a TEXT, p INTEGER REFERENCES parents ON DELETE SET NULL)",
        batch("no_column"), "SET NULL",
    ),
    "weakened-foreign-key:added(p) to parents": (
        "CREATE TABLE added (a TEXT);"
        "ALTER TABLE added ADD COLUMN p INTEGER REFERENCES parents (id) ON DELETE CASCADE",
        batch("added"), "CASCADE",
    ),
    "weakened-index:ix_collate": (
        "CREATE TABLE collated (a TEXT, b TEXT);"
        "CREATE INDEX ix_collate ON collated (b COLLATE NOCASE)",
        batch("collated"), "COLLATE",
    ),
    "lost-unique:unique_order(b)": (
        "CREATE TABLE unique_order (a TEXT, b TEXT, UNIQUE (b COLLATE NOCASE))",
        batch("unique_order"), "no revision says so",
    ),
    "reused-ids:counting": (
        "CREATE TABLE counting (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT);"
        "INSERT INTO counting VALUES (1, 'x'), (9, 'y'); DELETE FROM counting WHERE id = 9",
        batch("counting", options=', table_kwargs={"sqlite_autoincrement": True}'),
        "its next one would be 2 instead of 10",
    ),
    "weakened-column:stale.b": (
        "CREATE TABLE stale (a TEXT, b INTEGER NOT NULL)",
        batch("stale", options=', copy_from=sa.Table("stale", sa.MetaData(),'
              ' sa.Column("a", sa.Text()), sa.Column("b", sa.Integer()))'),
        "NOT NULL",
    ),
    "changed-column:stale_default.b": (
        "CREATE TABLE stale_default (a TEXT, b INTEGER DEFAULT 5)",
        batch("stale_default", options=', copy_from=sa.Table("stale_default", sa.MetaData(),'
              ' sa.Column("a", sa.Text()), sa.Column("b", sa.Integer()))'),
        "no default any more",
    ),
    "changed-column:stale_type.b": (
        "CREATE TABLE stale_type (a TEXT, b TEXT)",
        batch("stale_type", options=', copy_from=sa.Table("stale_type", sa.MetaData(),'
              ' sa.Column("a", sa.Text()), sa.Column("b", sa.Integer()))'),
        "the type integer instead of text",
    ),
    # -- what it does to values
    "changed-values:words.a": (
        "CREATE TABLE words (id INTEGER PRIMARY KEY, a TEXT);"
        "INSERT INTO words VALUES (1, 'abc'), (2, '12'), (3, '12abc')",
        batch("words", 'batch_op.alter_column("a", type_=sa.Integer())'),
        "2 values of words.a would not survive the change of its type in prod: a text of 3"
        " characters became integer",
    ),
    "changed-values:days.a": (
        "CREATE TABLE days (id INTEGER PRIMARY KEY, a DATETIME);"
        "INSERT INTO days VALUES (1, '2025-03-04 10:11:12')",
        batch("days", 'batch_op.alter_column("a", type_=sa.Date())'),
        "a text of 19 characters became integer",
    ),
    "changed-values:parts.a": (
        "CREATE TABLE parts (id INTEGER PRIMARY KEY, a FLOAT); INSERT INTO parts VALUES (1, 1.9)",
        batch("parts", 'batch_op.alter_column("a", type_=sa.Integer())'),
        "a real became integer",
    ),
    "changed-values:whole.a": (
        "CREATE TABLE whole (id INTEGER PRIMARY KEY, a); INSERT INTO whole VALUES (1, 1)",
        past("UPDATE whole SET a = 1.0"), "and no revision says so: a integer became real",
    ),
    "changed-values:cases.a": (
        "CREATE TABLE cases (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE);"
        "INSERT INTO cases VALUES (1, 'secret')",
        past("UPDATE cases SET a = upper(a)"), "1 value of cases.a would change in prod",
    ),
    # The key by which its rows were known is rewritten: they are known by their row numbers.
    "changed-values:uuids.v": (
        "CREATE TABLE uuids (id TEXT PRIMARY KEY, v TEXT);"
        "INSERT INTO uuids VALUES ('a-1', 'abc'), ('b-2', '7')",
        "op.execute(\"UPDATE uuids SET id = REPLACE(id, '-', '')\")\n"
        + batch("uuids", 'batch_op.alter_column("v", type_=sa.Integer())'),
        "1 value of uuids.v would not survive the change of its type in prod",
    ),
    # A rebuild by hand that copies all of it, though the columns stand in another order here.
    "changed-values:people.name": (
        "CREATE TABLE people (id INTEGER PRIMARY KEY, city TEXT, name TEXT, zip TEXT, up TEXT);"
        "INSERT INTO people VALUES (1, 'Rome', 'Anna', '00501', 'x'),"
        " (2, 'Oslo', 'Olaf', '7', 'y')",
        'op.execute("CREATE TABLE p2 (id INTEGER PRIMARY KEY, name TEXT, city TEXT, zip INTEGER,"\n'
        '           " up TEXT)")\n'
        'op.execute("INSERT INTO p2 SELECT * FROM people")\n'
        'op.execute("UPDATE p2 SET up = upper(up)")\n'
        'op.execute("DROP TABLE people")\nop.execute("ALTER TABLE p2 RENAME TO people")',
        "2 values of people.name would change in prod, and no revision says so",
    ),
    "changed-values:people.city": ("", "pass", "2 values of people.city"),
    # '00501' is 501 in an integer, while '7' is 7.
    "changed-values:people.zip": ("", "pass", "a text of 5 characters became integer"),
    # Another column is said to change: this one is not.
    "changed-values:two.b": (
        "CREATE TABLE two (id INTEGER PRIMARY KEY, a TEXT, b TEXT);"
        "INSERT INTO two VALUES (1, 'a', 'b')",
        'op.execute("UPDATE two SET a = 1 WHERE b = 5 OR id = 1")\n'
        + past("UPDATE two SET b = 'c'"),
        "1 value of two.b",
    ),
    # -- and to rows
    "lost-rows:swapped": (
        "CREATE TABLE swapped (id INTEGER PRIMARY KEY, a TEXT);"
        "INSERT INTO swapped VALUES (1, 'x')",
        past("DELETE FROM swapped") + "\n" + past("INSERT INTO swapped VALUES (2, 'x')"),
        "1 of 1 rows of swapped would vanish though new rows were inserted",
    ),
}  # fmt: skip

# The same for what stays, or changes as the revision says: what is found is no error.
FINE: dict[str, tuple[str, str, str]] = {
    "": (  # nothing of these is lost by a rebuild
        "CREATE TABLE kept (k TEXT PRIMARY KEY, a TEXT DEFAULT 'x', b INT NOT NULL DEFAULT (1 + 2),"
        " CONSTRAINT b_is CHECK (b > 0), UNIQUE (a)) WITHOUT ROWID;"
        "CREATE INDEX ix_kept ON kept (a) WHERE a IS NOT NULL;"
        "INSERT INTO kept VALUES ('one', 'a', 1), ('two', NULL, 2);"
        "CREATE TABLE strictly (id INTEGER PRIMARY KEY, a TEXT, b INTEGER) STRICT;"
        "INSERT INTO strictly VALUES (4, 'a', 1)",
        batch("kept", 'batch_op.alter_column("b", type_=sa.BigInteger())')
        + "\n" + batch("strictly"), "",
    ),
    "renumbered-rows:heap": (
        "CREATE TABLE heap (a TEXT); INSERT INTO heap VALUES ('x'), ('y'), ('z');"
        "DELETE FROM heap WHERE a = 'y'",
        batch("heap"), "hidden row numbers",
    ),
    "changed-values:numbers.a": (
        "CREATE TABLE numbers (id INTEGER PRIMARY KEY, a TEXT);"
        "INSERT INTO numbers VALUES (1, '7')",
        batch("numbers", 'batch_op.alter_column("a", type_=sa.Integer())'), "none is lost",
    ),
    "changed-values:meant.a": (
        "CREATE TABLE meant (id INTEGER PRIMARY KEY, a TEXT, b TEXT);"
        "INSERT INTO meant VALUES (1, 'x', 'x')",
        "op.execute(\"UPDATE main.meant AS m SET b = b, (a) = ('y') WHERE id = 1\")",
        "1 value of meant.a changes, as the revisions say",
    ),
    "changed-values:many.a": (
        "CREATE TABLE many (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO many VALUES (1, 'x')",
        "for number in range(600):\n"
        "    op.execute(f\"INSERT INTO many VALUES ({number + 2}, 'y')\")\n"
        "op.execute(\"UPDATE many SET a = 'z' WHERE id = 1\")",
        "as the revisions say",
    ),
    "changed-values:upserted.a": (
        "CREATE TABLE upserted (id INTEGER PRIMARY KEY, a); INSERT INTO upserted VALUES (1, 'x')",
        "op.execute(\"INSERT INTO upserted VALUES (1, 'y') ON CONFLICT DO UPDATE SET a = 'y'\")",
        "as the revisions say",
    ),
    "changed-values:replaced.a": (
        "CREATE TABLE replaced (id INTEGER PRIMARY KEY, a); INSERT INTO replaced VALUES (1, 'x')",
        "op.execute(\"INSERT OR REPLACE INTO replaced VALUES (1, 'y')\")", "as the revisions say",
    ),
    "changed-values:anew.a": (
        "CREATE TABLE anew (id INTEGER PRIMARY KEY, a); INSERT INTO anew VALUES (1, 'x')",
        "op.execute('DELETE FROM anew')\nop.execute(\"INSERT INTO anew VALUES (1, 'y')\")",
        "as the revisions say",
    ),
    "changed-values:by_hand.a": (
        "CREATE TABLE by_hand (id INTEGER PRIMARY KEY, a); INSERT INTO by_hand VALUES (1, 'x')",
        "op.execute('CREATE TABLE new (id INTEGER PRIMARY KEY, a)')\n"
        "op.execute(\"INSERT INTO new SELECT id, upper(a) FROM by_hand\")\n"
        "op.execute('DROP TABLE by_hand')\nop.execute('ALTER TABLE new RENAME TO by_hand')",
        "as the revisions say",
    ),
    "changed-values:triggered.a": (
        "CREATE TABLE triggered (id INTEGER PRIMARY KEY, a, b);"
        "CREATE TRIGGER stamp AFTER UPDATE OF b ON triggered BEGIN"
        " UPDATE triggered SET a = 'now' WHERE id = new.id; END;"
        "INSERT INTO triggered VALUES (1, 'x', 'x')",
        "op.execute(\"UPDATE triggered SET b = 'y'\")", "as the revisions say",
    ),
    "changed-values:stamped.seen": (  # the trigger comes with the backfill that fires it
        "CREATE TABLE stamped (id INTEGER PRIMARY KEY, a, seen); INSERT INTO stamped VALUES"
        " (1, 'x', 'x')",
        "op.execute('CREATE TRIGGER stamped_tr AFTER UPDATE OF a ON stamped BEGIN"
        " UPDATE stamped SET seen = 1; END')\n"
        "op.execute(\"UPDATE stamped SET a = 'y'\")", "as the revisions say",
    ),
    "changed-values:moved.a": (
        "CREATE TABLE moved (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO moved VALUES (1, 'x')",
        "op.rename_table('moved', 'moved_on')\n"
        + batch("moved_on", 'batch_op.alter_column("a", new_column_name="b")')
        + "\nop.execute(\"UPDATE moved_on SET b = 'y'\")",
        "as the revisions say",
    ),
    "dropped-column:again.a": (
        "CREATE TABLE again (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO again VALUES (1, 'x')",
        'op.drop_column("again", "a")', "as the revisions say",
    ),
}  # fmt: skip
ALSO = {"changed-values:triggered.b", "changed-values:stamped.a", "changed-values:two.a",
        "changed-values:uuids.id", "changed-values:people.up"}  # fmt: skip


@pytest.fixture(scope="module")
def shop(_filled: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Both databases hold all of these tables, and one revision does it all."""
    folder = tmp_path_factory.mktemp("changes") / "shop"
    shutil.copytree(_filled.folder, folder)
    made = Sandbox(folder)
    cases = (*LOST.values(), *FINE.values())
    for file in (made.dev, made.prod):
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(";".join(statements for statements, _, _ in cases))
    made.add_revision("r4", R3, indent("\n".join(code for _, code, _ in cases), "    "))
    return made


@pytest.fixture(scope="module")
def stopped(shop: Sandbox) -> Ran:
    before = dump(shop.prod)
    ran = shop.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert ran.json["outcome"] == "refused"
    assert dump(shop.prod) == before
    return ran


def by_place(ran: Ran) -> dict[str, dict[str, Any]]:
    """What the comparison found; the models know nothing of these tables."""
    told = [each for each in ran.json["findings"] if each["code"] != "drift"]
    found = {f"{each['code']}:{each['where']}": each for each in told}
    assert len(found) == len(told), "a finding is told twice"
    return found


@pytest.mark.parametrize("place", LOST)
def test_what_changes_behind_the_words_of_a_revision_stops_the_release(
    stopped: Ran, place: str
) -> None:
    finding = by_place(stopped)[place]
    assert finding["severity"] == "error"
    assert LOST[place][2] in finding["message"]


@pytest.mark.parametrize("place", [place for place in FINE if place])
def test_what_a_revision_says_is_told_and_stops_nothing(stopped: Ran, place: str) -> None:
    finding = by_place(stopped)[place]
    assert finding["severity"] in ("note", "warning")
    assert FINE[place][2] in finding["message"]


def test_nothing_else_is_found(stopped: Ran) -> None:
    compared = ("changed", "lost", "weakened", "renumbered", "reused", "new-orphans", "deleted",
                "dropped")  # fmt: skip
    found = {place for place in by_place(stopped) if place.startswith(compared)}
    assert found == {*LOST, *FINE, *ALSO} - {""}


def test_no_value_of_production_is_shown(stopped: Ran) -> None:
    assert "secret" not in stopped.out + stopped.err
    assert "abc" not in stopped.out + stopped.err


def test_changed_values_are_allowed_by_name(stopped: Ran, shop: Sandbox) -> None:
    allowed = [argument for place in LOST for argument in ("--allow", place)]
    ran = shop.invoke("release-migration", "--json", *allowed)
    assert ran.code == 0, ran.err
    assert query(shop.prod, "SELECT a FROM words ORDER BY id") == [(0,), (12,), (12,)]


# -- production itself --------------------------------------------------------------------------

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
    assert "others may have written, so that its rows were not compared" in ran.err
    assert query(filled.prod, "SELECT id, a FROM notes") == [(3, "gone")]


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
    idle = subprocess.Popen(
        [sys.executable, "-c", _IDLE, str(filled.prod)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert idle.stdout is not None
        assert idle.stdout.readline() == b"open\n"
        time.sleep(0.2)
        ran = filled.invoke("release-migration", "--json")
        assert ran.code == 3, ran.err
        assert "1 value of notes.a would change in prod" in ran.json["error"]["what"]
    finally:
        idle.communicate()


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
    waiting = subprocess.Popen(
        [sys.executable, "-c", _WAITING, str(with_notes(filled).prod)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert waiting.stdout is not None
    assert waiting.stdin is not None
    assert waiting.stdout.readline() == b"open\n"
    channel = filled.folder / "go"
    body = f"""    import pathlib, time
    file = op.get_bind().connection.dbapi_connection.execute("PRAGMA database_list").fetchall()
    if file[0][2] == {str(filled.prod)!r}:
        pathlib.Path({str(channel)!r}).touch()
        time.sleep(0.5)"""
    filled.add_revision("r4", R3, body)
    time.sleep(0.2)
    release = filled.start("release-migration")
    while not channel.exists():
        assert release.poll() is None
        time.sleep(0.01)
    waiting.stdin.write(b"\n")
    waiting.stdin.flush()
    _, err = release.communicate(timeout=60)
    waiting.communicate()
    assert release.returncode == 0, err
    assert query(filled.prod, "SELECT id FROM notes") == [(3,)]


# What the sources of revisions say, where commands run them; and what the tool does.
IN_SOURCES = """\
    posts = sa.table("posts", sa.column("id"), sa.column("title"))
    op.execute(posts.update().where(posts.c.id == 1).values(title="x"))
    key = sa.Column("id", sa.Text, primary_key=True)
    op.create_table("prompt_new", key, sa.Column("a", sa.Text))
    prompts = sa.table("prompt_new", sa.column("id"), sa.column("a"))
    op.get_bind().execute(sa.insert(prompts).values(id="one", a="b"))
    op.drop_table("prompt")
    op.rename_table("prompt_new", "prompt")"""
BY_A_TOOL = """
import os, sqlite3
database = sqlite3.connect(os.environ["APP_DATABASE"].partition(":///")[2])
database.executescript('''
    UPDATE posts SET title = 'x' WHERE id = 1;
    CREATE TABLE prompt_new (id TEXT PRIMARY KEY, a TEXT);
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
