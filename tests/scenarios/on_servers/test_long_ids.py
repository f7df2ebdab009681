"""An id that the version table of a server does not take stops a release before it begins."""

from __future__ import annotations

import pytest

from tests.scenarios.on_servers.support import COLUMN, content
from tests.servers.shops import ServerShop
from tests.support import R3

LONG = "r4_" + "d" * 38


@pytest.mark.slow
def test_a_long_id_is_refused_and_fits_after_the_statement_that_is_printed(
    filled: ServerShop,
) -> None:
    filled.add_revision(LONG, R3, COLUMN)
    databases = {"dev": filled.dev_database, "prod": filled.prod_database}
    for name, database in databases.items():
        before = {each: content(databases[each]) for each in databases}
        ran = filled.invoke("release-migration", "--json")
        assert (ran.code, ran.json["outcome"]) == (1, "refused"), ran.err
        error = ran.json["error"]
        assert f"the id {LONG} has 41 characters" in error["what"]
        assert f"alembic_version.version_num of {name} takes 32" in error["what"]
        assert before == {each: content(databases[each]) for each in databases}
        database.execute(error["next"].removeprefix("Type there: ").partition(";")[0])
    ran = filled.invoke("release-migration", "verify", "--env", "prod")
    assert ran.code == 0, ran.err
    for database in databases.values():
        assert database.execute("SELECT version_num FROM alembic_version") == [(LONG,)]
