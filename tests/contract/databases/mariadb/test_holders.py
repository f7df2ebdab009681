"""Who is in the way of a lock is named, with what ends them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb import dump as mariadb_dump
from migrations_ops.databases.mariadb import waiting
from migrations_ops.databases.mariadb.connect import ask
from migrations_ops.databases.mariadb.dump import dump
from migrations_ops.model.errors import StepFailed
from tests.contract.databases.mariadb.support import engine, run, session
from tests.servers.databases import ServerDatabase


@pytest.fixture
def table(mariadb_database: ServerDatabase) -> ServerDatabase:
    run(mariadb_database, "CREATE TABLE t (a INT PRIMARY KEY)")
    return mariadb_database


@pytest.mark.parametrize("xid", ["'gone'", "'it''s','b',7"])
def test_a_forgotten_prepared_transaction_is_named_with_what_ends_it(
    table: ServerDatabase, xid: str
) -> None:
    with session(table) as forgetful:
        for sql in (f"XA START {xid}", "INSERT INTO t VALUES (1)", f"XA END {xid}",
                    f"XA PREPARE {xid}"):  # fmt: skip
            ask(forgetful, sql)
    [named] = engine(table).find_blocking_sessions()
    assert "does not end by itself" in named
    [found] = engine(table).find_obstacles()
    assert (found.code, found.severity) == ("prepared-transaction", "warning")
    hint = re.search(r"XA ROLLBACK .*?;", named)
    assert hint is not None
    assert hint[0].removesuffix(";") in found.message
    run(table, hint[0])
    run(table, "ALTER TABLE t ADD b INT")
    assert engine(table).find_blocking_sessions() == []


def test_a_backup_that_finds_a_table_locked_names_who_may_have_done_it(
    table: ServerDatabase,
) -> None:
    with session(table) as holder:
        ask(holder, "LOCK TABLES t WRITE")
        number = ask(holder, "SELECT CONNECTION_ID()")[0][0]
        with pytest.raises(StepFailed) as caught:
            engine(table).fingerprint("")
        assert "is locked by another process" in caught.value.what
        assert f"KILL {number};" in caught.value.what
        run(table, f"KILL {number}")
    assert engine(table).fingerprint("").rows == {"t": 0}


def test_nobody_is_named_where_nothing_is_locked(table: ServerDatabase) -> None:
    with session(table):
        assert engine(table).find_blocking_sessions() == []


def test_a_dump_that_waits_for_a_lock_ends_and_names_who_may_have_it(
    table: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client has no timeout of its own, and would wait for a day."""
    for module in (waiting, mariadb_dump):
        monkeypatch.setattr(module, "LOCK_WAIT", 1)
    with session(table) as holder:
        ask(holder, "LOCK TABLES t WRITE")
        number = ask(holder, "SELECT CONNECTION_ID()")[0][0]
        with pytest.raises(StepFailed) as caught:
            dump(Address.of(table.url()), tmp_path / "dump", None)
        assert "another session has locked a table" in caught.value.what
        assert f"KILL {number};" in caught.value.what
        assert not (tmp_path / "dump").exists()
        run(table, f"KILL {number}")
    dump(Address.of(table.url()), tmp_path / "dump", None)
