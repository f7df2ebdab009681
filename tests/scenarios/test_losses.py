"""A release stops at what an upgrade makes disappear, unless a revision declares it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import chain
from textwrap import indent

import pytest

from tests.support import R2, R3, Ran, Sandbox, dump, query

# -- for real, through Alembic ----------------------------------------------------------------

# What Alembic's batch mode loses without a word, or with a Python warning only: tables as they
# are in production, and the finding that has to stop the release. All go in one release, since
# each release costs seconds.
SILENT = {
    "lost-trigger:tr": (
        "CREATE TABLE with_trigger (id INTEGER PRIMARY KEY, a TEXT)",
        "CREATE TRIGGER tr AFTER UPDATE ON with_trigger BEGIN SELECT 1; END",
    ),
    "weakened-foreign-key:with_action(parent_id) to parents": (
        "CREATE TABLE with_action (id INTEGER PRIMARY KEY, a TEXT,"
        " parent_id INTEGER REFERENCES parents (id) ON DELETE CASCADE)",
    ),
    "weakened-table:with_sequence": (
        "CREATE TABLE with_sequence (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT)",
    ),
    "weakened-column:with_collation.b": (
        "CREATE TABLE with_collation (id INTEGER PRIMARY KEY, a TEXT, b TEXT COLLATE NOCASE)",
    ),
    "lost-check:with_check: b > 0": (
        "CREATE TABLE with_check (id INTEGER PRIMARY KEY, a TEXT, b INTEGER CHECK (b > 0))",
    ),
    "lost-index:ix_lower": (
        "CREATE TABLE with_index (id INTEGER PRIMARY KEY, a TEXT)",
        "CREATE INDEX ix_lower ON with_index (lower(a))",
    ),
    "weakened-index:ix_desc": (
        "CREATE TABLE with_order (id INTEGER PRIMARY KEY, a TEXT, b TEXT)",
        "CREATE INDEX ix_desc ON with_order (b DESC)",
    ),
    "weakened-table:with_conflict": (
        "CREATE TABLE with_conflict (id INTEGER PRIMARY KEY, a TEXT,"
        " b TEXT UNIQUE ON CONFLICT REPLACE)",
    ),
}
TABLES = (
    "with_trigger", "with_action", "with_sequence", "with_collation", "with_check", "with_index",
    "with_order", "with_conflict",
)  # fmt: skip
TOUCH = f"""\
    for table in {TABLES}:
        with op.batch_alter_table(table) as batch_op:
            batch_op.alter_column("a", existing_type=sa.Text(), nullable=False)"""


def in_both(sandbox: Sandbox, statements: Iterable[str]) -> None:
    script = ";\n".join(statements)
    for file in (sandbox.dev, sandbox.prod):
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(script)


def errors_of(ran: Ran) -> set[str]:
    found = (each for each in ran.json["findings"] if each["severity"] == "error")
    return {f"{each['code']}:{each['where']}" for each in found}


@pytest.mark.slow
def test_what_a_batch_loses_in_silence_stops_the_release_until_it_is_allowed(
    filled: Sandbox,
) -> None:
    in_both(filled, chain(*SILENT.values()))
    filled.add_revision("r4", R3, TOUCH)
    before = dump(filled.prod)

    stopped = filled.invoke("release-migration", "--json")
    assert stopped.code == 1, stopped.err
    assert errors_of(stopped) == set(SILENT)
    assert "prod itself was not touched" in stopped.err
    assert dump(filled.prod) == before

    allowed = [argument for code in list(SILENT)[1:] for argument in ("--allow", code)]
    one_left = filled.invoke("release-migration", "--json", *allowed)
    assert one_left.code == 1, one_left.err
    assert errors_of(one_left) == {"lost-trigger:tr"}
    assert dump(filled.prod) == before

    released = filled.invoke("release-migration", "--json", *allowed, "--allow", "lost-trigger")
    assert released.code == 0, released.err
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [("r4",)]


# What a revision asks for: the tables before it, and its code.
MEANT = [
    (  # drop_table
        "CREATE TABLE t1 (id INTEGER PRIMARY KEY); INSERT INTO t1 VALUES (1)",
        'op.drop_table("t1")',
    ),
    (  # drop_column
        "CREATE TABLE t2 (id INTEGER PRIMARY KEY, a TEXT)",
        'op.drop_column("t2", "a")',
    ),
    (  # drop_index
        "CREATE TABLE t3 (id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX ix3 ON t3 (a)",
        'op.drop_index("ix3")',
    ),
    (  # batch: drop_column, with its index
        "CREATE TABLE t4 (id INTEGER PRIMARY KEY, a TEXT, b TEXT); CREATE INDEX ix4 ON t4 (a)",
        'with op.batch_alter_table("t4") as batch_op:\n'
        '    batch_op.drop_index("ix4")\n'
        '    batch_op.drop_column("a")',
    ),
    (  # batch: drop_constraint
        "CREATE TABLE t5 (id INTEGER PRIMARY KEY, a TEXT, b INTEGER,"
        " CONSTRAINT uq UNIQUE (a), CONSTRAINT ck CHECK (b > 0),"
        " CONSTRAINT fk FOREIGN KEY (b) REFERENCES parents (id))",
        'with op.batch_alter_table("t5") as batch_op:\n'
        '    batch_op.drop_constraint("uq", type_="unique")\n'
        '    batch_op.drop_constraint("ck", type_="check")\n'
        '    batch_op.drop_constraint("fk", type_="foreignkey")',
    ),
    (  # batch: drop_constraint of an unnamed one, by naming convention
        "CREATE TABLE t6 (id INTEGER PRIMARY KEY, a INTEGER REFERENCES parents (id))",
        'names = {"fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s"}\n'
        'with op.batch_alter_table("t6", naming_convention=names) as batch_op:\n'
        '    batch_op.drop_constraint("fk_t6_a_parents", type_="foreignkey")',
    ),
    (  # batch: rename of a column
        "CREATE TABLE t7 (id INTEGER PRIMARY KEY, a TEXT UNIQUE)",
        'with op.batch_alter_table("t7") as batch_op:\n'
        '    batch_op.alter_column("a", new_column_name="b", existing_type=sa.Text())',
    ),
    (  # rename_table
        "CREATE TABLE t8 (id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX ix8 ON t8 (a)",
        'op.rename_table("t8", "t8_new")',
    ),
    (  # execute
        'CREATE TABLE "odd t9" (id INTEGER PRIMARY KEY)',
        "op.execute('DROP TABLE \"odd t9\"')",
    ),
    (  # rows, after more statements than a child tells of
        "CREATE TABLE t10 (id INTEGER PRIMARY KEY); INSERT INTO t10 VALUES (1)",
        "for number in range(600):\n"
        '    op.execute(f"INSERT INTO t10 VALUES ({number + 2})")\n'
        'op.execute("DELETE FROM t10")',
    ),
]


def test_what_a_revision_says_does_not_stop_the_release(filled: Sandbox) -> None:
    in_both(filled, (tables for tables, _ in MEANT))
    filled.add_revision("r4", R3, indent("\n".join(code for _, code in MEANT), "    "))
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    assert errors_of(ran) == set()
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [("r4",)]


def test_rows_that_a_revision_lets_fall_through_a_join_stop_the_release(filled: Sandbox) -> None:
    query(filled.prod, "UPDATE children SET parent_id = 99 WHERE id = 5")
    filled.add_revision(
        "r4",
        R3,
        '    op.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, parent_id INTEGER)")\n'
        '    op.execute("INSERT INTO kept SELECT c.id, p.id FROM children c"\n'
        '               " JOIN parents p ON p.id = c.parent_id")\n'
        '    op.execute("DROP TABLE children")\n'
        '    op.execute("ALTER TABLE kept RENAME TO children")',
    )
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert "1 of 20 rows of children would vanish" in ran.json["error"]["what"]
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R2,)]


@pytest.mark.slow
def test_rows_whose_parents_go_are_released_by_the_words_that_are_printed(filled: Sandbox) -> None:
    filled.add_revision("r4dddddddddd", R3, "    op.execute('DELETE FROM parents WHERE id = 1')")
    stopped = filled.invoke("release-migration")
    assert stopped.code != 0
    assert "rows without their parents" in stopped.err
    allow = re.search(r"allow it: (--allow \S+)", stopped.err)
    assert allow is not None, stopped.err
    released = filled.invoke("release-migration", *allow[1].split(), "--json")
    assert released.code == 0, released.err
    assert query(filled.prod, "SELECT count(*) FROM parents WHERE id = 1") == [(0,)]
    found = [each for each in released.json["findings"] if each["code"] == "new-orphans"]
    assert [each["severity"] for each in found] == ["note"]
