"""pg_dump and pg_restore: the right ones, and what they say when they fail."""

from __future__ import annotations

import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql import dump as tools
from migrations_ops.databases.postgresql.connect import connect
from migrations_ops.model.errors import Refused, StepFailed
from tests.chaos.disks import can_mount, make_room, put_on_small_disk, take_from_small_disk
from tests.contract.databases.conftest import search_clients_anew
from tests.contract.databases.test_backups import LARGE, LINUX, tool_of
from tests.servers.databases import ServerDatabase
from tests.servers.fixtures import started
from tests.servers.postgres import PostgresServer, debian_bin, wheel_bin
from tests.support import wait_for

pytestmark = pytest.mark.usefixtures("postgres_clients")


def only_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No clients but those in one folder."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(tools, "_PLACES", ())
    search_clients_anew()


def linked(folder: Path, version: int) -> Path:
    """A folder with symbolic links to the clients of Debian's package of a version."""
    source = started(lambda: debian_bin(version))
    folder.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (folder / name).symlink_to(source / name)
    return folder


def dump(address: Address, into: Path) -> None:
    """What a transaction sees that is open meanwhile."""
    with connect(address) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        [(snapshot,)] = connection.execute("SELECT pg_export_snapshot()").fetchall()
        found = tools.require_tools(connection.info.server_version // 10000)
        tools.dump(address, into, tools=found, snapshot=str(snapshot), sizes={}, progress=None)


# -- which ones -----------------------------------------------------------------------------------


def test_clients_older_than_the_server_are_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_in(linked(tmp_path / "old", 15), monkeypatch)
    assert tools.require_tools(15).version == 15
    with pytest.raises(Refused) as raised:
        tools.require_tools(18)
    assert "The server is PostgreSQL 18, and pg_dump here is version 15" in raised.value.what
    assert raised.value.next.startswith("Install PostgreSQL's clients of version 18 or later")


def test_the_oldest_clients_that_are_new_enough_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = linked(tmp_path / "old", 15)
    monkeypatch.setenv("PATH", f"{wheel_bin()}{os.pathsep}{old}")
    search_clients_anew()
    assert tools.require_tools(15).version == 15
    assert tools.require_tools(16).version >= 16
    assert tools.require_tools(18).version == 18


def test_the_folder_we_are_in_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "pg_dump"
    trap.write_text("#!/bin/sh\necho pg_dump 99\ntouch started\n")
    trap.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", f".{os.pathsep}"):
        monkeypatch.setenv("PATH", path)
        monkeypatch.setattr(tools, "_PLACES", ())
        search_clients_anew()
        assert tools.find_tools(15) is None
    assert not (tmp_path / "started").exists()


def test_a_wrapper_that_chooses_a_version_itself_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = tmp_path / "pg_wrapper"
    wrapper.write_text("#!/bin/sh\necho pg_dump 99\n")
    wrapper.chmod(0o755)
    (tmp_path / "pg_dump").symlink_to(wrapper)
    only_in(tmp_path, monkeypatch)
    assert tools.find_tools(15) is None


def test_zstd_is_used_where_the_build_has_it(tmp_path: Path) -> None:
    """The wheel's has it not; one that says nothing against it is believed."""
    assert tools._compression(tools.Tools(wheel_bin(), 18)) == "--compress=1"
    other = tmp_path / "pg_dump"
    other.write_text("#!/bin/sh\necho 'could not connect' >&2\nexit 1\n")
    other.chmod(0o755)
    assert tools._compression(tools.Tools(tmp_path, 17)) == "--compress=zstd:1"
    assert tools._compression(tools.Tools(tmp_path, 15)) == "--compress=1"


@pytest.mark.parametrize("name", ["own", "newer"])
def test_a_backup_is_restored_by_clients_of_the_server_s_version_and_of_newer_ones(
    name: str,
    any_postgres: ServerDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name == "newer":
        only_in(wheel_bin(), monkeypatch)
    any_postgres.execute("CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 9) g")
    any_postgres.execute("CREATE INDEX ON t (a); CREATE TABLE u AS SELECT 'x' AS b")
    address = Address.of(any_postgres.url())
    dump(address, tmp_path / "dump")
    any_postgres.server.create_database("test_again")
    [(server,)] = any_postgres.execute("SELECT current_setting('server_version_num')::int / 10000")
    tools.restore(address.of_database("test_again"), tmp_path / "dump", server=int(server))
    again = ServerDatabase(any_postgres.server, "test_again")
    assert again.execute("SELECT sum(a), (SELECT b FROM u) FROM t") == [(45, "x")]
    with pytest.raises(StepFailed) as raised:
        tools.restore(address, tmp_path / "dump", server=int(server))
    assert 'relation "t" already exists' in raised.value.what
    assert raised.value.what.startswith("pg_restore failed: ")


def test_a_backup_by_newer_clients_is_restored_by_those(
    any_postgres: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_postgres.execute("CREATE TABLE t AS SELECT 7 AS a")
    address = Address.of(any_postgres.url())
    with monkeypatch.context() as newer:
        only_in(wheel_bin(), newer)
        dump(address, tmp_path / "dump")
    search_clients_anew()
    any_postgres.server.create_database("test_again")
    # Debian's clients would do for its server, and cannot read the file.
    tools.restore(address.of_database("test_again"), tmp_path / "dump", server=15)
    assert ServerDatabase(any_postgres.server, "test_again").execute("TABLE t") == [(7,)]
    only_in(linked(tmp_path / "old", 15), monkeypatch)
    with pytest.raises(StepFailed, match="written by clients of PostgreSQL 17 or later"):
        tools.restore(address, tmp_path / "dump", server=15)


# -- secrets --------------------------------------------------------------------------------------


def test_a_password_of_two_lines_is_refused_in_words() -> None:
    address = Address("postgresql", host="127.0.0.1", user="u", password="a\nb", database="d")
    with pytest.raises(StepFailed, match="contains a line break") as raised:
        tools._run(["pg_dump"], address, "pg_dump", lambda line: None)
    assert "a\nb" not in str(raised.value)


@given(st.text(min_size=1))
def test_a_connection_is_described_as_libpq_reads_it(name: str) -> None:
    from psycopg.conninfo import conninfo_to_dict

    name = name.replace("\0", "").encode(errors="ignore").decode() or "x"
    address = Address("postgresql", host="h", port=7, user=name, password="hidden", database=name)
    parts = conninfo_to_dict(tools._conninfo(address))
    assert [parts[each] for each in ("user", "dbname", "host", "port")] == [name, name, "h", "7"]
    assert "password" not in parts


# How a dump is ended that takes its time, and what is said then.
ENDED = {
    "pg_dump failed: it was ended by signal 9": "kill -9",
    "administrator": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'pg_dump'",
}


@LINUX
@pytest.mark.parametrize("words", ENDED)
def test_a_dump_that_is_ended_is_reported(
    words: str, postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    postgres_database.execute(";".join(LARGE["postgresql"]))
    into = tmp_path / "dump"
    with ThreadPoolExecutor() as pool:
        running = pool.submit(dump, Address.of(postgres_database.url()), into)
        wait_for(lambda: into.exists() and into.stat().st_size)
        if ENDED[words].startswith("kill"):
            os.kill(tool_of(os.getpid(), "pg_dump"), signal.SIGKILL)
        else:
            postgres.execute(ENDED[words])
        with pytest.raises(StepFailed, match=words) as raised:
            running.result(60)
    assert "hidden" not in str(raised.value)


def test_a_table_that_somebody_has_locked_is_reported(
    postgres: PostgresServer,
    postgres_database: ServerDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tools, "_LOCK_WAIT", 100)
    postgres_database.execute("CREATE TABLE t (a integer)")
    with (
        postgres.session(postgres_database.name, autocommit=False) as reader,
        postgres.session(
            postgres_database.name, autocommit=False, application_name="blocker"
        ) as blocker,
    ):
        reader.execute("SELECT FROM pg_class")
        blocker.execute("LOCK TABLE t")
        with pytest.raises(StepFailed) as raised:
            dump(Address.of(postgres_database.url()), tmp_path / "dump")
    assert re.fullmatch(
        r"pg_dump failed: another session has locked a table: session \d+ of postgres"
        r" \(blocker, in a transaction for \d+ s, on t\)\.",
        raised.value.what,
    )
    assert "Let the other process finish" in raised.value.next


@pytest.mark.skipif(not can_mount(), reason="no disk can be mounted here")
def test_a_full_disk_is_reported(postgres_database: ServerDatabase, tmp_path: Path) -> None:
    postgres_database.execute(";".join(LARGE["postgresql"]))
    folder = tmp_path / "backups"
    folder.mkdir()
    put_on_small_disk(folder, 100_000)
    try:
        with pytest.raises(StepFailed, match="No space left on device") as raised:
            dump(Address.of(postgres_database.url()), folder / "dump")
        assert str(raised.value).startswith("pg_dump failed: could not write")
        make_room(folder)
    finally:
        take_from_small_disk(folder)


def test_what_a_database_sets_for_applications_keeps_no_copy_from_being_filled(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    postgres_database.execute("CREATE TABLE t AS SELECT 1 AS a")
    address = Address.of(postgres_database.url())
    again = postgres.create_database()
    for name in (postgres_database.name, again):
        for setting in ("default_transaction_read_only = on", "search_path = nowhere",
                        "statement_timeout = 1", "standard_conforming_strings = off"):  # fmt: skip
            postgres.execute(f"ALTER DATABASE {name} SET {setting}")
    dump(address, tmp_path / "dump")
    tools.restore(address.of_database(again), tmp_path / "dump", server=18)
    postgres.execute(f"ALTER DATABASE {again} RESET ALL")
    assert postgres.execute("TABLE t", database=again) == [(1,)]


def test_a_tool_that_is_gone_is_reported(tmp_path: Path) -> None:
    address = Address("postgresql", host="h", user="u", password="hidden", database="d")
    with pytest.raises(StepFailed, match="pg_dump failed: it cannot be started: No such file"):
        tools._run([str(tmp_path / "pg_dump")], address, "pg_dump", lambda line: None)


def test_threads_may_dump_at_once(postgres_database: ServerDatabase, tmp_path: Path) -> None:
    postgres_database.execute("CREATE TABLE t AS SELECT 1 AS a")
    address, together = Address.of(postgres_database.url()), threading.Barrier(3)

    def one(number: int) -> bytes:
        together.wait(30)
        dump(address, tmp_path / str(number))
        return (tmp_path / str(number)).read_bytes()[:5]

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(one, range(3))) == {b"PGDMP"}
