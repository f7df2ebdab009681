"""The ledger of a database of PostgreSQL: any text, of any length, and nobody else's view."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.model.errors import StepFailed
from tests.contract.databases.postgresql.engines import TABLE, back_up, engine_of, filled
from tests.servers.databases import ServerDatabase

pytestmark = pytest.mark.usefixtures("postgres_clients")

ODD = "it's \"odd\" \\ \\u0041 \\' %s {x} $$ ünï 日本語 🐘 \n\t; --"


@pytest.mark.parametrize("schema", [None, "Odd 'schema\""])
def test_the_ledger_keeps_any_text(schema: str | None, any_postgres: ServerDatabase) -> None:
    any_postgres.execute('CREATE SCHEMA "Odd \'schema"""')
    any_postgres.server.execute(
        f"ALTER DATABASE {any_postgres.name} SET standard_conforming_strings = off"
    )
    engine = engine_of(any_postgres, schema=schema)
    engine.note(ODD, {"event": "upgrade", "revisions": [{"revision": ODD, "source_hash": ODD}]})
    ledger = engine.ledger()
    assert ledger.environment == ODD
    assert ledger.ran == {ODD: ODD}
    identity = ledger.identity
    engine.note("other", {"event": "stamp", "revisions": [{"revision": "x"}]})
    assert engine.ledger().identity == identity
    engine.note("other", adopt=True)
    assert engine.ledger().identity != identity
    assert engine.look(TABLE).environment == engine.ledger().environment == "other"


def test_a_ledger_of_thousands_of_revisions_is_read_and_continued(
    any_postgres: ServerDatabase, tmp_path: Path
) -> None:
    engine = filled(any_postgres)
    many = [{"revision": f"r{n}", "source_hash": f"{n:064x}"} for n in range(5000)]
    engine.note("prod", {"event": "upgrade", "revisions": many})
    engine.note("prod", {"event": "upgrade", "revisions": [{"revision": "z", "source_hash": "h"}]})
    assert len(engine.ledger().ran) == 5001
    file, taken = back_up(engine, tmp_path)
    with engine.opened_copy(file) as copy:
        assert copy.fingerprint(TABLE) == taken
        assert copy.ledger() == engine.ledger()


TAKEN = {
    "table": f"CREATE TABLE {LEDGER} (ledger text)",
    "view of another kind": f"CREATE VIEW {LEDGER} AS SELECT 1 AS one, 2 AS two",
    "view of text": f"CREATE VIEW {LEDGER} AS SELECT 'precious'::text AS ledger",
    "view of a list": f"CREATE VIEW {LEDGER} AS SELECT '[1]'::text AS ledger",
    "view of many rows": f"CREATE VIEW {LEDGER} AS SELECT g::text AS ledger"
    " FROM generate_series(1, 3) g",
    "sequence": f"CREATE SEQUENCE {LEDGER}",
    "materialised view": f"CREATE MATERIALIZED VIEW {LEDGER} AS SELECT '[]'::text AS ledger",
}


@pytest.mark.parametrize("what", TAKEN)
def test_what_has_the_ledger_s_name_and_is_none_stays(
    what: str, any_postgres: ServerDatabase
) -> None:
    any_postgres.execute(TAKEN[what])
    before = any_postgres.execute(f"SELECT pg_get_viewdef('{LEDGER}'), * FROM {LEDGER}")
    engine = engine_of(any_postgres)
    assert engine.ledger().environment == ""
    assert engine.look(TABLE).trouble == ""
    with pytest.raises(StepFailed, match=f"{LEDGER} is there, and is no ledger"):
        engine.note("prod", {"event": "upgrade"})
    assert any_postgres.execute(f"SELECT pg_get_viewdef('{LEDGER}'), * FROM {LEDGER}") == before


def test_a_ledger_without_a_schema_for_it_is_said(any_postgres: ServerDatabase) -> None:
    any_postgres.execute("DROP SCHEMA public")
    engine = engine_of(any_postgres)
    assert engine.ledger().environment == ""
    assert engine.look(TABLE).trouble == ""
    with pytest.raises(StepFailed, match="no schema"):
        engine.note("prod")


def test_the_child_and_the_parent_read_the_same_ledger(any_postgres: ServerDatabase) -> None:
    from sqlalchemy import create_engine

    from migrations_ops.child.recording.server_ledger import POSTGRESQL

    engine = engine_of(any_postgres)
    engine.note(ODD, {"event": "upgrade", "revisions": [{"revision": ODD, "source_hash": "h"}]})
    made = create_engine(any_postgres.url())
    with made.begin() as connection:
        runs = POSTGRESQL.find(connection, None)
        assert runs is not None
        more = {"event": "upgrade", "revisions": [{"revision": "x", "source_hash": "y"}]}
        POSTGRESQL.write(connection, None, [*runs, more])
    made.dispose()
    assert engine.ledger().ran == {ODD: "h", "x": "y"}
    engine.note(ODD)
    assert engine.ledger().ran == {ODD: "h", "x": "y"}


# -- the rest -------------------------------------------------------------------------------------
