"""A prepared transaction is named as XA ROLLBACK takes it."""

from __future__ import annotations

import pytest

from migrations_ops.databases.mariadb.sessions import xid_in_sql


@pytest.mark.parametrize(
    ("row", "sql"),
    [
        ((1, 3, 0, b"abc"), "'abc'"),
        ((1, 3, 0, "abc"), "'abc'"),
        ((1, 3, 1, b"abcq"), "'abc','q',1"),
        ((7, 3, 0, b"abc"), "'abc','',7"),
        ((7, 3, 1, b"a'bq"), "X'612762','q',7"),
        ((1, 2, 0, b"\xff\\"), "X'ff5c'"),
        ((1, 0, 0, b""), "''"),
    ],
)
def test_an_xid_is_written_as_sql(row: tuple[int, int, int, bytes | str], sql: str) -> None:
    assert xid_in_sql(*row) == sql
