"""An env.py that keeps its version where the configuration does not look is told what to set."""

from __future__ import annotations

from tests.servers.shops import ServerShop
from tests.support import Sandbox


def keep_version_in(shop: Sandbox, options: str) -> None:
    env = shop.folder / "alembic/env.py"
    text = env.read_text(encoding="utf-8")
    usual = "target_metadata=target_metadata"
    told = text.replace(usual, f"{usual}, {options}")
    assert told != text
    env.write_text(told, encoding="utf-8")


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
