"""Changes of types pass as the revisions say, and a change of a published table is announced."""

from __future__ import annotations

import pytest

from tests.scenarios.on_servers.support import NEXT
from tests.servers.shops import ServerShop
from tests.support import R3

# A whole release; the contract of the engine and the units have the parts of it.
pytestmark = pytest.mark.slow

TABLES = (
    "CREATE TYPE mood AS ENUM ('sad', 'happy')",
    "CREATE TYPE pair AS (a int, b text)",
    "CREATE TYPE span AS RANGE (subtype = int)",
    "CREATE TABLE felt (id int PRIMARY KEY, mood mood, pair pair, span span)",
    "INSERT INTO felt VALUES (1, 'sad', '(1,x)', '[1,2)'), (2, 'happy', '(2,y)', NULL)",
    "CREATE PUBLICATION news FOR TABLE parents",
)
UPGRADE = """\
    for sql in (
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'",
        "ALTER TYPE pair ADD ATTRIBUTE c int",
        "ALTER TYPE pair DROP ATTRIBUTE a",
        "ALTER TYPE pair RENAME ATTRIBUTE b TO d",
    ):
        op.execute(sql)"""


def test_types_change_as_declared_and_subscribers_are_thought_of(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    for database in (shop.dev_database, shop.prod_database):
        for statement in TABLES:
            database.execute(statement)
    shop.add_revision(NEXT, R3, UPGRADE)
    ran = shop.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    found = {f"{each['code']}:{each['where']}": each["severity"] for each in ran.json["findings"]}
    assert found["dropped-attribute:pair.a"] == "note"
    assert found["published-table:parents"] == "warning"
    assert not [key for key in found if key.startswith("changed-values:felt")]
    assert shop.prod_database.execute("SELECT mood::text, pair::text FROM felt ORDER BY id") == [
        ("low", "(x,)"), ("happy", "(y,)")
    ]  # fmt: skip
