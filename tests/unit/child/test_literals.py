"""A value is written into a statement only where that means what the driver would have sent."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.child.recording.literals import (
    NoLiteral,
    in_words,
    literal,
    sets_of,
    with_values,
)


@pytest.mark.parametrize(
    ("value", "sqlite", "postgresql", "mariadb"),
    [
        (None, "NULL", "NULL", "NULL"),
        (True, "1", "true", "true"),
        (7, "7", "7", "7"),
        (-7, "(-7)", "(-7)", "(-7)"),
        (0.5, "0.5", "0.5", "0.5"),
        (Decimal("1E+2"), "100", "100", "100"),
        ("it's", "'it''s'", "'it''s'", "'it''s'"),
        ("a\\b", "'a\\b'", "'a\\b'", "CONVERT(X'615c62' USING utf8mb4)"),
        ("a\x00", "CAST(X'6100' AS TEXT)", "E'a\\x00'", "CONVERT(X'6100' USING utf8mb4)"),
        (b"\x00\xff", "X'00ff'", "'\\x00ff'::bytea", "X'00ff'"),
        (date(2026, 1, 2), *3 * ("'2026-01-02'",)),
        (datetime(2026, 1, 2, 3, 4, 5), *3 * ("'2026-01-02 03:04:05'",)),
    ],
)  # fmt: skip
def test_each_kind_of_value_has_its_literal(
    value: object, sqlite: str, postgresql: str, mariadb: str
) -> None:
    found = [literal(value, family) for family in ("sqlite", "postgresql", "mariadb")]
    assert found == [sqlite, postgresql, mariadb]


@pytest.mark.parametrize(
    ("value", "family"),
    [
        (float("nan"), "postgresql"),
        (6.450661949424184e-304, "sqlite"),
        ([1, 2], "postgresql"),
        ({"a": 1}, "postgresql"),
        (object(), "sqlite"),
        ("\ud800", "sqlite"),
        (UUID(int=1), "mariadb"),
        (datetime(2026, 1, 1, tzinfo=UTC), "mariadb"),
    ],
)
def test_what_has_no_literal_is_refused(value: object, family: str) -> None:
    with pytest.raises(NoLiteral):
        literal(value, family)


@given(st.one_of(st.text(st.characters(codec="utf-8")), st.integers(-(2**63), 2**63 - 1),
                 st.floats(1e-199, 1e199), st.binary()))  # fmt: skip
def test_sqlite_reads_each_literal_as_the_value_itself(value: Any) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(f"SELECT 1-0, {literal(value, 'sqlite')}").fetchone()[1] == value


@pytest.mark.parametrize(
    ("sql", "parameters", "style", "syntax", "filled"),
    [
        ("a = ? AND b = '?' -- ?\n", (1,), "qmark", "sqlite", "a = 1 AND b = '?' -- ?\n"),
        ("a = ?", (1,), "qmark", "sqlite", "a = 1"),
        ('"?" = ?', (1,), "qmark", "sqlite", '"?" = 1'),
        ("a = ?2, b = ?1", (1, 2), "qmark", "sqlite", "a = 2, b = 1"),
        ("a = :x AND \"b:x\" = :y", {"x": 1, "y": 2}, "named", "sqlite", "a = 1 AND \"b:x\" = 2"),
        ("a = $2::INTEGER, b = $1, c = '$1'", (1, 2), "numeric_dollar", "postgresql",
         "a = 2::INTEGER, b = 1, c = '$1'"),
        ("a = %s, b = '50%%', c = %s", (1, 2), "format", "mariadb", "a = 1, b = '50%', c = 2"),
        ("a = %(x)s, b = %(x)s", {"x": 1}, "pyformat", "postgresql", "a = 1, b = 1"),
        ("a LIKE '%%x'", (), "pyformat", "postgresql", "a LIKE '%x'"),
        ("SELECT a ? 'x' FROM t", (), "numeric_dollar", "postgresql", "SELECT a ? 'x' FROM t"),
    ],
)  # fmt: skip
def test_values_take_the_places_of_their_marks(
    sql: str, parameters: Any, style: str, syntax: Any, filled: str
) -> None:
    assert with_values(sql, parameters, style, syntax, syntax) == filled


def test_many_rows_in_one_statement_are_one_set_of_parameters() -> None:
    assert sets_of([(1, 2), (3, 4)], many=True) == [(1, 2), (3, 4)]
    assert sets_of({"id__0": 1, "id__1": 2}, many=True) == [{"id__0": 1, "id__1": 2}]
    assert sets_of((1, 2, 3, 4), many=True) == [(1, 2, 3, 4)]
    assert sets_of([1, 2], many=False) == [[1, 2]]


def test_a_mark_without_a_value_is_refused() -> None:
    with pytest.raises(NoLiteral, match="no value for the parameter 1"):
        with_values("a = ?, b = ?", (1,), "qmark", "sqlite", "sqlite")


def test_no_piece_of_a_long_value_is_shown() -> None:
    shown = in_words({"a": "it's\\", "b": "x" * 5000, "c": [1]}, "mariadb")
    assert shown == "a = 'it''s\\', b = (5,002 characters), c = (list)"
    many = in_words(tuple("y" * 900 for _ in range(9)), "sqlite")
    assert (len(many) < 4100, many.endswith(", …")) == (True, True)
