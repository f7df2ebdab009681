"""What is taken for harmless can have changed no row; whatever is not known is not."""

from __future__ import annotations

import pytest

from migrations_ops.analysis.harmless import changes_no_row, is_one_that_reads

SAFE = [
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
UNSAFE = [
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


@pytest.mark.parametrize("sql", SAFE)
def test_statement_that_changes_no_row_is_known(sql: str) -> None:
    assert changes_no_row(sql)


@pytest.mark.parametrize("sql", UNSAFE)
def test_statement_that_may_change_rows_is_not_taken_for_harmless(sql: str) -> None:
    assert not changes_no_row(sql)


def test_function_that_is_selected_is_left_to_the_server_to_judge() -> None:
    assert is_one_that_reads("SELECT bump()")
    assert not is_one_that_reads("SELECT bump(); DELETE FROM t")
