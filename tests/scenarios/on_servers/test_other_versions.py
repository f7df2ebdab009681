"""One version table of a database says nothing about the others."""

from __future__ import annotations

import pytest

from tests.servers.shops import ServerShop
from tests.support import R2, R3

pytestmark = pytest.mark.slow  # the parts are in the contract of the engines


def test_a_version_table_of_the_same_scripts_that_is_behind_is_named_by_verify(
    at_head: ServerShop,
) -> None:
    database = at_head.prod_database
    database.execute("CREATE TABLE version_tenant (version_num VARCHAR(32) NOT NULL)")
    database.execute(f"INSERT INTO version_tenant VALUES ('{R2}')")
    ran = at_head.invoke("verify", "--env", "prod")
    assert ran.code == 0, ran.err
    assert f"which are not where it is: version_tenant at {R2} [other-versions]" in ran.err
    assert "with 2 warnings" in ran.out  # it is drift, too
    database.execute(f"UPDATE version_tenant SET version_num = '{R3}'")
    ran = at_head.invoke("verify", "--env", "prod", "--json")
    [found] = [each for each in ran.json["findings"] if each["code"] == "other-versions"]
    assert found["severity"] == "note"
