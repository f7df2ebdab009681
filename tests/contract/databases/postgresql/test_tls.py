"""TLS is spoken where the server wants it, and proved where the URL says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import connect
from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.databases.postgresql.dump import dump, require_tools
from migrations_ops.databases.postgresql.errors import in_words, remedy
from migrations_ops.model.errors import Refused, StepFailed
from tests.contract.databases.conftest import search_clients_anew
from tests.servers.certificates import make_certificate
from tests.servers.databases import ServerDatabase, swept
from tests.servers.fixtures import started
from tests.servers.postgres import PASSWORD, PostgresServer, debian_bin
from tests.servers.process import own_folder, write_private
from tests.servers.shops import fresh_shop
from tests.support import R3

TABLE = "alembic_version"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = own_folder("tls")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[PostgresServer]:
    """One that lets nobody in without TLS. (The wheel's is built without it.)"""
    certificate = make_certificate(folder, "server")
    settings = {"ssl": "on", "ssl_cert_file": str(certificate)}
    settings["ssl_key_file"] = str(certificate.with_suffix(".key"))
    rules = write_private(folder / "pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n")
    settings["hba_file"] = str(rules)
    made = started(lambda: PostgresServer(debian_bin(15), **settings))
    search_clients_anew()
    yield made
    made.close()


@pytest.fixture
def database(server: PostgresServer) -> Iterator[ServerDatabase]:
    with swept(server):
        made = ServerDatabase(server, server.create_database())
        made.execute("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
        yield made


def proving(url: str, folder: Path, name: str = "server") -> str:
    return f"{url}?sslmode=verify-full&sslrootcert={folder / name}.pem"


def test_a_server_that_proves_who_it_is_is_believed(
    database: ServerDatabase, folder: Path, tmp_path: Path
) -> None:
    engine = PostgreSQL.from_url(proving(database.url(), folder))
    with connect(engine.address) as connection:
        asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert connection.execute(asked).fetchall() == [(True,)]
    file = tmp_path / "dump"
    taken = engine.back_up(file, TABLE, None)
    with engine.opened_copy(file) as copy:
        assert copy.fingerprint(TABLE) == taken
    database.execute("DELETE FROM t")
    with engine.locked("restore", 0):
        engine.restore_from(file, TABLE, None)
    assert database.execute("TABLE t") == [(1,)]


def test_a_server_that_is_another_one_is_not_told_the_password(
    database: ServerDatabase, folder: Path
) -> None:
    make_certificate(folder, "other")
    url = proving(database.url(), folder, "other").replace(PASSWORD, "wrong")
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(Address.of(url))
    # Had it been told the wrong one, it would have said so.
    assert "certificate verify failed" in in_words(caught.value, "LABEL")
    assert "sslrootcert" in remedy(caught.value)


def test_a_name_that_is_not_the_certificates_is_refused(
    database: ServerDatabase, folder: Path
) -> None:
    url = proving(database.url(), folder).replace("127.0.0.1", "localhost")
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(Address.of(url))
    assert "does not match host name" in in_words(caught.value, "LABEL")
    assert "certificate" in remedy(caught.value)


def test_the_clients_ask_for_the_same_proof(
    database: ServerDatabase, folder: Path, tmp_path: Path
) -> None:
    make_certificate(folder, "stranger")
    doubted = Address.of(proving(database.url(), folder, "stranger"))
    with pytest.raises(StepFailed, match="certificate verify failed"):
        dump(
            doubted, tmp_path / "b", tools=require_tools(15), snapshot="x", sizes={}, progress=None
        )


def test_a_url_that_forbids_what_the_server_wants_is_told_so(database: ServerDatabase) -> None:
    engine = PostgreSQL.from_url(f"{database.url()}?sslmode=disable")
    look = engine.look(TABLE)
    assert "no encryption" in look.trouble
    assert "wants TLS" in look.remedy
    with pytest.raises(Refused) as caught:
        engine.require_usable()
    assert "sslmode" in caught.value.next
    assert PASSWORD not in f"{caught.value} {look.trouble}"


@pytest.mark.slow
def test_a_whole_release_goes_over_tls(
    server: PostgresServer, folder: Path, tmp_path: Path
) -> None:
    with swept(server):
        shop = fresh_shop(tmp_path / "shop", server)
        each = {"dev": shop.dev_database, "prod": shop.prod_database}
        shop.point({name: proving(one.url(), folder) for name, one in each.items()})
        ran = shop.invoke("release-migration")
        assert ran.code == 0, ran.err
        assert shop.prod_database.execute(f"TABLE {TABLE}") == [(R3,)]
        again = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
        assert again.code == 0, again.err
