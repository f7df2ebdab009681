"""Expressions of PostgreSQL have one text, whether they were dumped and restored or not."""

from __future__ import annotations

import pytest

from migrations_ops.databases.postgresql.text import canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("((v)::text = ANY ((ARRAY['x'::character varying, 'y'::character varying])::text[]))",
         "((v)::text = ANY (ARRAY[('x'::character varying)::text,"
         " ('y'::character varying)::text]))"),
        ("(((a >= 1) AND (a <= 10)) AND ((b >= 2) AND (b <= 3)))",
         "((a >= 1) AND (a <= 10) AND ((b >= 2) AND (b <= 3)))"),
        ("(((a OR b) OR c) OR d)", "(a OR b OR c OR d)"),
        ("v::text = ANY (ARRAY['x'::character varying, f(y, z)]::text[])",
         "v::text = ANY (ARRAY['x'::character varying::text, f(y, z)::text])"),
        ("((n > (- 1.5)) OR (f((- 2)) < 3))",
         "((n > '-1.5'::numeric) OR (f('-2'::integer) < 3))"),
        ("SELECT 'x'::text, '-1'::integer, 'x'::character varying, d.x UNION SELECT 'y'::s.own",
         "SELECT 'x'::text AS text, '-1'::integer AS int4, 'x'::character varying AS \"varchar\","
         " d.x UNION SELECT 'y'::s.own AS own"),
        ("( SELECT ( SELECT '{}'::text[]))", "( SELECT ( SELECT '{}'::text[] AS text) AS text)"),
        ("((public.loans.id > 0))", "(loans.id > 0)"),
    ],
    ids=["array", "and", "or", "array of statistics", "constant", "name", "name of a subquery",
         "schema"],
)  # fmt: skip
def test_what_a_restore_prints_otherwise_is_the_same(one: str, other: str) -> None:
    assert canonical(one, "public") == canonical(other, "public")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(a AND (b OR c))", "((a AND b) OR c)"),
        ("(a OR (b AND c))", "((a OR b) AND c)"),
        ("(x = 'a  b')", "(x = 'a b')"),
        ("(x = 'A')", "(x = 'a')"),
        ("(x = E'a\\\\b')", "(x = E'a\\nb')"),
        ('("A" > 1)', "(a > 1)"),
        ("(x)::text", "(x)::character varying"),
        ("ARRAY['x'::text]", "ARRAY['x'::character varying]"),
        ("SELECT x::text AS text", "SELECT x::text AS date"),
        ("SELECT x AS text", "SELECT x"),
        ("SELECT x::text || y AS text", "SELECT x::text || y"),
        ("(ARRAY[x])::text[]", "(ARRAY[x])::character varying[]"),
        ("ARRAY[]::text[]", "ARRAY[]::integer[]"),
        ("(audit.f(x) > 1)", "(f(x) > 1)"),
    ],
)
def test_what_means_another_thing_stays_another_thing(one: str, other: str) -> None:
    assert canonical(one, "public") != canonical(other, "public")
