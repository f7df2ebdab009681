"""Which statements end a transaction, read from their text."""

from __future__ import annotations

import pytest

from migrations_ops.child.transactions.control import (
    commits_by_itself,
    ends_transaction,
    leaves_cluster,
    may_stop_halfway,
    may_write,
    sets_constraints,
)

ENDING = {
    "commit": "COMMIT",
    "/* c */ end": "END",
    "-- a\nabort": "ABORT",
    "SELECT 1; COMMIT; SELECT 2": "COMMIT",
    "ROLLBACK PREPARED 'x'": "ROLLBACK PREPARED",
    "prepare transaction 'x'": "PREPARE TRANSACTION",
    "CREATE FUNCTION f() RETURNS int AS $x$ begin; commit; end $x$ LANGUAGE plpgsql; COMMIT": (
        "COMMIT"
    ),
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT": "COMMIT",
    "SELECT e'\\\\'; COMMIT": "COMMIT",
}
KEEPING = [
    "INSERT INTO a VALUES ('; COMMIT;'); UPDATE b SET c = 1",
    "ROLLBACK TO SAVEPOINT a",
    "ROLLBACK TRANSACTION TO b",
    "PREPARE p AS SELECT 1",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 1 END; END",
    "SELECT e'\\'; COMMIT; '; SELECT 1",
    'SELECT "a; commit"',
    "DO $$ BEGIN COMMIT; END $$",
    "DO $do$ BEGIN $x$; COMMIT; $x$ END $do$",
    "/* COMMIT; */ SELECT 1 -- ; COMMIT",
    "SELECT commit FROM ends",
    "",
]


@pytest.mark.parametrize("sql", ENDING)
def test_statement_that_ends_the_transaction_is_found(sql: str) -> None:
    assert ends_transaction(sql, "postgresql") == ENDING[sql]


@pytest.mark.parametrize("sql", KEEPING)
def test_words_of_other_meaning_are_no_end(sql: str) -> None:
    assert ends_transaction(sql, "postgresql") is None


def test_check_of_constraints_is_found() -> None:
    assert sets_constraints("SELECT 1; set constraints all immediate")
    assert not sets_constraints("SELECT 'set constraints'")


# What each does on MariaDB: commits, may write rows, may be half done when it fails.
MARIADB = {
    "CREATE TEMPORARY TABLE x (a int)": (False, False, False),
    "CREATE OR REPLACE TEMPORARY TABLE x (a int)": (False, False, False),
    "ALTER TABLE x ADD y int": (True, False, False),
    "/*!40101 ALTER TABLE x ADD y int */": (True, False, False),
    "/* ALTER TABLE x */ SELECT 1": (False, False, False),
    "# ALTER TABLE\nSELECT 1": (False, False, False),
    "INSERT INTO x VALUES ('a;b', 'ALTER TABLE')": (False, True, False),
    "UPDATE `; ALTER TABLE x` SET a = 1": (False, True, False),
    "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN DELETE FROM a; END": (
        True, False, False,
    ),
    "DROP TABLE a": (True, False, False),
    "DROP TABLE a, b": (True, False, True),
    "RENAME TABLE a TO b, c TO d": (True, False, True),
    "SET autocommit = 1": (True, False, False),
    "SET NAMES utf8mb4": (False, False, False),
    "INSERT INTO a VALUES (1); ALTER TABLE b ADD c int": (True, True, True),
    "CALL x()": (True, False, True),
    "SELECT 1": (False, False, False),
    "": (False, False, False),
}  # fmt: skip


@pytest.mark.parametrize("sql", MARIADB)
def test_what_a_statement_does_on_mariadb_is_reported_by_its_text(sql: str) -> None:
    assert (commits_by_itself(sql), may_write(sql), may_stop_halfway(sql)) == MARIADB[sql]


@pytest.mark.parametrize(
    ("sql", "leaves"),
    [
        ("SET SESSION wsrep_OSU_method = 'RSU'", True),
        ("set wsrep_osu_method=rsu", True),
        ("SET @@session.wsrep_OSU_method := NBO", True),
        ("SET autocommit = 0,\n wsrep_on = OFF", True),
        ("SET SESSION wsrep_on=0", True),
        ("SET SESSION wsrep_OSU_method = 'TOI'", False),
        ("SET SESSION wsrep_on = ON", False),
        ("INSERT INTO notes VALUES ('SET wsrep_OSU_method = RSU')", False),
    ],
)
def test_what_keeps_changes_on_one_node_is_seen(sql: str, leaves: bool) -> None:
    assert leaves_cluster(sql) is leaves
