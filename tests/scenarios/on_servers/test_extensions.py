"""Rows of an extension's table that no dump holds stop a release, before anything is changed."""

from __future__ import annotations

import shlex

import pytest

from tests.servers.extensions import add_atlas, atlas
from tests.servers.postgres import PostgresServer
from tests.servers.shops import ServerShop

# A whole release; the contract of the engine has the parts of it.
pytestmark = pytest.mark.slow


def test_what_a_backup_cannot_hold_is_named_and_can_be_allowed(
    postgres: PostgresServer, postgres_filled: ServerShop
) -> None:
    shop = postgres_filled
    with atlas(postgres):
        for database in (shop.dev_database, shop.prod_database):
            add_atlas(database)
        shop.prod_database.execute("UPDATE maps.places SET name = 'other' WHERE id = 1")
        ran = shop.invoke("release-migration", "--json")
        assert ran.code == 1, ran.err
        error = ran.json["error"]
        assert 'rows of "maps.places", a table of the extension atlas' in error["what"]
        words = shlex.split(error["next"].rpartition(": ")[2])
        backup = shop.invoke("backup", "--env", "prod")
        assert backup.code == 0, backup.err
        assert 'rows of "maps.places"' in backup.err
        ran = shop.invoke("release-migration", *words, "--json")
        assert ran.code == 0, ran.err
