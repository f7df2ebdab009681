"""Connections go where the URL says, and what goes wrong is said with what to type next."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pymysql
import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.connect import (
    ask,
    close,
    connect,
    local_socket,
)
from migrations_ops.databases.mariadb.errors import advice_on, in_words, may_come_up
from migrations_ops.databases.mariadb.lock import locked
from migrations_ops.databases.mariadb.server import (
    engine_of,
    version_of,
)
from tests.contract.databases.mariadb.support import address_of, make_role, session
from tests.servers.databases import ServerDatabase
from tests.servers.process import free_port


def failure(address: Address, timeout: float = 5) -> pymysql.MySQLError:
    with pytest.raises(pymysql.MySQLError) as caught:
        connect(address, timeout=timeout)
    return caught.value


def test_a_server_that_is_not_up_may_come_up_and_one_that_refuses_us_may_not(
    mariadb_database: ServerDatabase,
) -> None:
    nobody_listens = Address.of(f"mysql+pymysql://root:x@127.0.0.1:{free_port()}/db")
    error = failure(nobody_listens)
    assert may_come_up(error)
    assert "cannot be reached" in in_words(error, "LABEL")
    assert not may_come_up(failure(address_of(mariadb_database, password="wrong")))


@pytest.mark.parametrize("linger", [None, 0], ids=["ends", "resets"])
def test_a_server_that_hangs_up_at_once_may_be_about_to_start(linger: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            connection, _ = listening.accept()
            if linger is not None:
                packed = struct.pack("ii", 1, linger)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, packed)
            connection.close()

        server = threading.Thread(target=hang_up)
        server.start()
        port = listening.getsockname()[1]
        error = failure(Address.of(f"mysql+pymysql://root:x@127.0.0.1:{port}/db"))
        server.join()
    assert may_come_up(error), error


@pytest.mark.parametrize(
    ("granted", "statement"),
    [
        ("SELECT", "INSERT INTO t VALUES (1)"),
        ("SELECT", "CREATE TABLE u (id INT)"),
        ("SELECT", "ALTER TABLE t ADD COLUMN x INT"),
        ("SELECT", "CREATE VIEW v AS SELECT 1 AS a"),
        ("SELECT, CREATE VIEW", "SELECT f()"),
        ("SELECT", "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1"),
        ("SELECT", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1"),
    ],
)  # fmt: skip
def test_the_grant_that_is_reported_as_missing_is_the_one(
    mariadb_database: ServerDatabase, granted: str, statement: str
) -> None:
    mariadb_database.execute("CREATE TABLE t (id INT)")
    mariadb_database.execute("CREATE FUNCTION f() RETURNS INT RETURN 1")
    address = make_role(mariadb_database, granted)
    connection = connect(address)
    with pytest.raises(pymysql.MySQLError) as caught:
        ask(connection, statement)
    close(connection)
    assert "does not allow that" in in_words(caught.value, address.label)
    mariadb_database.execute(advice_on(caught.value).rstrip(";"))
    connection = connect(address)
    ask(connection, statement)
    close(connection)


def test_whoever_changes_a_table_cannot_make_us_wait_for_a_day(
    mariadb_database: ServerDatabase,
) -> None:
    mariadb_database.execute("CREATE TABLE t (id INT)")
    with session(mariadb_database) as blocker, session(mariadb_database) as reader:
        ask(blocker, "LOCK TABLES t WRITE")
        ask(reader, "SET SESSION lock_wait_timeout = LEAST(1, @@lock_wait_timeout)")
        assert ask(reader, "SELECT @@innodb_lock_wait_timeout < 60") == [(1,)]
        with pytest.raises(pymysql.MySQLError) as caught:
            ask(reader, "SELECT * FROM t")
        assert in_words(caught.value, "LABEL") == "LABEL is locked by another process"
        assert "Let the other process finish" in advice_on(caught.value)


def test_the_server_does_not_end_a_lock_s_session_that_says_nothing_for_hours(
    mariadb_database: ServerDatabase,
) -> None:
    with locked(address_of(mariadb_database), "upgrade", 0) as lock:
        [(seconds,)] = ask(lock.session, "SELECT @@wait_timeout")
        assert seconds > 7 * 24 * 3600


def test_our_sessions_ask_for_a_short_wait(mariadb_database: ServerDatabase) -> None:
    with session(mariadb_database) as connection:
        [(wait,)] = ask(connection, "SELECT @@lock_wait_timeout")
        assert wait <= 10


def test_a_server_that_may_only_be_read_is_reported_as_such(
    mariadb_database: ServerDatabase,
) -> None:
    address = make_role(mariadb_database, "ALL")
    mariadb_database.execute("SET GLOBAL read_only = 1")
    connection = connect(address)
    try:
        with pytest.raises(pymysql.MySQLError) as caught:
            ask(connection, "CREATE TABLE t (id INT)")
    finally:
        mariadb_database.execute("SET GLOBAL read_only = 0")
        close(connection)
    assert in_words(caught.value, "LABEL") == "LABEL may only be read"


@pytest.mark.parametrize(
    ("version", "comment", "engine"),
    [
        ("10.11.18-MariaDB-0+deb12u1", "Debian 12", "MariaDB 10.11.18"),
        ("5.5.5-10.6.4-MariaDB", "", "MariaDB 10.6.4"),
        ("11.4.2-MariaDB-log", "", "MariaDB 11.4.2"),
        ("8.0.36", "MySQL Community Server - GPL", "MySQL 8.0.36"),
        ("8.0.11-TiDB-v7.5.0", "TiDB Server", "TiDB"),
        ("8.0.30-Vitess", "", "Vitess"),
    ],
)
def test_an_engine_is_known_by_its_version(version: str, comment: str, engine: str) -> None:
    assert engine_of(version, comment) == engine


def test_versions_compare_as_numbers() -> None:
    assert version_of("10.11.18-MariaDB") > version_of("10.6.4-MariaDB")


def test_certificates_that_cannot_be_read_are_an_error_of_the_connection(
    mariadb_database: ServerDatabase,
) -> None:
    url = f"{mariadb_database.url()}?ssl_ca=/no/such/file"
    error = failure(Address.of(url))
    assert "TLS" in in_words(error, "LABEL")


def test_only_drivers_of_the_library_take_a_socket_for_localhost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = tmp_path / "mysqld.sock"
    there.touch()
    monkeypatch.setattr("migrations_ops.databases.mariadb.connect._SOCKETS", (str(there),))
    assert local_socket(Address.of("mysql+mysqldb://u:p@localhost/db")) == str(there)
    assert local_socket(Address.of("mysql+mysqldb://u:p@localhost:3307/db")) is None
    assert local_socket(Address.of("mysql+pymysql://u:p@localhost/db")) is None
    assert local_socket(Address.of("mysql+pymysql://u:p@h/db?unix_socket=/s")) == "/s"
