"""CREATE INDEX CONCURRENTLY that is interrupted leaves no INVALID index that nobody speaks of."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.scenarios.on_servers.support import (
    COLUMN,
    NEXT,
    content,
    in_production,
    kill_child,
    start_with,
    version,
)
from tests.servers.databases import ServerDatabase
from tests.servers.shops import ServerShop
from tests.support import R2, R3, wait_for

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow

INDEX = """\
    with op.get_context().autocommit_block():
        op.create_index("ix_more", "children", ["parent_id"], postgresql_concurrently=True)"""
LAST = "r5eeeeeeeeee"
# How long a session that is in the way of dropping an index is waited for.
SOON = {"databases.postgresql.indexes:DROP_SECONDS": 1.0}


def invalid(database: ServerDatabase) -> list[tuple[Any, ...]]:
    return database.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
        " AND indexrelid::regclass::text NOT LIKE 'pg_%'"
    )


@contextmanager
def writing(database: ServerDatabase) -> Iterator[psycopg.Connection[Any]]:
    """A transaction of the application that has written a row, and stays open."""
    with psycopg.connect(database.url().replace("+psycopg", "")) as session:
        session.execute("INSERT INTO children VALUES (1000, 1)")
        yield session


def is_building(database: ServerDatabase, how: str = "CREATE INDEX CONCURRENTLY") -> bool:
    sql = (
        f"SELECT count(*) FROM pg_stat_activity WHERE query ILIKE '{how}%'"
        f" AND datname = '{database.name}' AND wait_event_type = 'Lock'"
    )
    return database.execute(sql) != [(0,)] and bool(invalid(database))


def ready(shop: ServerShop) -> None:
    shop.add_revision(NEXT, R3, INDEX)


# A session that the server ends: test_indexes_of_others.py.
@pytest.mark.parametrize("victim", ["child", "term"])
def test_index_that_is_interrupted_is_named_where_it_cannot_be_dropped(
    postgres_at_head: ServerShop, victim: str
) -> None:
    shop = postgres_at_head
    ready(shop)
    prod = shop.prod_database
    with writing(prod) as application:
        running = start_with(shop, SOON, "release-migration")
        wait_for(lambda: is_building(prod))
        if victim == "child":
            kill_child(running.pid)
        else:
            running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=90)
        assert running.returncode == 4, err
        assert "DROP INDEX CONCURRENTLY ix_more;" in err
        assert "rows" not in err.rpartition("✗")[2]
        assert "invoke resolve --env prod --rolled-back" in err
        assert invalid(prod) == [("ix_more",)]
        again = shop.invoke("release-migration")
        assert again.code == 1, again.err
        application.commit()
    if victim != "child":
        return  # what it leaves is the same, whatever has interrupted it
    assert "ix_more" in shop.invoke("doctor").out
    done = shop.invoke("resolve", "--env", "prod", "--rolled-back")
    assert done.code == 0, done.err
    assert invalid(prod) == []
    released = shop.invoke("release-migration")
    assert released.code == 0, released.err
    assert version(prod) == NEXT


def test_index_of_a_killed_child_is_dropped_once_nobody_is_in_the_way(
    postgres_at_head: ServerShop,
) -> None:
    shop = postgres_at_head
    ready(shop)
    prod = shop.prod_database
    before = content(prod)
    with writing(prod) as application:
        running = shop.start("release-migration")
        wait_for(lambda: is_building(prod))
        kill_child(running.pid)
        # Else it may yet come to its end.
        wait_for(lambda: not is_building(prod))
        application.rollback()
    _, err = running.communicate(timeout=90)
    assert running.returncode == 3, err
    assert "prod is unchanged" in err
    assert invalid(prod) == []
    assert content(prod) == before
    assert shop.invoke("release-migration").code == 0


def test_index_of_a_killed_release_is_dropped_by_the_next_one(postgres_at_head: ServerShop) -> None:
    shop = postgres_at_head
    ready(shop)
    prod = shop.prod_database
    with writing(prod) as application:
        running = shop.start("release-migration")
        wait_for(lambda: is_building(prod))
        os.kill(running.pid, signal.SIGKILL)
        running.communicate(timeout=60)
        wait_for(lambda: not is_building(prod))
        application.rollback()
    released = shop.invoke("release-migration")
    assert released.code == 0, released.err
    assert invalid(prod) == []
    assert version(prod) == NEXT


def test_invalid_index_of_somebody_else_stops_the_release_before_it_begins(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    prod = shop.prod_database
    prod.execute("UPDATE children SET parent_id = 1 WHERE id = 2")
    with pytest.raises(psycopg.errors.UniqueViolation):
        prod.execute("CREATE UNIQUE INDEX CONCURRENTLY of_somebody ON children (parent_id)")
    refused = shop.invoke("release-migration")
    assert refused.code == 1, refused.err
    assert "DROP INDEX CONCURRENTLY of_somebody" in refused.err
    assert version(shop.dev_database) == R2
    allowed = shop.invoke("release-migration", "--allow", "invalid-index")
    assert allowed.code == 0, allowed.err
    assert invalid(prod) == [("of_somebody",)]


def test_lock_after_a_concurrent_index_is_tried_again(postgres_at_head: ServerShop) -> None:
    shop = postgres_at_head
    # The first one makes its index beside everybody else, the second one needs a lock.
    ready(shop)
    shop.add_revision(LAST, NEXT, COLUMN)
    with psycopg.connect(shop.prod_database.url().replace("+psycopg", "")) as application:
        application.execute("SELECT * FROM parents")
        running = shop.start("release-migration")
        wait_for(lambda: version(shop.prod_database) == NEXT)
        application.rollback()
    _, err = running.communicate(timeout=90)
    assert running.returncode == 0, err
    assert version(shop.prod_database) == LAST


def test_revision_with_a_concurrent_index_stays_whole_when_a_later_one_fails(
    postgres_at_head: ServerShop,
) -> None:
    shop = postgres_at_head
    ready(shop)
    fails = in_production(shop.prod_database, 'op.execute("SELECT 1 / 0")')
    file = shop.add_revision(LAST, NEXT, f"{COLUMN}\n{fails}")
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert f"is at {NEXT}" in ran.err
    assert version(shop.prod_database) == NEXT
    rows = shop.invoke("status-all", "--json").json["environments"]
    assert [each["state"] for each in rows] == ["at head", "behind"]
    file.write_text(file.read_text().replace("SELECT 1 / 0", "SELECT 1"))
    again = shop.invoke("release-migration", "--allow", "edited-revision")
    assert again.code == 0, again.err
    assert version(shop.prod_database) == LAST
