"""A restore on MariaDB that is killed in the middle is finished or undone by the next task."""

from __future__ import annotations

import signal

import pytest

from tests.scenarios.on_servers.support import record_of
from tests.servers.databases import ServerDatabase
from tests.servers.shops import ServerShop
from tests.support import wait_for

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow

OBJECTS = {
    "triggers": "trigger_schema", "views": "table_schema", "routines": "routine_schema",
    "events": "event_schema",
}  # fmt: skip
MADE = (
    "CREATE TRIGGER counts BEFORE INSERT ON parents FOR EACH ROW SET NEW.name = NEW.name",
    "CREATE VIEW one AS SELECT 1 AS a",
    "CREATE FUNCTION f() RETURNS INT RETURN 1",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
)


def objects(database: ServerDatabase) -> dict[str, int]:
    return {
        table: len(
            database.execute(
                f"SELECT 1 FROM information_schema.{table} WHERE {column} = DATABASE()"
            )
        )
        for table, column in OBJECTS.items()
    }


@pytest.mark.parametrize("task", [["release-migration"], ["backup"]])
def test_killed_restore_is_finished_by_the_next_task(
    mariadb_filled: ServerShop, task: list[str]
) -> None:
    shop = mariadb_filled
    prod = shop.prod_database
    assert shop.invoke("release-migration").code == 0
    for sql in MADE:
        prod.execute(sql)
    assert shop.invoke("backup").code == 0
    before = objects(prod)
    prod.execute("CREATE OR REPLACE VIEW one AS SELECT 2 AS a")
    prod.execute("DELETE FROM children")
    waits = "SELECT id FROM information_schema.processlist WHERE info LIKE 'CREATE OR REPLACE%'"
    waits += " AND state LIKE 'Waiting for table%'"
    with prod.server.session(prod.name) as session:
        with session.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute("SELECT * FROM one")
        process = shop.start("restore", "--env", "prod", "--backup", "latest", "--yes")
        wait_for(lambda: prod.execute(waits))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        [(number,)] = prod.execute(waits)
        prod.execute(f"KILL {number}")
    assert objects(prod)["triggers"] == 0
    status = shop.invoke("status-all")
    assert "restore" in status.err + status.out
    ran = shop.invoke(*task)
    assert ran.code == 0, ran.err
    # It is said once, by the task that did it, and nothing is left to be done.
    assert "a restore that was interrupted has been finished now" in ran.err
    assert "restore-taken-up" in record_of(shop)
    assert "interrupted" not in shop.invoke("status-all").err
    assert "interrupted" not in shop.invoke("backup").err
    assert objects(prod) == before
    assert prod.execute("SELECT a FROM one") == [(1,)]
    assert prod.execute("SELECT COUNT(*) FROM children") != [(0,)]
