"""INVALID indexes: those that a revision has left are dropped, and no others."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest

from migrations_ops.databases.postgresql import indexes as invalid
from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.model.ledger import LedgerEntry
from tests.contract.databases.postgresql.engines import TABLE, filled
from tests.servers.databases import ServerDatabase

pytestmark = pytest.mark.usefixtures("postgres_clients")


def record_begun(database: ServerDatabase, engine: PostgreSQL, **built: str) -> None:
    """What the child notes before a part of a revision is committed.

    :param built: the table of each index that it builds then.
    """
    oids = database.execute("SELECT indexrelid::bigint FROM pg_index WHERE NOT indisvalid")
    tables = {
        table: database.execute(f"SELECT '{table}'::regclass::oid::bigint")[0][0]
        for table in built.values()
    }
    engine.add_to_ledger(
        LedgerEntry(
            "prod",
            "alembic_version",
            {
                "event": "begun",
                "revisions": [{"revision": "r2"}],
                "invalid": [oid for (oid,) in oids],
                "built": [{"index": name, "table": tables[table]} for name, table in built.items()],
            },
        )
    )


def test_invalid_index_that_is_in_somebodys_hands_is_named_and_dropped_later(
    any_postgres: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = filled(any_postgres)
    record_begun(any_postgres, engine, **{"Odd ix": "children"})
    any_postgres.execute("INSERT INTO children VALUES (99, 1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        any_postgres.execute('CREATE UNIQUE INDEX CONCURRENTLY "Odd ix" ON children (parent_id)')
    monkeypatch.setattr(invalid, "DROP_SECONDS", 0.5)
    with psycopg.connect(any_postgres.url().replace("+psycopg", "")) as blocker:
        blocker.execute("INSERT INTO children VALUES (100, 1)")
        assert engine.drop_invalid_indexes(TABLE) == ([], ['"Odd ix"'])
    assert engine.drop_invalid_indexes(TABLE) == (["Odd ix"], [])


def test_invalid_indexes_are_found_and_dropped_unless_they_were_there_before(
    any_postgres: ServerDatabase,
) -> None:
    engine = filled(any_postgres)
    any_postgres.execute('INSERT INTO children VALUES (99, 1); CREATE SCHEMA "Odd s"')
    any_postgres.execute('CREATE TABLE "Odd s".t AS SELECT 1 AS a UNION ALL SELECT 1')
    statements = [
        "CREATE UNIQUE INDEX CONCURRENTLY before_that ON children (parent_id)",
        "CREATE UNIQUE INDEX CONCURRENTLY after_that ON children (parent_id)",
        'CREATE UNIQUE INDEX CONCURRENTLY "Odd ix" ON "Odd s".t (a)',
    ]
    with suppress(psycopg.errors.UniqueViolation):
        any_postgres.execute(statements[0])
    before = engine.fingerprint(TABLE)
    record_begun(any_postgres, engine, **{"Odd ix": '"Odd s".t'}, after_that="children")
    for statement in statements[1:]:
        with pytest.raises(psycopg.errors.UniqueViolation):
            any_postgres.execute(statement)
    found = engine.check_integrity()
    assert {each.code for each in found} == {"invalid-index"}
    assert len(found) == 3
    # Also a process that comes later knows which of them are the revision's.
    later = PostgreSQL.from_url(any_postgres.url())
    assert later.drop_invalid_indexes(TABLE) == (["Odd s.Odd ix", "after_that"], [])
    [left] = engine.check_integrity()
    assert left.where == "before_that"
    assert engine.fingerprint(TABLE) == before


def test_index_that_somebody_else_has_left_or_builds_is_never_dropped(
    any_postgres: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = filled(any_postgres)
    record_begun(any_postgres, engine, own="children")
    any_postgres.execute("INSERT INTO children VALUES (99, 1)")
    for name, table in (("own", "children"), ("of_dba", "children")):
        with pytest.raises(psycopg.errors.UniqueViolation):
            any_postgres.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} (parent_id)")
    any_postgres.execute("CREATE INDEX of_another ON children (parent_id)")
    monkeypatch.setattr(invalid, "DROP_SECONDS", 0.5)
    with psycopg.connect(any_postgres.url().replace("+psycopg", "")) as builder:
        # What whoever builds an index beside others holds for as long as he does.
        builder.execute("LOCK TABLE children IN SHARE UPDATE EXCLUSIVE MODE")
        assert engine.drop_invalid_indexes(TABLE) == ([], ["own"])
        builder.rollback()
    assert engine.drop_invalid_indexes(TABLE) == (["own"], [])
    others = engine.indexes_of_others(TABLE)
    assert others["index of_dba"]
    assert not others["index of_another"]
    assert "index own" not in others
