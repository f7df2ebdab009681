"""Two nodes of a real Galera cluster: of two releases one works, and a node is never expelled."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.model.errors import Locked, Refused
from migrations_ops.model.ledger import LedgerEntry
from tests.servers.galera import two_nodes
from tests.servers.mariadb import MariaServer
from tests.support import wait_for

pytestmark = pytest.mark.slow  # two servers of its own

BEGUN = {"event": "begun", "revisions": [{"revision": "r1"}]}


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[MariaServer, MariaServer]]:
    with two_nodes() as (first, second):
        first.create_database("shop")
        yield first, second


def through(server: MariaServer) -> MariaDB:
    return MariaDB.from_url(server.url("shop"))


def made(server: MariaServer) -> list[tuple[str, ...]]:
    return server.execute("SHOW DATABASES LIKE 'migrations%'")


def test_of_two_releases_through_two_nodes_one_works(
    nodes: tuple[MariaServer, MariaServer],
) -> None:
    both = Barrier(2, timeout=60)

    def release(server: MariaServer) -> str:
        both.wait()
        try:
            with through(server).locked("release-migration", 0):
                both.wait()
        except Locked as refused:
            both.wait()
            return refused.what
        return ""

    for _ in range(3):
        with ThreadPoolExecutor(2) as pool:
            worked, refused = sorted(pool.map(release, nodes))
        assert worked == ""
        assert "release-migration of" in refused
    # The other node drops it as soon as it gets there.
    wait_for(lambda: made(nodes[1]) == [])


def _hold(url: str) -> None:
    database = MariaDB.from_url(url)
    with database.locked("release-migration", 0):
        database.add_to_ledger(LedgerEntry("prod", "alembic_version", BEGUN))
        time.sleep(600)


def test_what_was_killed_through_one_node_is_taken_over_through_that_node_alone(
    nodes: tuple[MariaServer, MariaServer],
) -> None:
    first, second = nodes
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=[first.url("shop")])
    holder.start()
    wait_for(lambda: through(second).inspect("alembic_version").begun, pause=0.05)
    assert "through the node" in through(second).inspect("alembic_version").at_work
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with pytest.raises(Locked, match="or was killed there"), through(second).locked("backup", 0):
        pass
    with through(first).locked("backup", 30):
        pass
    with through(second).locked("backup", 30):
        pass
    assert through(second).inspect("alembic_version").at_work == ""


def test_the_claim_of_a_node_that_is_gone_for_good_is_dropped_by_what_is_printed(
    nodes: tuple[MariaServer, MariaServer],
) -> None:
    first, second = nodes
    with through(first).locked("release-migration", 0):
        wait_for(lambda: len(made(second)) == 1)
        with pytest.raises(Locked) as caught, through(second).locked("backup", 0):
            pass
        statement = "DROP" + caught.value.next.partition("then DROP")[2].partition(";")[0]
        second.execute(statement)
        assert made(second) == []
        # That node does not answer any more: nothing of it is in the way.
        with through(second).locked("backup", 30):
            pass


def test_a_node_that_keeps_its_ddl_to_itself_is_refused_until_the_hint_is_typed(
    nodes: tuple[MariaServer, MariaServer],
) -> None:
    first, second = nodes
    first.execute("SET GLOBAL wsrep_OSU_method = RSU")
    with pytest.raises(Refused) as caught, through(first).locked("backup", 0):
        pass
    assert [found.code for found in through(first).find_obstacles()] == [
        "engine-untested",
        "no-copies",
    ]
    assert made(first) == []
    first.execute(caught.value.next.partition(";")[0])
    with through(first).locked("backup", 30):
        wait_for(lambda: len(made(second)) == 1)
    assert second.execute("SHOW STATUS LIKE 'wsrep_cluster_size'") == [("wsrep_cluster_size", "2")]
