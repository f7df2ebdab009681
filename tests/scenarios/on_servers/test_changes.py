"""What changes on a server behind the words of a revision: rebuilds by hand, rewritten keys."""

from __future__ import annotations

import pytest

from tests.scenarios.on_servers.support import NEXT
from tests.servers.shops import ServerShop
from tests.support import R3

# Whole releases; the contract of the engines and the units have the parts of each.
pytestmark = pytest.mark.slow

# The columns of people stand in another order than those of the table that replaces it.
TABLES = (
    "CREATE TABLE people (id INT PRIMARY KEY, city VARCHAR(20), name VARCHAR(20), up VARCHAR(20))",
    "INSERT INTO people VALUES (1, 'Rome', 'Anna', 'x'), (2, 'Oslo', 'Olaf', 'y')",
    "CREATE TABLE uuids (id VARCHAR(20) PRIMARY KEY, v VARCHAR(20), w VARCHAR(20))",
    "INSERT INTO uuids VALUES ('a-1', 'x', 'p'), ('b-2', 'yy', 'q')",
    "CREATE TABLE calm (id VARCHAR(20) PRIMARY KEY, v VARCHAR(20))",
    "INSERT INTO calm VALUES ('a-1', 'x'), ('b-2', 'y')",
    # What refers to such a key follows it.
    "CREATE TABLE kids (calm VARCHAR(20) PRIMARY KEY, v INT,"
    " FOREIGN KEY (calm) REFERENCES calm (id) ON UPDATE CASCADE)",
    "INSERT INTO kids VALUES ('a-1', 1)",
)
UPGRADE = """\
    for sql in (
        "CREATE TABLE p2 (id INT PRIMARY KEY, name VARCHAR(20), city VARCHAR(20), up VARCHAR(20))",
        "INSERT INTO p2 SELECT * FROM people",
        "UPDATE p2 SET up = UPPER(up)",
        "DROP TABLE people",
        "ALTER TABLE p2 RENAME TO people",
        "UPDATE uuids SET id = REPLACE(id, '-', '')",
        "UPDATE calm SET id = REPLACE(id, '-', '')",
    ):
        op.execute(sql)
    # Past SQLAlchemy: no word of the revision.
    cursor = op.get_bind().connection.cursor()
    cursor.execute("UPDATE uuids SET v = 'z' WHERE w = 'p'")"""


def test_what_is_copied_stays_and_a_rewritten_key_blinds_nothing(filled: ServerShop) -> None:
    for database in (filled.dev_database, filled.prod_database):
        for statement in TABLES:
            database.execute(statement)
    filled.add_revision(NEXT, R3, UPGRADE)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    found = {f"{each['code']}:{each['where']}": each["severity"] for each in ran.json["findings"]}
    own = {key: severity for key, severity in found.items() if not key.startswith("drift")}
    errors = {key for key, severity in own.items() if severity == "error"}
    assert errors == {
        "changed-values:people.name", "changed-values:people.city", "changed-values:uuids.v",
    }  # fmt: skip
    assert own["changed-values:people.up"] == "note"
    for table in ("calm", "uuids", "kids"):
        assert own[f"rows-not-compared:{table}"] == "warning"
