"""TLS is spoken where the server speaks it, and proved where the URL says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.connect import ask, close, connect
from migrations_ops.databases.mariadb.dump import dump, restore
from migrations_ops.databases.mariadb.errors import in_words
from migrations_ops.model.errors import StepFailed
from tests.servers.certificates import make_certificate
from tests.servers.fixtures import started
from tests.servers.mariadb import MariaServer
from tests.servers.process import own_folder


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = own_folder("tls")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[MariaServer]:
    certificate = make_certificate(folder, "server")
    settings = {"ssl_cert": str(certificate), "ssl_key": str(certificate.with_suffix(".key"))}
    made = started(lambda: MariaServer(**settings))
    made.create_database("db")
    made.execute("CREATE TABLE db.t (id INT PRIMARY KEY)")
    yield made
    made.close()


def cipher(address: Address) -> str:
    connection = connect(address)
    try:
        return str(ask(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1])
    finally:
        close(connection)


def test_a_server_that_speaks_tls_is_spoken_to_in_it(server: MariaServer) -> None:
    assert cipher(Address.of(server.url("db")))


def test_a_server_that_proves_who_it_is_is_believed(
    server: MariaServer, folder: Path, tmp_path: Path
) -> None:
    address = Address.of(f"{server.url('db')}?ssl_ca={folder / 'server.pem'}")
    assert cipher(address)
    dump(address, tmp_path / "b", None)
    server.create_database("copy")
    restore(tmp_path / "b", address.of_database("copy"), None)
    assert server.execute("SELECT COUNT(*) FROM copy.t") == [(0,)]


def test_a_server_that_is_another_one_is_not_told_the_password(
    server: MariaServer, folder: Path
) -> None:
    other = make_certificate(folder, "other")
    with pytest.raises(pymysql.MySQLError) as caught:
        connect(Address.of(f"{server.url('db')}?ssl_ca={other}"))
    assert "cannot be reached" in in_words(caught.value, "LABEL")
    assert "certificate" in in_words(caught.value, "LABEL").lower()


def test_a_name_that_is_not_the_certificates_is_refused_unless_the_url_allows_it(
    server: MariaServer, folder: Path, tmp_path: Path
) -> None:
    url = f"{server.url('db')}?ssl_ca={folder / 'server.pem'}".replace("127.0.0.1", "localhost")
    with pytest.raises(pymysql.MySQLError):
        connect(Address.of(url))
    allowed = Address.of(f"{url}&ssl_check_hostname=false")
    assert cipher(allowed)
    dump(allowed, tmp_path / "b", None)


def test_the_clients_ask_for_the_same_proof(
    server: MariaServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = Address.of(f"{server.url('db')}?ssl_ca={folder / 'server.pem'}")
    make_certificate(folder, "stranger")
    asked = connect(trusted)
    monkeypatch.setattr("migrations_ops.databases.mariadb.dump.connect", lambda *_: asked)
    doubted = Address.of(f"{server.url('db')}?ssl_ca={folder / 'stranger.pem'}")
    with pytest.raises(StepFailed) as caught:
        dump(doubted, tmp_path / "b", None)
    assert "certificate" in caught.value.what.lower()
