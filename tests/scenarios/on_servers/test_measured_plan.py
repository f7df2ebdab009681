"""``plan`` on a server: which tables others could not read or write, and for how long."""

from __future__ import annotations

import pytest

from tests.scenarios.on_servers.support import (
    COLUMN,
    HEAD,
    NEXT,
    content,
    copies,
    is_postgres,
    require_no_secret,
)
from tests.scenarios.test_json_schemas import validate
from tests.servers.shops import ServerShop

pytestmark = pytest.mark.slow


def test_a_plan_shows_which_tables_are_blocked(filled: ServerShop) -> None:
    filled.add_revision(NEXT, HEAD, COLUMN)
    before = content(filled.prod_database)
    ran = filled.invoke("plan", "--json", "--allow", "drift")
    assert ran.code == 0, ran.err
    validate(ran.json, "measured-plan")
    shown = filled.invoke("plan", "--allow", "drift")
    if is_postgres(filled.prod_database):
        found = {each["table"]: each for each in ran.json["blocked"]}
        assert found["public.parents"]["reads"] > 0
        assert "reads and writes of public.parents for " in shown.out
    else:
        assert "blocked" not in ran.json
        assert "was not measured" in shown.out
    assert content(filled.prod_database) == before
    assert copies(filled) == set()
    require_no_secret(filled, ran, shown)
