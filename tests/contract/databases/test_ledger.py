"""The ledger of a database: any text, of any length, and nobody else's view is taken for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.child.recording.server_ledger import MARIADB, POSTGRESQL
from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.model.errors import StepFailed
from migrations_ops.model.ledger import LedgerEntry
from tests.contract.databases.engines import VERSION, Live
from tests.servers.databases import ServerDatabase

ODD = "it's \"odd\" \\ \\u0041 \\' %s {x} $$ ünï 日本語 🐘 \n\t; --"


def upgrade(revision: str, source_hash: str) -> dict[str, object]:
    return {
        "event": "upgrade",
        "revisions": [{"revision": revision, "source_hash": source_hash}],
    }


def test_the_ledger_keeps_any_text(live: Live) -> None:
    if live.engine == "postgresql":
        live.execute(f"ALTER DATABASE {live.on.name} SET standard_conforming_strings = off")
    database = live.fill().open()
    database.add_to_ledger(LedgerEntry(ODD, VERSION, upgrade(ODD, ODD)))
    ledger = database.ledger(VERSION)
    assert (ledger.environment, dict(ledger.ran)) == (ODD, {ODD: ODD})
    database.add_to_ledger(
        LedgerEntry("other", VERSION, {"event": "stamp", "revisions": [{"revision": "x"}]})
    )
    assert database.ledger(VERSION).identity == ledger.identity
    assert database.inspect(VERSION).environment == database.ledger(VERSION).environment == ODD
    database.add_to_ledger(LedgerEntry("other", VERSION, adopt=True))
    assert database.inspect(VERSION).environment == database.ledger(VERSION).environment == "other"


def test_a_ledger_of_thousands_of_revisions_is_read_and_continued(live: Live) -> None:
    database = live.fill().open()
    many = [{"revision": f"r{n}", "source_hash": f"{n:064x}"} for n in range(5000)]
    database.add_to_ledger(LedgerEntry("prod", VERSION, {"event": "upgrade", "revisions": many}))
    database.add_to_ledger(LedgerEntry("prod", VERSION, upgrade("z", "h")))
    assert len(database.ledger(VERSION).ran) == 5001
    file, taken = live.back_up()
    with live.locked() as locked, locked.opened_copy(file) as copy:
        assert copy.fingerprint(VERSION) == taken
        assert copy.ledger(VERSION) == database.ledger(VERSION)


TAKEN = {
    "table": f"CREATE TABLE {LEDGER} (ledger VARCHAR(20))",
    "view of another kind": f"CREATE VIEW {LEDGER} AS SELECT 1 AS one, 2 AS two",
    "view of text": f"CREATE VIEW {LEDGER} AS SELECT 'precious' AS ledger",
    "view of a list": f"CREATE VIEW {LEDGER} AS SELECT '[1]' AS ledger",
    "view of many rows": f"CREATE VIEW {LEDGER} AS SELECT '[]' AS ledger UNION ALL SELECT '[]'",
}
OF_SERVERS = {
    "sequence": f"CREATE SEQUENCE {LEDGER}",
    "materialised view": f"CREATE MATERIALIZED VIEW {LEDGER} AS SELECT '[]'::text AS ledger",
}


@pytest.mark.parametrize("what", [*TAKEN, *OF_SERVERS])
def test_what_has_the_ledger_s_name_and_is_none_stays(live: Live, what: str) -> None:
    if (what, live.engine) in {("sequence", "sqlite"), ("materialised view", "sqlite"),
                               ("materialised view", "mariadb")}:  # fmt: skip
        pytest.skip("this engine has none")
    live.execute((TAKEN | OF_SERVERS)[what])
    before = live.execute(f"SELECT * FROM {LEDGER}")
    database = live.open()
    assert database.ledger(VERSION).environment == ""
    assert database.inspect(VERSION).trouble == ""
    with pytest.raises(StepFailed, match=f"{LEDGER} exists and is not a ledger"):
        database.add_to_ledger(LedgerEntry("prod", VERSION, {"event": "upgrade"}))
    assert live.execute(f"SELECT * FROM {LEDGER}") == before


def test_the_child_and_the_parent_read_the_same_ledger(served: Live) -> None:
    from sqlalchemy import create_engine

    ledger = POSTGRESQL if served.engine == "postgresql" else MARIADB
    served.open().add_to_ledger(LedgerEntry(ODD, VERSION, upgrade(ODD, "h")))
    made = create_engine(served.url)
    with made.begin() as connection:
        runs = ledger.find(connection, None)
        assert runs is not None
        ledger.write(connection, None, [*runs, upgrade("x", "y") | {"version_table": VERSION}])
    made.dispose()
    assert served.open().ledger(VERSION).ran == {ODD: "h", "x": "y"}
    served.open().add_to_ledger(LedgerEntry(ODD, VERSION))
    assert served.open().ledger(VERSION).ran == {ODD: "h", "x": "y"}


# -- in a schema of PostgreSQL ---------------------------------------------------------------------


def test_a_ledger_is_in_the_schema_of_the_version_table(any_postgres: ServerDatabase) -> None:
    any_postgres.execute('CREATE SCHEMA "Odd \'schema"""')
    engine = PostgreSQL.from_url(any_postgres.url(), "Odd 'schema\"")
    engine.add_to_ledger(LedgerEntry(ODD, VERSION, upgrade(ODD, ODD)))
    assert engine.ledger(VERSION).ran == {ODD: ODD}
    assert PostgreSQL.from_url(any_postgres.url()).ledger(VERSION).environment == ""


def test_a_ledger_without_a_schema_for_it_is_reported(any_postgres: ServerDatabase) -> None:
    any_postgres.execute("DROP SCHEMA public")
    engine = PostgreSQL.from_url(any_postgres.url())
    assert engine.ledger(VERSION).environment == ""
    assert engine.inspect(VERSION).trouble == ""
    with pytest.raises(StepFailed, match="no schema"):
        replace(engine).add_to_ledger(LedgerEntry("prod", VERSION))
