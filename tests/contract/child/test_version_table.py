"""An env.py whose version table the configuration does not name is refused with what to set."""

from __future__ import annotations

from typing import Any

from tests.contract.child.engines import HALF_DONE, cases
from tests.contract.child.env_ways import connects
from tests.contract.child.project import R1, R2, ChildProject
from tests.servers.shops import ServerShop

CONFIGURED: dict[str, Any] = {"version_table": "alembic_version"}
TABLE, META, PUBLIC = (
    connects(options=f", {option}")
    for option in (
        'version_table="versions"',
        'version_table_schema="meta"',
        'version_table_schema="public"',
    )
)
# What env.py configures, and what the refusal says; nothing where it is none.
PLACES = {
    "sqlite": {"another table": (TABLE, 'set version_table = "versions" for environments.dev')},
    "postgresql": {
        "another schema": (
            META,
            "env.py keeps its version in meta.alembic_version: set version_table_schema = "
            '"meta" for environments.dev',
        ),
        "the usual schema": (PUBLIC, ""),
    },
}


@cases("given", PLACES)
def test_version_table_that_is_not_configured_is_named(
    project: ChildProject, given: tuple[str, str]
) -> None:
    env, refusal = given
    project.write_env(env)
    project.add_revision(R2, R1, HALF_DONE)
    before = project.everything()
    ran = project.run(**CONFIGURED)
    assert refusal in ran.refused
    assert bool(refusal) == bool(ran.refused) == (project.everything() == before)


LOOP = """
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    for schema in {schemas}:
        connection.exec_driver_sql(f"SET search_path TO {{schema}}")
        connection.commit()
        migrate(connection{options})
        connection.commit()
"""
BY_OPTION = ", version_table_schema=schema"
# Each schema is one tenant's; in one place env.py may run twice.
LOOPS = {
    "tenants by their search_path": LOOP.format(schemas=("one", "two"), options=""),
    "tenants by the option of Alembic": LOOP.format(schemas=("one", "two"), options=BY_OPTION),
    "one place twice": LOOP.format(schemas=("one", "one"), options=""),
}


@cases("env", {"postgresql": LOOPS})
def test_env_that_goes_on_to_another_version_table_is_refused(
    project: ChildProject, env: str
) -> None:
    project.write_env(env)
    for schema in ("one", "two"):
        project.database.execute(
            f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.shops AS TABLE public.shops;"
            f"CREATE TABLE {schema}.alembic_version AS TABLE public.alembic_version"
        )
    project.add_revision(R2, R1, HALF_DONE)
    ran = project.run(**CONFIGURED, version_table_schema="one")
    refusal = (
        "env.py continues with two.alembic_version after one.alembic_version"
        if "two" in env
        else ""
    )
    assert (refusal in ran.refused, ran.failure) == (True, "")
    assert bool(refusal) == bool(ran.refused)
    assert project.database.execute("SELECT version_num FROM one.alembic_version") == [(R2,)]
    assert project.database.execute("SELECT version_num FROM two.alembic_version") == [(R1,)]


def test_schema_of_the_version_is_named_by_a_release_and_by_doctor(
    postgres_filled: ServerShop,
) -> None:
    env = postgres_filled.folder / "alembic/env.py"
    usual = "target_metadata=target_metadata"
    given = env.read_text(encoding="utf-8")
    env.write_text(given.replace(usual, f'{usual}, version_table_schema="meta"'), encoding="utf-8")
    for database in (postgres_filled.dev_database, postgres_filled.prod_database):
        database.execute("CREATE SCHEMA meta")
    refused = postgres_filled.invoke("release-migration")
    assert refused.code == 1, refused.err
    assert 'set version_table_schema = "meta"' in refused.err
    assert 'version_table_schema = "meta"' in postgres_filled.invoke("doctor").out
