"""A URL that leads to a hot standby: what is printed leads to the primary server."""

from __future__ import annotations

import pytest

from tests.scenarios.on_servers.support import version
from tests.servers.fixtures import started
from tests.servers.postgres import PostgresServer
from tests.servers.shops import ServerShop
from tests.support import R2, R3

pytestmark = pytest.mark.slow  # a server of its own


def test_a_release_to_a_standby_is_refused_and_goes_to_the_primary_server(
    postgres: PostgresServer, postgres_filled: ServerShop
) -> None:
    shop = postgres_filled
    right = {"dev": shop.dev_database.url(), "prod": shop.prod_database.url()}
    standby = started(postgres.make_standby)
    try:
        shop.point(right | {"prod": standby.url(shop.prod_database.name)})
        status = shop.invoke("status-all", "--json")
        assert [row["state"] for row in status.json["environments"]] == ["behind", "behind"]
        for call in ("release-migration", "upgrade-prod", "backup"):
            ran = shop.invoke(call)
            assert ran.code == (3 if call == "backup" else 1), ran.err
            assert "may only be read" in ran.err
            assert "Give the environment the address of the primary server" in ran.err
            assert version(shop.dev_database) == R2
    finally:
        standby.close()
    shop.point(right)
    ran = shop.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert version(shop.prod_database) == R3
