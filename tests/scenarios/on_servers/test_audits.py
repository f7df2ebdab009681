"""Databases that log what is done to them are released like any other."""

from __future__ import annotations

import pytest

from tests.scenarios.on_servers.support import copies
from tests.servers.shops import ServerShop

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow

MAKE = """
CREATE TABLE log (id serial PRIMARY KEY, what text);
INSERT INTO log (what) VALUES ('before');
CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.log (what) VALUES (tg_tag);
END $$;
CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE FUNCTION note();
"""


def test_a_log_that_an_event_trigger_writes_stops_no_release(postgres_filled: ServerShop) -> None:
    shop = postgres_filled
    for database in (shop.dev_database, shop.prod_database):
        database.execute(MAKE)
    ran = shop.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert "[lost-rows]" not in ran.err
    assert copies(shop) == set()
    assert ("before",) in shop.prod_database.execute("SELECT what FROM log")
    again = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert again.code == 0, again.err
