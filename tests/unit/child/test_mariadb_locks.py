"""Which tables of MariaDB a statement locks, and how, is read from it."""

from __future__ import annotations

import pytest

from migrations_ops.child.protocol.sql import tokens
from migrations_ops.child.recording.mariadb_locks import EXCLUSIVE, IN_PLACE, NO_WRITE, locks_of


def locks(sql: str, *, copies: bool = False) -> list[tuple[str, str]]:
    return list(locks_of(tokens(sql, "mariadb"), copies=copies, special={"texts"}))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER TABLE `my table` ADD COLUMN a int", [(IN_PLACE, "my table")]),
        ("ALTER ONLINE TABLE IF EXISTS shop.t ADD COLUMN a int", [(IN_PLACE, "t")]),
        ("CREATE UNIQUE INDEX i ON t (a)", [(IN_PLACE, "t")]),
        ("DROP INDEX i ON t", [(IN_PLACE, "t")]),
        ("OPTIMIZE TABLE t", [(IN_PLACE, "t")]),
        ("ALTER TABLE t ADD FULLTEXT INDEX i (a)", [(NO_WRITE, "t")]),
        ("CREATE SPATIAL INDEX i ON t (a)", [(NO_WRITE, "t")]),
        ("ALTER TABLE texts FORCE", [(NO_WRITE, "texts")]),
        ("DROP TABLE IF EXISTS a, shop.b", [(EXCLUSIVE, "a"), (EXCLUSIVE, "b")]),
        ("TRUNCATE TABLE t", [(EXCLUSIVE, "t")]),
        ("TRUNCATE t", [(EXCLUSIVE, "t")]),
        ("RENAME TABLE a TO b, c TO d", [(EXCLUSIVE, "a"), (EXCLUSIVE, "c")]),
        ("CREATE TABLE t (a int)", []),
        ("UPDATE t SET a = 1", []),
        ("ALTER DATABASE d CHARACTER SET utf8mb4", []),
    ],
)
def test_each_statement_has_its_lock(sql: str, expected: list[tuple[str, str]]) -> None:
    assert locks(sql) == expected


def test_a_copy_stops_writers_and_so_does_a_foreign_key_where_it_leads() -> None:
    sql = "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES p (id)"
    assert locks(sql, copies=True) == [(NO_WRITE, "t"), (NO_WRITE, "p")]
