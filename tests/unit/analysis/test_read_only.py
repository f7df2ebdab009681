"""What counts as changing no row can have changed none; whatever is not known does not count."""

from __future__ import annotations

import pytest

from migrations_ops.analysis.read_only import changes_no_row, only_reads

CHANGING_NONE = [
    "SELECT 1 / 0",
    "select count(*), current_database() FROM t WHERE a IN (1, 2);",
    "SHOW lock_timeout",
    "SET lock_timeout = '1s'",
    "/* why */ CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix ON t (lower(a))",
    "DROP INDEX CONCURRENTLY ix",
    "REINDEX TABLE CONCURRENTLY t",
    "REINDEX (CONCURRENTLY, VERBOSE) INDEX ix",
    "ALTER TABLE s.t DETACH PARTITION p CONCURRENTLY",
    "ALTER TABLE t VALIDATE CONSTRAINT c",
    "ALTER TYPE mood ADD VALUE 'worse' BEFORE 'sad'",
    "VACUUM (ANALYZE) t",
]
OTHERS = [
    "",
    "SELECT bump()",
    'SELECT s . "Bump" (1)',
    "SELECT 1; UPDATE t SET a = 1",
    "SELECT 1;\n-- and then\nINSERT INTO t VALUES (1)",
    "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
    "UPDATE t SET a = 1",
    "DO $$ BEGIN DELETE FROM t; END $$",
    "CALL bump()",
    "TRUNCATE t",
    "CREATE INDEX ix ON t (a)",
    "ALTER TABLE t ALTER a TYPE int USING a * 2",
    "ALTER TABLE t VALIDATE CONSTRAINT c, ALTER a TYPE int USING a * 2",
    "SET STATEMENT max_statement_time = 1 FOR DELETE FROM t",
    f"SELECT '{'x' * 4000}'",
]


@pytest.mark.parametrize("sql", CHANGING_NONE)
def test_statement_that_changes_no_row_is_known(sql: str) -> None:
    assert changes_no_row(sql)


@pytest.mark.parametrize("sql", OTHERS)
def test_statement_that_may_change_rows_is_not_taken_for_another(sql: str) -> None:
    assert not changes_no_row(sql)


def test_function_that_is_selected_is_left_to_the_server_to_judge() -> None:
    assert only_reads("SELECT bump()")
    assert not only_reads("SELECT bump(); DELETE FROM t")
