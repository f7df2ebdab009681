"""The proof of destination on every engine: a step opens the database that is meant, or none."""

from __future__ import annotations

import pytest

from migrations_ops.child.protocol.identity import MARIADB_IDENTITY, POSTGRESQL_IDENTITY
from tests.contract.child.engines import (
    HALF_DONE,
    POSTGRESQL,
    SERVERS,
    on,
    on_every_driver_slowly,
)
from tests.contract.child.project import R1, R2, R3, ChildProject, fill
from tests.servers.databases import ServerDatabase, swept
from tests.servers.fixtures import started
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer, debian_bin

THREE = ["one", "two", "three"]


@on_every_driver_slowly
def test_env_that_goes_to_another_environment_is_refused_under_any_driver(
    project: ChildProject,
) -> None:
    other = project.beside()
    project.add_revision(R2, R1, HALF_DONE)
    given = {"DATABASE_URL": other.url}
    before = project.everything()
    ran = project.run(variables=given, others={"prod": other.identity})
    assert ran.refused.startswith("env.py opened the database of prod")
    assert ran.refused.endswith(", but dev is the shop") or not project.engine.is_server
    unknown = project.run(variables=given).refused
    assert f"{other.database.name}, but dev is " in unknown
    assert "hidden-word" not in unknown
    assert project.everything() == other.everything() == before


@on_every_driver_slowly
def test_copy_of_another_environment_is_recognised_by_its_ledger_under_any_driver(
    project: ChildProject,
) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    assert project.run(environment="prod", ledger_entry={}).failure == ""
    before = project.everything()
    project.add_revision(R3, R2, "    op.execute('DELETE FROM shops')")
    refused = project.run(ledger_entry={}).refused
    name = "the shop" if project.engine.is_server else project.database.name
    assert refused == f"env.py opened {name}, whose ledger says that it is prod, but dev was meant"
    assert project.everything() == before


@on_every_driver_slowly
def test_rehearsal_is_led_to_the_scratch_database_under_any_driver(project: ChildProject) -> None:
    scratch = project.beside()
    project.add_revision(R2, R1, HALF_DONE)
    before = project.everything()
    ran = project.rehearse(scratch)
    assert (ran.refused, ran.failure) == ("", "")
    assert scratch.database.execute("SELECT id FROM half") == [(1,)]
    assert project.everything() == before


@on("postgresql", "mariadb")
def test_rehearsal_that_does_not_reach_its_copy_is_refused(
    project: ChildProject,
) -> None:
    """A redirection that leads back to the real database, for whatever reason."""
    before = project.everything()
    project.add_revision(R2, R1, HALF_DONE)
    scratch = project.beside()
    ran = project.run(scratch=scratch.identity, redirect={})
    assert ran.refused.startswith("env.py opened the real database, the shop")
    prod, others = {"DATABASE_URL": scratch.url}, {"prod": scratch.identity}
    ran = project.rehearse(project.beside(), variables=prod, others=others)
    assert ran.refused == "env.py opened the database of prod, but dev is the shop"
    assert project.everything() == scratch.everything() == before


@on("postgresql", "mariadb")
def test_database_of_another_kind_is_refused(project: ChildProject) -> None:
    given = {"DATABASE_URL": f"sqlite:///{project.folder}/astray.db"}
    refused = project.run(variables=given).refused
    assert "astray.db, but dev is the shop" in refused
    refused = project.run(real=str(project.folder / "astray.db")).refused
    dialect = project.engine.dialect
    assert refused.startswith(f"env.py opened the {dialect} database {dialect}://")
    assert "hidden-word" not in refused


@pytest.mark.parametrize("engine", SERVERS)
def test_identity_can_be_asked_by_a_role_that_may_nothing_else(
    engine: str, request: pytest.FixtureRequest
) -> None:
    postgresql = engine == "postgresql"
    server = request.getfixturevalue("postgres" if postgresql else "mariadb")
    sql = POSTGRESQL_IDENTITY if postgresql else MARIADB_IDENTITY
    with swept(server):
        databases = [ServerDatabase(server, server.create_database()) for _ in range(2)]
        server.create_role("nobody", "hidden-word")
        if not postgresql:
            server.execute(f"GRANT SELECT ON {databases[0].name}.* TO nobody@'%'")
        with server.session(databases[0].name, user="nobody", password="hidden-word") as session:
            cursor = session.cursor()
            cursor.execute(sql)
            found = cursor.fetchone()
        own, other = (each.execute(sql)[0] for each in databases)
        assert found == own != other


@on(*POSTGRESQL.drivers)
def test_pooler_before_the_server_is_refused_under_any_driver(
    project: ChildProject, pgbouncer: PgBouncer
) -> None:
    if project.driver == "pg8000":
        pytest.skip("pg8000 does not tell the number of its session")
    assert isinstance(project.database, ServerDatabase)
    given = project.url.replace(f":{project.database.server.port}/", f":{pgbouncer.port}/")
    project.add_revision(R2, R1, HALF_DONE)
    before = project.everything()
    refused = project.run(variables={"DATABASE_URL": given}).refused
    assert "the shop through a pooler such as PgBouncer" in refused
    assert project.everything() == before


@on("postgresql")
def test_rehearsal_reaches_a_scratch_database_of_another_server(project: ChildProject) -> None:
    other = started(lambda: PostgresServer(debian_bin(15)))
    try:
        scratch = project.over(ServerDatabase(other, other.create_database()))
        fill(scratch.database)
        other.create_role("elsewhere", "another-hidden-word", "SUPERUSER")
        redirect = {
            "host": other.host, "port": other.port, "user": "elsewhere",
            "password": "another-hidden-word", "database": scratch.database.name,
        }  # fmt: skip
        project.add_revision(R2, R1, HALF_DONE)
        before = project.everything()
        ran = project.run(scratch=scratch.identity, redirect=redirect, ledger_entry={})
        assert (ran.refused, ran.failure) == ("", "")
        assert scratch.database.execute("SELECT id FROM half") == [(1,)]
        assert project.everything() == before
    finally:
        other.close()
