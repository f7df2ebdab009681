"""Applications go on while a release is at work, and none of its promises is the less for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.scenarios.on_servers.support import NEXT, attempts
from tests.servers.databases import ServerDatabase
from tests.servers.shops import ServerShop
from tests.support import R3, wait_for

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow


@contextmanager
def counting(database: ServerDatabase) -> Iterator[None]:
    """An application takes numbers of a sequence without pause."""
    done = threading.Event()

    def application() -> None:
        with database.server.session(database.name) as session:
            while not done.is_set():
                session.cursor().execute("SELECT nextval('parents_id_seq')")

    thread = threading.Thread(target=application)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_backup_is_proved_while_a_sequence_is_counted_up(postgres_filled: ServerShop) -> None:
    with counting(postgres_filled.prod_database):
        ran = postgres_filled.invoke("backup", "--env", "prod")
    assert ran.code == 0, ran.err


def test_table_in_use_in_the_middle_of_a_revision_is_waited_for_on_mariadb(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    shop.add_revision(
        NEXT, R3,
        '    op.add_column("parents", sa.Column("more", sa.Integer))\n'
        '    op.add_column("children", sa.Column("more", sa.Integer))',
    )  # fmt: skip
    with shop.dev_database.server.session(shop.dev_database.name) as session:
        session.begin()
        session.cursor().execute("SELECT * FROM children")
        running = shop.start("upgrade-dev")
        # The first half is committed, and nothing takes it back but the backup.
        wait_for(lambda: shop.dev_database.execute("SHOW COLUMNS FROM parents LIKE 'more'"))
        known = attempts(shop.dev_database)
        wait_for(lambda: attempts(shop.dev_database) > known + 1 or running.poll() is not None)
        session.rollback()
    _, err = running.communicate(timeout=90)
    assert running.returncode == 0, err
    assert shop.dev_database.execute("SELECT version_num FROM alembic_version") == [(NEXT,)]
