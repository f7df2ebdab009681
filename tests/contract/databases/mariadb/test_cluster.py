"""What a node of a Galera cluster is asked and made to do, proved on a server without Galera."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from migrations_ops.databases.mariadb import copies, lock
from migrations_ops.databases.mariadb.cluster import (
    Claim,
    Replication,
    claim_name,
    drop_claim,
    read_claim,
    read_node,
    read_replication,
    take_claim,
)
from migrations_ops.databases.mariadb.connect import ask
from migrations_ops.model.errors import Locked, Refused, StepFailed
from migrations_ops.model.ledger import LedgerEntry
from tests.contract.databases.mariadb.support import engine, session
from tests.servers.databases import ServerDatabase

FIRST = Claim("one:3306", "release-migration of ann on a", "2026-01-01T00:00:00Z")
SECOND = Claim("two:3306", "release-migration of bob on b", "2026-01-02T00:00:00Z")
RSU = Replication(on_server=True, in_session=True, method="RSU", server_method="RSU")


def test_a_server_without_galera_is_no_node_whatever_its_method_is(
    mariadb_database: ServerDatabase,
) -> None:
    with session(mariadb_database) as connection:
        ask(connection, "SET SESSION wsrep_OSU_method = RSU")
        assert read_replication(connection) == Replication(method="RSU")
        assert read_node(connection) == ""


def test_of_two_nodes_one_has_the_claim_until_it_gives_it_back(
    mariadb_database: ServerDatabase,
) -> None:
    name = claim_name(mariadb_database.name)
    again = replace(FIRST, since="2026-01-03T00:00:00Z")
    with session(mariadb_database) as connection:
        assert take_claim(connection, name, FIRST) is None
        assert take_claim(connection, name, SECOND) == FIRST
        # The lock of that node tells that whoever made it is dead.
        assert take_claim(connection, name, again) is None
        drop_claim(connection, name, SECOND)
        assert read_claim(connection, name) == again
        drop_claim(connection, name, again)
        assert read_claim(connection, name) is None
        assert take_claim(connection, name, SECOND) is None
        drop_claim(connection, name, SECOND)


def test_a_second_node_is_refused_until_what_its_hint_says_is_done(
    mariadb_database: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "read_node", lambda connection: SECOND.node)
    with session(mariadb_database) as connection:
        take_claim(connection, claim_name(mariadb_database.name), FIRST)
        with pytest.raises(Locked) as caught, engine(mariadb_database).locked("backup", 0):
            pass
        assert FIRST.who in caught.value.what
        assert "one:3306" in caught.value.what
        assert "restore" not in caught.value.next
        hint = re.search(r"DROP DATABASE `\w+`;", caught.value.next)
        assert hint is not None
        ask(connection, hint[0])
        with engine(mariadb_database).locked("backup", 30):
            mine = read_claim(connection, claim_name(mariadb_database.name))
            assert mine is not None
            assert mine.node == SECOND.node
        assert read_claim(connection, claim_name(mariadb_database.name)) is None


def test_nothing_is_made_on_a_node_whose_ddl_stays_there(
    mariadb_database: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (copies, lock):
        monkeypatch.setattr(module, "read_replication", lambda connection: RSU)
    database = engine(mariadb_database)
    with pytest.raises(Refused) as caught, database.locked("backup", 0):
        pass
    assert caught.value.next == "SET GLOBAL wsrep_OSU_method = TOI; and try again."
    with pytest.raises(StepFailed, match="would expel"):
        database._own.copies.make()
    assert database._own.copies.find_all() == []
    assert "SET GLOBAL wsrep_OSU_method" in str(database.find_obstacles())


def test_what_has_begun_may_be_at_work_as_long_as_another_has_the_lock(
    mariadb_database: ServerDatabase,
) -> None:
    begun = {"event": "begun", "revisions": [{"revision": "r1"}]}
    first, second = engine(mariadb_database), engine(mariadb_database)
    first.add_to_ledger(LedgerEntry("prod", "alembic_version", begun))
    with first.locked("release-migration", 0):
        assert first.inspect("alembic_version").at_work == ""
        inspection = second.inspect("alembic_version")
        assert "server session" in inspection.at_work
        assert list(inspection.begun) == ["r1"]
    assert second.inspect("alembic_version").at_work == ""


def test_what_has_begun_may_be_at_work_through_another_node(
    mariadb_database: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "read_node", lambda connection: SECOND.node)
    database = engine(mariadb_database)
    begun = {"event": "begun", "revisions": [{"revision": "r1"}]}
    database.add_to_ledger(LedgerEntry("prod", "alembic_version", begun))
    with session(mariadb_database) as connection:
        name = claim_name(mariadb_database.name)
        for claim, seen in ((FIRST, True), (SECOND, False)):
            take_claim(connection, name, claim)
            assert (claim.who in database.inspect("alembic_version").at_work) is seen
            drop_claim(connection, name, claim)
