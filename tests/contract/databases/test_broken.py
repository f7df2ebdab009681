"""What stays after an upgrade and no longer works is found, and nothing else is."""

from __future__ import annotations

import pytest

from migrations_ops.analysis.schema_facts import names_gone
from tests.contract.databases.engines import VERSION, Live

UNNAMED = (["CREATE TABLE audit (x INTEGER)"], ["DROP TABLE audit"], set[tuple[str, str]]())
# What is made beside two tables, what breaks it, and what is found then.
CASES = {
    "sqlite": {
        "a trigger on a table renamed aside": (
            [
                "CREATE TABLE audit (x INTEGER)",
                "CREATE TRIGGER tr AFTER INSERT ON parents BEGIN INSERT INTO audit VALUES (1); END",
            ],
            [
                "ALTER TABLE audit RENAME TO audit_old",
                "CREATE TABLE audit (x INTEGER)",
                "DROP TABLE audit_old",
            ],
            {("broken-trigger", "tr")},
        ),
        "a view on a column that went": (
            ["CREATE VIEW v AS SELECT name FROM parents"],
            ["DROP TABLE parents", "CREATE TABLE parents (id INTEGER)"],
            {("broken-view", "v")},
        ),
        "a trigger of a view": (
            [
                "CREATE TABLE audit (x INTEGER)",
                "CREATE VIEW v AS SELECT name FROM parents",
                "CREATE TRIGGER tr INSTEAD OF DELETE ON v BEGIN DELETE FROM audit; END",
            ],
            ["DROP TABLE audit"],
            {("broken-trigger", "tr")},
        ),
        "a trigger that updates": (
            [
                "CREATE TABLE audit (x INTEGER)",
                "CREATE TRIGGER tr AFTER UPDATE OF name ON parents BEGIN DELETE FROM audit; END",
            ],
            ["DROP TABLE audit"],
            {("broken-trigger", "tr")},
        ),
        "a foreign key whose parent went": (
            ["CREATE TABLE t (a INTEGER REFERENCES parents (id))"],
            ["DROP TABLE parents"],
            {("broken-foreign-key", "t to parents")},
        ),
        "a foreign key whose parent is no key any more": (
            ["CREATE TABLE t (a INTEGER REFERENCES parents (id))"],
            ["DROP TABLE parents", "CREATE TABLE parents (id INTEGER)"],
            {("broken-foreign-key", "t to parents")},
        ),
        "a table that nothing names": UNNAMED,
    },
    "postgresql": {
        "a function": (
            [
                "CREATE TABLE audit (x INTEGER)",
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN INSERT INTO audit VALUES (1); RETURN NEW; END$$",
                "CREATE TRIGGER tr AFTER INSERT ON parents FOR EACH ROW EXECUTE FUNCTION f()",
            ],
            ["DROP TABLE audit"],
            {("broken-function", "f")},
        ),
        "a column of the rows of a trigger": (
            [
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN NEW.name := lower(NEW.name); RETURN NEW; END$$",
                "CREATE TRIGGER tr BEFORE INSERT ON parents FOR EACH ROW EXECUTE FUNCTION f()",
            ],
            ["ALTER TABLE parents RENAME COLUMN name TO title"],
            {("broken-function", "f")},
        ),
        "a table that nothing names": UNNAMED,
    },
    "mariadb": {
        "a view on a column that went": (
            ["CREATE VIEW v AS SELECT name FROM parents"],
            ["ALTER TABLE parents DROP COLUMN name"],
            {("broken-view", "v")},
        ),
        "a trigger": (
            [
                "CREATE TABLE audit (x INTEGER)",
                "CREATE TRIGGER tr AFTER INSERT ON parents FOR EACH ROW"
                " INSERT INTO audit VALUES (1)",
            ],
            ["DROP TABLE audit"],
            {("broken-trigger", "tr")},
        ),
        "a procedure": (
            [
                "CREATE TABLE audit (x INTEGER)",
                "CREATE PROCEDURE p() DELETE FROM audit",
            ],
            ["DROP TABLE audit"],
            {("broken-procedure", "p")},
        ),
        "a table that nothing names": UNNAMED,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("live", "what"),
    [(engine, what) for engine, cases in CASES.items() for what in cases],
    indirect=["live"],
)
def test_what_no_longer_works_is_found(live: Live, what: str) -> None:
    made, broken, wanted = CASES[live.engine][what]
    live.fill().execute(*made)
    database = live.open()
    before = database.fingerprint(VERSION).schema
    assert database.find_broken() == []
    live.execute(*broken)
    gone = names_gone(before, database.fingerprint(VERSION).schema)
    found = database.find_broken(gone)
    assert {(each.code, each.where) for each in found} == wanted
    assert all(each.severity == "warning" for each in found)
