"""An env.py whose version table the configuration does not name is refused with what to set."""

from __future__ import annotations

import pytest

from tests.servers.shops import ServerShop
from tests.support import Sandbox


def keep_version_in(shop: Sandbox, options: str) -> None:
    env = shop.folder / "alembic/env.py"
    text = env.read_text(encoding="utf-8")
    usual = "target_metadata=target_metadata"
    given = text.replace(usual, f"{usual}, {options}")
    assert given != text
    env.write_text(given, encoding="utf-8")


def test_version_table_that_is_not_configured_is_named(shop: Sandbox) -> None:
    keep_version_in(shop, 'version_table="versions"')
    refused = shop.invoke("upgrade-dev")
    assert refused.code == 1, refused.err
    assert 'set version_table = "versions" for environments.dev' in refused.err


def test_schema_of_the_version_that_is_not_configured_is_named(
    postgres_filled: ServerShop,
) -> None:
    shop, schema = postgres_filled, "meta"
    keep_version_in(shop, f'version_table_schema="{schema}"')
    for database in (shop.dev_database, shop.prod_database):
        database.execute(f"CREATE SCHEMA {schema}")
    refused = shop.invoke("release-migration")
    assert refused.code == 1, refused.err
    assert f"env.py keeps its version in {schema}.alembic_version: set version_tab" in refused.err
    assert f'version_table_schema = "{schema}"' in shop.invoke("doctor").out


def test_usual_schema_may_be_named(postgres_filled: ServerShop) -> None:
    keep_version_in(postgres_filled, 'version_table_schema="public"')
    ran = postgres_filled.invoke("release-migration")
    assert ran.code == 0, ran.err


TENANTS, IN_PROD = '("one", "two")', '("one", "two")[: 1 + (name == "prod")]'
LOOP = f"""
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    for schema in {TENANTS}:
        {{before}}
        connection.commit()
        context.configure(connection=connection, target_metadata=target_metadata{{options}})
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
"""
LOOPS = {
    "each by its search_path": LOOP.format(
        before='connection.exec_driver_sql(f"SET search_path TO {schema}")', options=""
    ),
    "each by the option of Alembic": LOOP.format(
        before='connection.exec_driver_sql(f"SET search_path TO {schema}")',
        options=", version_table_schema=schema",
    ),
}


def migrate_tenants(shop: ServerShop, loop: str) -> None:
    """env.py migrates the schemas `one` and `two`, one after the other."""
    env = shop.folder / "alembic/env.py"
    text = env.read_text(encoding="utf-8")
    env.write_text(text[: text.index("\nif context.is_offline_mode")] + loop, encoding="utf-8")


def stands(shop: ServerShop) -> list[object]:
    tables = (
        "SELECT table_schema, table_name, column_name FROM information_schema.columns"
        " WHERE table_schema IN ('one', 'two') AND table_name <> 'migrations_ops_ledger'"
        " ORDER BY 1, 2, 3"
    )
    return [each.execute(tables) for each in (shop.dev_database, shop.prod_database)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loop", "in_dev"),
    [("each by its search_path", True), ("each by the option of Alembic", False)],
)
def test_env_py_that_goes_on_to_other_tenants_is_refused_before_production(
    postgres_shop: ServerShop, loop: str, in_dev: bool
) -> None:
    shop = postgres_shop
    with (shop.folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('version_table_schema = "one"\n')
    given = (shop.folder / "pyproject.toml").read_text(encoding="utf-8")
    schema = 'version_table_schema = "one"\n'
    head = "[tool.migrations_ops.environments.prod]"
    shop.configure(given.replace(head, f"{schema}{head}"))
    for database in (shop.dev_database, shop.prod_database):
        database.execute("CREATE SCHEMA one; CREATE SCHEMA two")
    migrate_tenants(shop, LOOPS[loop].replace(TENANTS, TENANTS if in_dev else IN_PROD))
    before = stands(shop)
    refused = shop.invoke("release-migration")
    assert refused.code == 1, refused.err
    assert "env.py goes on to two.alembic_version after one.alembic_version" in refused.err
    now = stands(shop)
    assert now[1] == before[1]
    assert (now[0] == before[0]) == in_dev
    assert "env.py goes on to two.alembic_version" in shop.invoke("doctor").out


@pytest.mark.slow
def test_env_py_may_run_twice_in_one_place(postgres_filled: ServerShop) -> None:
    env = postgres_filled.folder / "alembic/env.py"
    text = env.read_text(encoding="utf-8")
    run = "            context.run_migrations()\n"
    assert run in text
    env.write_text(text.replace(run, run + run), encoding="utf-8")
    ran = postgres_filled.invoke("release-migration")
    assert ran.code == 0, ran.err
