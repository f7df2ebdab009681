"""Which indexes a statement builds beside everybody else is read from its text."""

from __future__ import annotations

import pytest

from migrations_ops.child.transactions.indexes import Build, build_of

BUILDING = {
    "CREATE INDEX CONCURRENTLY a ON b (c)": Build("b", "a"),
    "create unique index concurrently if not exists A on only S.B using gin (c)": (
        Build("S . B", "A")
    ),
    'CREATE INDEX CONCURRENTLY "A ""x" ON "S" . b (c)': Build('"S" . b', '"A ""x"'),
    'CREATE INDEX CONCURRENTLY "on" ON b (c)': Build("b", '"on"'),
    "CREATE INDEX CONCURRENTLY ON b (c)": Build("b"),
    "/* a */ CREATE INDEX -- CONCURRENTLY\n CONCURRENTLY/**/a ON/**/b (c)": Build("b", "a"),
    "REINDEX INDEX CONCURRENTLY s.a": Build("s . a", again=True),
    "REINDEX (VERBOSE, CONCURRENTLY) TABLE a": Build("a", again=True),
    "REINDEX (VERBOSE) TABLE CONCURRENTLY a": Build("a", again=True),
}
OTHERS = [
    "CREATE INDEX a ON b (c)",
    "CREATE /* INDEX CONCURRENTLY a ON b */ TABLE c (d int)",
    "CREATE INDEX CONCURRENTLY a (c)",
    "CREATE INDEX CONCURRENTLY",
    "CREATE INDEX CONCURRENTLY a ON 'b'",
    "DROP INDEX CONCURRENTLY a",
    "REINDEX TABLE a",
    "REINDEX SCHEMA CONCURRENTLY a",
    "SELECT 'CREATE INDEX CONCURRENTLY a ON b (c)'",
    "",
]


@pytest.mark.parametrize("sql", BUILDING)
def test_what_is_built_is_read_with_its_table(sql: str) -> None:
    assert build_of(sql) == BUILDING[sql]


@pytest.mark.parametrize("sql", OTHERS)
def test_other_statements_build_nothing(sql: str) -> None:
    assert build_of(sql) is None
