"""What counts as changed by hand, read from real databases."""

from __future__ import annotations

from migrations_ops.analysis.drift import find_changed
from tests.contract.databases.engines import VERSION, Live

# What changes in each engine without anybody changing the schema.
BY_ITSELF = {
    "sqlite": (
        "INSERT INTO parents VALUES (9, 'nine')",
        "ANALYZE",
    ),
    "postgresql": (
        "CREATE TABLE days_2 PARTITION OF days FOR VALUES IN (2)",
        "CREATE INDEX ix_days_2 ON days_2 (id)",
        "CREATE STATISTICS both_columns ON day, id FROM days",
        "ALTER TABLE days_1 SET (autovacuum_enabled = false)",
        "ALTER TABLE parents SET (fillfactor = 70)",
        "SELECT nextval('numbers')",
        "ALTER FUNCTION one() COST 7",
        "ANALYZE",
    ),
    "mariadb": (
        "ALTER TABLE days ADD PARTITION (PARTITION d2 VALUES IN (2))",
        "INSERT INTO counted VALUES (NULL), (NULL)",
        "SELECT nextval(numbers)",
        "ANALYZE TABLE parents",
    ),
}
MADE = {
    "sqlite": (),
    "postgresql": (
        "CREATE TABLE days (id INTEGER, day INTEGER) PARTITION BY LIST (day)",
        "CREATE TABLE days_1 PARTITION OF days FOR VALUES IN (1)",
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    ),
    "mariadb": (
        "CREATE TABLE days (id INTEGER, day INTEGER) PARTITION BY LIST (day)"
        " (PARTITION d1 VALUES IN (1))",
        "CREATE TABLE counted (id INTEGER AUTO_INCREMENT PRIMARY KEY)",
        "CREATE SEQUENCE numbers",
    ),
}


def changed(live: Live, before: dict[str, str]) -> list[tuple[str, str]]:
    now = live.open().read_schema(VERSION)
    return [(each.key, each.fate) for each in find_changed(before, now)]


def test_changes_by_hand_are_named_and_what_changes_by_itself_is_not(live: Live) -> None:
    live.fill()
    live.execute(*MADE[live.engine], "CREATE INDEX ix_old ON parents (name)")
    before = dict(live.open().read_schema(VERSION))
    # The same as backups have, without the rows.
    assert before == live.open().fingerprint(VERSION).schema
    live.execute(*BY_ITSELF[live.engine])
    assert changed(live, before) == []
    live.execute(
        "DROP INDEX ix_old" + (" ON parents" if live.engine == "mariadb" else ""),
        "ALTER TABLE parents ADD COLUMN remark VARCHAR(9)",
        "CREATE TABLE extras (id INTEGER PRIMARY KEY, name VARCHAR(9))",
        "CREATE VIEW names AS SELECT name FROM parents",
    )
    index = "index ix_old on parents" if live.engine == "mariadb" else "index ix_old"
    assert changed(live, before) == [
        ("column parents.remark", "made"),
        (index, "removed"),
        ("table extras", "made"),
        ("view names", "made"),
    ]
