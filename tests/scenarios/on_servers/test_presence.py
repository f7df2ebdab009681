"""A database that its administrator made, and that holds nothing yet."""

from __future__ import annotations

import pytest

from tests.scenarios.on_servers.support import NEXT
from tests.servers.shops import ServerShop
from tests.support import R3

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow

VERSION = "SELECT version_num FROM alembic_version"
NOT_ON_PROD = '    import os\n    assert os.environ["EXEC_ENV"] != "prod"'


@pytest.mark.parametrize("empty", ["postgres"], indirect=True)
def test_empty_database_whose_first_release_failed_is_released_by_the_next(
    empty: ServerShop,
) -> None:
    revision = empty.add_revision(NEXT, R3, NOT_ON_PROD)
    first = empty.invoke("release-migration")
    assert first.code == 1, first.err
    assert "The rehearsal on a copy of prod failed" in first.err
    # dev knows the revision that goes now: it begins anew.
    empty.dev_database.server.drop_database(empty.dev_database.name)
    revision.unlink()

    ran = empty.invoke("release-migration")

    assert ran.code == 0, ran.err
    assert empty.prod_database.execute(VERSION) == [(R3,)]


@pytest.mark.parametrize("empty", ["mariadb"], indirect=True)
def test_database_that_a_release_has_filled_is_not_filled_anew(empty: ServerShop) -> None:
    assert empty.invoke("release-migration").code == 0
    server, name = empty.prod_database.server, empty.prod_database.name
    server.drop_database(name)
    server.create_database(name)

    ran = empty.invoke("release-migration")

    assert ran.code == 1, ran.err
    assert "is empty, and " in ran.err
    assert "--allow missing-database" in ran.err
