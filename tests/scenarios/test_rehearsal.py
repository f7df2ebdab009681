"""The rehearsal meets what only production's rows hold, and production never feels it."""

from __future__ import annotations

import re

import pytest

from tests.support import R2, R3, Sandbox, dump, query

UNIQUE = """    with op.batch_alter_table("parents") as batch_op:
        batch_op.create_unique_constraint("uq_parents_name", ["name"])"""


def test_rows_of_production_that_break_a_revision_stop_the_release(filled: Sandbox) -> None:
    query(filled.prod, "UPDATE parents SET name = 'same' WHERE id < 3")
    filled.add_revision("r4dddddddddd", R3, UNIQUE)
    before = dump(filled.prod)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 1
    assert ran.json["outcome"] == "refused"
    assert "r4dddddddddd" in ran.json["error"]["what"]
    assert "prod itself was not touched" in ran.json["error"]["untouched"]
    assert dump(filled.prod) == before
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [("r4dddddddddd",)]


def test_rows_that_vanish_unsaid_stop_the_release(filled: Sandbox) -> None:
    # On dev the statement finds nothing to lose. It is sent past SQLAlchemy, so that nobody hears.
    query(filled.dev, "DELETE FROM children")
    body = "    driver = op.get_bind().connection.driver_connection\n"
    body += '    driver.execute("DELETE FROM children")'
    filled.add_revision("r4dddddddddd", R3, body)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert [found["code"] for found in ran.json["findings"]] == ["lost-rows"]
    assert query(filled.prod, "SELECT count(*) FROM children") == [(20,)]
    allowed = filled.invoke("release-migration", "--allow", "lost-rows:children")
    assert allowed.code == 0, allowed.err


@pytest.mark.slow
def test_a_downgrade_that_fails_is_reported_and_does_not_stop_the_release(filled: Sandbox) -> None:
    file = filled.add_revision("r4dddddddddd", R3, '    op.execute("SELECT 1")')
    text = file.read_text().replace(
        "def downgrade() -> None:\n    pass",
        'def downgrade() -> None:\n    op.execute("DROP TABLE nothing_of_that_name")',
    )
    file.write_text(text)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    assert "downgrade-fails" in [found["code"] for found in ran.json["findings"]]


@pytest.mark.slow
def test_a_database_in_wal_mode_is_released_and_stays_in_it(filled: Sandbox) -> None:
    for file in (filled.dev, filled.prod):
        query(file, "PRAGMA journal_mode=WAL")
    assert filled.invoke("release-migration").code == 0
    assert query(filled.prod, "PRAGMA journal_mode") == [("wal",)]
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.slow
def test_rows_that_a_revision_lets_fall_through_a_join_stop_the_release(filled: Sandbox) -> None:
    query(filled.prod, "UPDATE children SET parent_id = 99 WHERE id = 5")
    filled.add_revision(
        "r4",
        R3,
        '    op.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL"\n'
        '               " REFERENCES parents (id) ON DELETE CASCADE)")\n'
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


def test_production_that_is_the_only_environment_is_rehearsed(filled: Sandbox) -> None:
    filled.configure(
        '[tool.migrations_ops.environments.prod]\nurl = "sqlite:///data/repom/db.sqlite3"\n'
    )
    before = dump(filled.prod)
    filled.add_revision("r4dddddddddd", R3, "    raise RuntimeError('not today')")
    stopped = filled.invoke("release-migration", "--json")
    names = [step["name"] for step in stopped.json["steps"]]
    assert (stopped.code, names[:3]) == (1, ["preflight", "back up", "rehearse"])
    assert dump(filled.prod) == before
