"""A failed autocommit_block() on PostgreSQL: what others build is theirs, what it wrote is told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.scenarios.on_servers.support import NEXT
from tests.scenarios.on_servers.test_concurrent_indexes import invalid, is_building, writing
from tests.servers.databases import ServerDatabase
from tests.servers.shops import ServerShop
from tests.support import R3, wait_for

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow

# Unique on the copy; in the real production each row has the same value.
FAILS_IN_PROD = """\
    import os
    here = op.get_bind().scalar(sa.text("SELECT current_database()"))
    copied = here.startswith("migrations_ops_copy") or os.environ["EXEC_ENV"] == "dev"
    what = "id" if copied else "(id * 0)"
    with op.get_context().autocommit_block():
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY uq_odd ON children ({what})")"""
ADD = """\
CREATE FUNCTION add_child() RETURNS int LANGUAGE sql AS
    'INSERT INTO children VALUES (900, 1) RETURNING id'"""
IN_BLOCK = FAILS_IN_PROD.replace(
    "block():\n", 'block():\n        op.execute("SELECT add_child()")\n'
)


def session(database: ServerDatabase, **more: Any) -> psycopg.Connection[Any]:
    return psycopg.connect(database.url().replace("+psycopg", ""), **more)


@pytest.mark.parametrize(
    "body",
    [f'    op.execute("SELECT add_child()")\n{FAILS_IN_PROD}', IN_BLOCK],
    ids=["before the block", "in the block"],
)
def test_rows_that_stay_committed_are_reported_however_they_were_written(
    postgres_at_head: ServerShop, body: str
) -> None:
    shop = postgres_at_head
    for database in (shop.dev_database, shop.prod_database):
        database.execute(ADD)
    shop.add_revision(NEXT, R3, body)
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert "rows may have changed" in ran.err
    assert shop.prod_database.execute("SELECT count(*) FROM children WHERE id = 900") == [(1,)]
    assert shop.invoke("release-migration").code == 1
    assert shop.prod_database.execute("SELECT count(*) FROM children WHERE id = 900") == [(1,)]


@contextmanager
def somebody_builds(database: ServerDatabase) -> Iterator[psycopg.Connection[Any]]:
    """A DBA's index is being built for as long as the report inside is open."""
    with session(database) as report, ThreadPoolExecutor(1) as pool:
        report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        report.execute("SELECT * FROM parents")
        sql = "CREATE INDEX CONCURRENTLY of_dba ON parents (name)"
        built = pool.submit(database.execute, sql)
        wait_for(lambda: ("of_dba",) in invalid(database))
        yield report
        report.rollback()
        built.result(60)


def valid(database: ServerDatabase, name: str) -> bool:
    sql = f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{name}')"
    return bool(database.execute(sql) == [(True,)])


def test_index_that_somebody_else_is_building_is_left_alone_and_named(
    postgres_at_head: ServerShop,
) -> None:
    shop, prod = postgres_at_head, postgres_at_head.prod_database
    shop.add_revision(NEXT, R3, FAILS_IN_PROD)
    with writing(prod) as application:
        running = shop.start("release-migration")
        wait_for(lambda: is_building(prod, "CREATE UNIQUE INDEX CONCURRENTLY"))
        with somebody_builds(prod):
            application.commit()
            _, err = running.communicate(timeout=90)
    assert running.returncode == 3, err
    assert "prod is unchanged; dropped uq_odd" in err
    assert "index of_dba was not created by the revision, and INVALID" in err
    assert valid(prod, "of_dba")
    assert valid(shop.dev_database, "uq_odd")
    assert invalid(prod) == []


def test_index_of_somebody_else_does_not_stop_a_repair_from_being_taken(
    postgres_at_head: ServerShop,
) -> None:
    shop, prod = postgres_at_head, postgres_at_head.prod_database
    writes = '    op.execute("INSERT INTO children VALUES (900, 1)")\n'
    shop.add_revision(NEXT, R3, f"{writes}{FAILS_IN_PROD}")
    assert shop.invoke("release-migration").code == 4
    prod.execute("DELETE FROM children WHERE id = 900")
    prod.execute("CREATE INDEX of_another ON parents (name)")
    with somebody_builds(prod):
        resolved = shop.invoke("resolve", "--env", "prod", "--rolled-back")
    assert resolved.code == 0, resolved.err
    assert valid(prod, "of_dba")
    assert valid(prod, "of_another")


def test_reindex_that_is_interrupted_leaves_prod_as_it_was(postgres_at_head: ServerShop) -> None:
    shop, prod = postgres_at_head, postgres_at_head.prod_database
    again = "op.execute('REINDEX (VERBOSE) TABLE CONCURRENTLY children')"
    shop.add_revision(NEXT, R3, f"    with op.get_context().autocommit_block():\n        {again}")
    with writing(prod) as application:
        running = shop.start("release-migration")
        wait_for(lambda: is_building(prod, "REINDEX"))
        prod.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'REINDEX%'"
            f" AND datname = '{prod.name}'"
        )
        wait_for(lambda: not is_building(prod, "REINDEX"))
        application.commit()
    _, err = running.communicate(timeout=90)
    assert running.returncode == 3, err
    assert "prod is unchanged" in err
    assert invalid(prod) == []


def test_half_detached_partition_is_reported_with_its_cure(postgres_at_head: ServerShop) -> None:
    shop, prod = postgres_at_head, postgres_at_head.prod_database
    for database in (shop.dev_database, prod):
        database.execute(
            "CREATE TABLE m (d int) PARTITION BY RANGE (d);"
            ' CREATE TABLE "M 2" PARTITION OF m FOR VALUES FROM (1) TO (9)'
        )
    detach = "op.execute('ALTER TABLE m DETACH PARTITION \"M 2\" CONCURRENTLY')"
    shop.add_revision(NEXT, R3, f"    with op.get_context().autocommit_block():\n        {detach}")
    with session(prod) as report:
        report.execute("SELECT * FROM m")
        running = shop.start("release-migration")
        half = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
        wait_for(lambda: prod.execute(half) == [(1,)])
        prod.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE"
            f" m DETACH%' AND datname = '{prod.name}'"
        )
        _, err = running.communicate(timeout=90)
    assert running.returncode == 4, err
    assert "PendingRollback" not in err
    assert 'ALTER TABLE m DETACH PARTITION "M 2" FINALIZE;' in err
    assert "half-detached" in shop.invoke("doctor").out
    copied = shop.invoke("backup", "--env", "prod")
    assert copied.code == 0, copied.err
    prod.execute('ALTER TABLE m DETACH PARTITION "M 2" FINALIZE')
    resolved = shop.invoke("resolve", "--env", "prod", "--applied")
    assert resolved.code == 0, resolved.err
