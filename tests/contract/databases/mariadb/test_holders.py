"""Whoever is in the way of a revision is named, where the role may see it."""

from __future__ import annotations

import time

import pytest

from migrations_ops.databases.mariadb.connect import ask
from migrations_ops.databases.mariadb.database import MariaDB
from tests.contract.databases.mariadb.support import make_role, run, session
from tests.servers.databases import ServerDatabase


@pytest.fixture(autouse=True)
def tables(mariadb_database: ServerDatabase) -> None:
    run(mariadb_database, "CREATE TABLE parents (id INT)", "INSERT INTO parents VALUES (1)")


def test_who_is_in_a_transaction_is_named_the_oldest_first(
    mariadb_database: ServerDatabase,
) -> None:
    database = MariaDB.from_url(mariadb_database.url())
    with session(mariadb_database) as first, session(mariadb_database) as second:
        numbers = []
        for one in (first, second):
            ask(one, "BEGIN")
            ask(one, "SELECT * FROM parents")
            numbers.append(ask(one, "SELECT CONNECTION_ID()")[0][0])
        time.sleep(0.2)  # the server looks at its transactions ten times a second at most
        told = database.find_blocking_sessions()
        assert [each.split(" of ")[0] for each in told] == [f"session {n}" for n in numbers]
        assert all("in a transaction for " in each for each in told)


def test_a_role_that_may_not_see_it_names_nobody(mariadb_database: ServerDatabase) -> None:
    with session(mariadb_database) as first:
        ask(first, "BEGIN")
        ask(first, "SELECT * FROM parents")
        make_role(mariadb_database, "SELECT", password="word")
        url = mariadb_database.server.url(mariadb_database.name, user="plain", password="word")
        assert MariaDB.from_url(url).find_blocking_sessions() == []
