"""What only reads is left out of a script, and nothing else."""

from __future__ import annotations

import pytest

from migrations_ops.child.protocol.sql import Syntax, tokens
from migrations_ops.child.recording.script import only_looks


@pytest.mark.parametrize(
    ("sql", "syntax"),
    [
        ("SELECT id, name FROM parents", "sqlite"),
        ("SELECT count(*), max(id) FROM parents", "postgresql"),
        ("PRAGMA main.table_info(\"parents\")", "sqlite"),
        ("PRAGMA foreign_keys", "sqlite"),
        ("SELECT format_type(a.atttypid, 1) FROM pg_catalog.pg_attribute a", "postgresql"),
        ("SELECT sql FROM sqlite_master WHERE substr(name, 1, 3) = 'abc'", "sqlite"),
        ("SHOW CREATE TABLE `t`", "mariadb"),
    ],
)  # fmt: skip
def test_questions_are_left_out(sql: str, syntax: Syntax) -> None:
    assert only_looks(tokens(sql, syntax))


@pytest.mark.parametrize(
    ("sql", "syntax"),
    [
        ("SELECT setval('s', max(id)) FROM t", "postgresql"),
        ("SELECT pg_catalog.setval('s', 1)", "postgresql"),
        ("SELECT create_hypertable('t', 'at')", "postgresql"),
        ("SELECT * INTO u FROM t", "postgresql"),
        ("SELECT setval('s', 1) FROM pg_catalog.pg_class", "postgresql"),
        ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "postgresql"),
        ("EXPLAIN ANALYZE DELETE FROM t", "postgresql"),
        ("PRAGMA user_version = 3", "sqlite"),
        ("PRAGMA user_version(3)", "sqlite"),
        ("SET search_path TO tenant", "postgresql"),
        ("UPDATE t SET a = 1", "sqlite"),
    ],
)
def test_what_may_change_something_stays(sql: str, syntax: Syntax) -> None:
    assert not only_looks(tokens(sql, syntax))
