"""What a migration changes behind its own words stops the release; what it says does not."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from textwrap import indent
from typing import Any

import pytest

from tests.support import R3, Ran, Sandbox, dump, query

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
        batch("unique_order"), "no revision declares it",
    ),
    "reused-ids:counting": (
        "CREATE TABLE counting (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT);"
        "INSERT INTO counting VALUES (1, 'x'), (9, 'y'); DELETE FROM counting WHERE id = 9",
        batch("counting", options=', table_kwargs={"sqlite_autoincrement": True}'),
        "the next id would be 2 instead of 10",
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
        "no default",
    ),
    "changed-column:stale_type.b": (
        "CREATE TABLE stale_type (a TEXT, b TEXT)",
        batch("stale_type", options=', copy_from=sa.Table("stale_type", sa.MetaData(),'
              ' sa.Column("a", sa.Text()), sa.Column("b", sa.Integer()))'),
        "the type integer instead of text",
    ),
    "lost-trigger:tr": (
        "CREATE TABLE with_trigger (id INTEGER PRIMARY KEY, a TEXT);"
        "CREATE TRIGGER tr AFTER UPDATE ON with_trigger BEGIN SELECT 1; END",
        batch("with_trigger"), "",
    ),
    "weakened-foreign-key:with_action(parent_id) to parents": (
        "CREATE TABLE with_action (id INTEGER PRIMARY KEY, a TEXT,"
        " parent_id INTEGER REFERENCES parents (id) ON DELETE CASCADE)",
        batch("with_action"), "CASCADE",
    ),
    "weakened-table:with_sequence": (
        "CREATE TABLE with_sequence (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT)",
        batch("with_sequence"), "AUTOINCREMENT",
    ),
    "weakened-column:with_collation.b": (
        "CREATE TABLE with_collation (id INTEGER PRIMARY KEY, a TEXT, b TEXT COLLATE NOCASE)",
        batch("with_collation"), "collation",
    ),
    "lost-check:with_check: b > 0": (
        "CREATE TABLE with_check (id INTEGER PRIMARY KEY, a TEXT, b INTEGER CHECK (b > 0))",
        batch("with_check"), "",
    ),
    "lost-index:ix_lower": (
        "CREATE TABLE with_index (id INTEGER PRIMARY KEY, a TEXT);"
        "CREATE INDEX ix_lower ON with_index (lower(a))",
        batch("with_index"), "",
    ),
    "weakened-index:ix_desc": (
        "CREATE TABLE with_order (id INTEGER PRIMARY KEY, a TEXT, b TEXT);"
        "CREATE INDEX ix_desc ON with_order (b DESC)",
        batch("with_order"), "DESC",
    ),
    "weakened-table:with_conflict": (
        "CREATE TABLE with_conflict (id INTEGER PRIMARY KEY, a TEXT,"
        " b TEXT UNIQUE ON CONFLICT REPLACE)",
        batch("with_conflict"), "",
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
        past("UPDATE whole SET a = 1.0"), "and no revision declares it: a integer became real",
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
        "2 values of people.name would change in prod, and no revision declares it",
    ),
    "changed-values:people.city": ("", "pass", "2 values of people.city"),
    # '00501' is 501 in an integer, while '7' is 7.
    "changed-values:people.zip": ("", "pass", "a text of 5 characters became integer"),
    # A rebuild by operations, with a cast: 'abc' is 0, and the new table has no default.
    "changed-values:zips.zip": (
        "CREATE TABLE zips (id INTEGER PRIMARY KEY, zip TEXT, kind TEXT DEFAULT 'x');"
        "INSERT INTO zips VALUES (1, 'abc', 'y'), (2, '7', 'z')",
        'op.create_table("zips2", sa.Column("id", sa.Integer, primary_key=True),\n'
        '    sa.Column("zip", sa.Integer), sa.Column("kind", sa.Text))\n'
        'op.execute("INSERT INTO zips2 SELECT id, CAST(zip AS INTEGER), kind FROM zips")\n'
        'op.drop_table("zips")\nop.rename_table("zips2", "zips")',
        "1 value of zips.zip would not survive the change of its type",
    ),
    "changed-column:zips.kind": ("", "pass", "no default"),
    # A new column takes the name of the one that it is a copy of.
    "changed-values:grades.grade": (
        "CREATE TABLE grades (id INTEGER PRIMARY KEY, grade TEXT);"
        "INSERT INTO grades VALUES (1, 'abc'), (2, '7')",
        'op.add_column("grades", sa.Column("grade2", sa.Integer))\n'
        'op.execute("UPDATE grades SET grade2 = CAST(grade AS INTEGER)")\n'
        + batch("grades", 'batch_op.drop_column("grade")') + "\n"
        + batch("grades", 'batch_op.alter_column("grade2", new_column_name="grade")'),
        "1 value of grades.grade would not survive the change of its type",
    ),
    # The old table is kept, and the view keeps reading it.
    "weakened-view:visits_by_day": (
        "CREATE TABLE visits (id INTEGER PRIMARY KEY, day TEXT);"
        "INSERT INTO visits VALUES (1, 'x');"
        "CREATE VIEW visits_by_day AS SELECT day, count(*) AS n FROM visits GROUP BY day",
        'op.rename_table("visits", "visits_old")\n'
        'op.create_table("visits", sa.Column("id", sa.Integer, primary_key=True),\n'
        '    sa.Column("day", sa.Text))\n'
        'op.execute("INSERT INTO visits SELECT id, day FROM visits_old")',
        "would refer to visits_old in prod, not to the new visits",
    ),
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
    # The revision says so, and that is not enough.
    "dropped-table:t1": (
        "CREATE TABLE t1 (id INTEGER PRIMARY KEY); INSERT INTO t1 VALUES (1)",
        'op.drop_table("t1")', "revision r4 would drop the table t1 of prod with its 1 row",
    ),
    "dropped-column:again.a": (
        "CREATE TABLE again (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO again VALUES (1, 'x')",
        'op.drop_column("again", "a")', "would drop the column again.a of prod with its 1 value",
    ),
    # See weakened-column:prompt.command.
    "dropped-column:prompt.title": ("", "pass", "would drop the column prompt.title"),
}  # fmt: skip

# What a revision does in so many words, of which nothing is to be told.
QUIET: list[tuple[str, str, str]] = [
    (
        "CREATE TABLE t3 (id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX ix3 ON t3 (a)",
        'op.drop_index("ix3")', "",
    ),
    (
        "CREATE TABLE t5 (id INTEGER PRIMARY KEY, a TEXT, b INTEGER,"
        " CONSTRAINT uq UNIQUE (a), CONSTRAINT ck CHECK (b > 0),"
        " CONSTRAINT fk FOREIGN KEY (b) REFERENCES parents (id))",
        'with op.batch_alter_table("t5") as batch_op:\n'
        '    batch_op.drop_constraint("uq", type_="unique")\n'
        '    batch_op.drop_constraint("ck", type_="check")\n'
        '    batch_op.drop_constraint("fk", type_="foreignkey")', "",
    ),
    (  # by naming convention
        "CREATE TABLE t6 (id INTEGER PRIMARY KEY, a INTEGER REFERENCES parents (id))",
        'names = {"fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s"}\n'
        'with op.batch_alter_table("t6", naming_convention=names) as batch_op:\n'
        '    batch_op.drop_constraint("fk_t6_a_parents", type_="foreignkey")', "",
    ),
    (
        "CREATE TABLE t7 (id INTEGER PRIMARY KEY, a TEXT UNIQUE)",
        batch("t7", 'batch_op.alter_column("a", new_column_name="b", existing_type=sa.Text())'),
        "",
    ),
    (
        "CREATE TABLE t8 (id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX ix8 ON t8 (a)",
        'op.rename_table("t8", "t8_new")', "",
    ),
]  # fmt: skip

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
        batch("heap"), "different rowids",
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
        "1 value of meant.a changes, as the revisions declare",
    ),
    "changed-values:many.a": (
        "CREATE TABLE many (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO many VALUES (1, 'x')",
        "for number in range(600):\n"
        "    op.execute(f\"INSERT INTO many VALUES ({number + 2}, 'y')\")\n"
        "op.execute(\"UPDATE many SET a = 'z' WHERE id = 1\")",
        "as the revisions declare",
    ),
    "changed-values:upserted.a": (
        "CREATE TABLE upserted (id INTEGER PRIMARY KEY, a); INSERT INTO upserted VALUES (1, 'x')",
        "op.execute(\"INSERT INTO upserted VALUES (1, 'y') ON CONFLICT DO UPDATE SET a = 'y'\")",
        "as the revisions declare",
    ),
    "changed-values:replaced.a": (
        "CREATE TABLE replaced (id INTEGER PRIMARY KEY, a); INSERT INTO replaced VALUES (1, 'x')",
        "op.execute(\"INSERT OR REPLACE INTO replaced VALUES (1, 'y')\")", "as the revisions"
        " declare",
    ),
    "changed-values:anew.a": (
        "CREATE TABLE anew (id INTEGER PRIMARY KEY, a); INSERT INTO anew VALUES (1, 'x')",
        "op.execute('DELETE FROM anew')\nop.execute(\"INSERT INTO anew VALUES (1, 'y')\")",
        "as the revisions declare",
    ),
    "changed-values:by_hand.a": (
        "CREATE TABLE by_hand (id INTEGER PRIMARY KEY, a); INSERT INTO by_hand VALUES (1, 'x')",
        "op.execute('CREATE TABLE new (id INTEGER PRIMARY KEY, a)')\n"
        "op.execute(\"INSERT INTO new SELECT id, upper(a) FROM by_hand\")\n"
        "op.execute('DROP TABLE by_hand')\nop.execute('ALTER TABLE new RENAME TO by_hand')",
        "as the revisions declare",
    ),
    "changed-values:triggered.a": (
        "CREATE TABLE triggered (id INTEGER PRIMARY KEY, a, b);"
        "CREATE TRIGGER stamp AFTER UPDATE OF b ON triggered BEGIN"
        " UPDATE triggered SET a = 'now' WHERE id = new.id; END;"
        "INSERT INTO triggered VALUES (1, 'x', 'x')",
        "op.execute(\"UPDATE triggered SET b = 'y'\")", "as the revisions declare",
    ),
    "changed-values:stamped.seen": (  # the trigger comes with the backfill that fires it
        "CREATE TABLE stamped (id INTEGER PRIMARY KEY, a, seen); INSERT INTO stamped VALUES"
        " (1, 'x', 'x')",
        "op.execute('CREATE TRIGGER stamped_tr AFTER UPDATE OF a ON stamped BEGIN"
        " UPDATE stamped SET seen = 1; END')\n"
        "op.execute(\"UPDATE stamped SET a = 'y'\")", "as the revisions declare",
    ),
    "changed-values:moved.a": (
        "CREATE TABLE moved (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO moved VALUES (1, 'x')",
        "op.rename_table('moved', 'moved_on')\n"
        + batch("moved_on", 'batch_op.alter_column("a", new_column_name="b")')
        + "\nop.execute(\"UPDATE moved_on SET b = 'y'\")",
        "as the revisions declare",
    ),
    # Another key, another name of a column, the same index in another way; row by row.
    "weakened-column:prompt.command": (
        "CREATE TABLE prompt (id INTEGER NOT NULL PRIMARY KEY, command VARCHAR(20) NOT NULL,"
        " title TEXT NOT NULL, content TEXT NOT NULL);"
        "CREATE UNIQUE INDEX prompt_command ON prompt (command);"
        "INSERT INTO prompt VALUES (1, '/a', 'A', 'x'), (2, '/b', 'B', 'y')",
        'bind = op.get_bind()\n'
        'old = bind.execute(sa.text("SELECT command, title, content FROM prompt")).fetchall()\n'
        'op.create_table("prompt_new", sa.Column("id", sa.Text, primary_key=True),\n'
        '    sa.Column("command", sa.String, unique=True, index=True),\n'
        '    sa.Column("name", sa.Text, nullable=False),\n'
        '    sa.Column("content", sa.Text, nullable=False))\n'
        'names = ("id", "command", "name", "content")\n'
        'prompts = sa.table("prompt_new", *map(sa.column, names))\n'
        'for row in old:\n'
        '    bind.execute(sa.insert(prompts).values(id="p" + row[0], command=row[0][1:],\n'
        '        name=row[1], content=row[2]))\n'
        'op.drop_table("prompt")\nop.rename_table("prompt_new", "prompt")',
        "may be NULL in the table that replaces the old one",
    ),
    'dropped-table:"odd t9"': (
        'CREATE TABLE "odd t9" (id INTEGER PRIMARY KEY)', "op.execute('DROP TABLE \"odd t9\"')", "",
    ),
    "dropped-column:t4.a": (  # with its index
        "CREATE TABLE t4 (id INTEGER PRIMARY KEY, a TEXT, b TEXT); CREATE INDEX ix4 ON t4 (a)",
        'with op.batch_alter_table("t4") as batch_op:\n'
        '    batch_op.drop_index("ix4")\n'
        '    batch_op.drop_column("a")', "",
    ),
    "deleted-rows:t10": (  # after more statements than a child tells of
        "CREATE TABLE t10 (id INTEGER PRIMARY KEY); INSERT INTO t10 VALUES (1)",
        "for number in range(600):\n"
        '    op.execute(f"INSERT INTO t10 VALUES ({number + 2})")\n'
        'op.execute("DELETE FROM t10")', "",
    ),
}  # fmt: skip
ALSO = {"changed-values:triggered.b", "changed-values:stamped.a", "changed-values:two.a",
        "changed-values:uuids.id", "changed-values:people.up", "changed-values:prompt.id",
        "changed-values:prompt.command"}  # fmt: skip


@pytest.fixture(scope="module")
def shop(_filled: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Both databases hold all of these tables, and one revision does it all."""
    folder = tmp_path_factory.mktemp("changes") / "shop"
    shutil.copytree(_filled.folder, folder)
    made = Sandbox(folder)
    cases = (*LOST.values(), *FINE.values(), *QUIET)
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
def test_what_a_revision_says_is_reported_and_stops_nothing(stopped: Ran, place: str) -> None:
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
