"""Rows of PostgreSQL: of other schemas, behind row security, of any type, under event triggers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrations_ops.analysis.reader import read_declared
from migrations_ops.child.protocol.events import StatementRan
from migrations_ops.databases.postgresql.rows.comparison import compare
from migrations_ops.databases.postgresql.rows.sums import count, count_and_sum
from migrations_ops.databases.postgresql.schema.reading import read_tables
from migrations_ops.databases.row_changes import ContentChange, Pair, RowQuery
from tests.contract.databases.bench import SAME, PostgresBench, postgres_bench, summary
from tests.contract.databases.postgresql.support import VERSION_TABLE, fill, opened, restored
from tests.servers.databases import ServerDatabase
from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="module")
def bench(postgres: PostgresServer) -> Iterator[PostgresBench]:
    with postgres_bench(postgres) as made:
        yield made


def test_the_example_is_one_of_what_is_lost(bench: PostgresBench) -> None:
    before = "CREATE TABLE t (id int PRIMARY KEY, a text);"
    before += "INSERT INTO t SELECT n, n || '.0' FROM generate_series(1, 99) n;"
    before += "INSERT INTO t VALUES (0, 'a word'), (100, '5.0')"
    whole = "CASE WHEN a ~ '^[0-9.]+$' THEN a::numeric::int ELSE 0 END"
    change = bench.compared(before, f"ALTER TABLE t ALTER a TYPE int USING {whole}")
    [column] = change.tables[0].columns
    assert (column.rows, column.lossy) == (101, 1)
    assert column.example == "text of 6 characters became integer"


def test_tables_of_other_schemas_are_compared_and_named_in_one_word(bench: PostgresBench) -> None:
    before = (
        "CREATE SCHEMA IF NOT EXISTS audit; DROP TABLE IF EXISTS audit.t;"
        "CREATE TABLE audit.t (a int); CREATE TABLE t (a int)"
    )
    change = bench.compared(before, "", Pair("audit.t", "audit.t"), Pair("t", "t"))
    assert summary(change) == {}


_MOOD = 'ALTER TYPE "Mood" RENAME'
_TYPED = (
    """CREATE TYPE "Mood" AS ENUM ('sad', 'it''s fine'); CREATE TYPE pair AS (a int, "M" "Mood");"""
    'CREATE DOMAIN strict AS "Mood" NOT NULL; CREATE TYPE span AS RANGE (subtype = "Mood");'
    'CREATE TABLE t (id int PRIMARY KEY, e "Mood", many "Mood"[], p pair, d strict, r span);'
    "INSERT INTO t VALUES (1, 'sad', '{sad,it''s fine}', '(1,sad)', 'sad', '[sad,sad]'),"
    " (2, 'it''s fine', '{}', '(2,)', 'it''s fine', '(,)');"
)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (f"{_MOOD} VALUE 'sad' TO 'low'", {}),
        (f"{_MOOD} TO temper; ALTER TYPE temper RENAME VALUE 'sad' TO 'low'", {}),
        (f"{_MOOD} VALUE 'sad' TO 'x'; {_MOOD} VALUE 'it''s fine' TO 'sad';"
         f"{_MOOD} VALUE 'x' TO 'it''s fine'", {}),
        ("ALTER TYPE pair ADD ATTRIBUTE z int, DROP ATTRIBUTE a CASCADE", {}),
        ('ALTER TYPE pair RENAME ATTRIBUTE "M" TO mood', {}),
        # What nobody said is found all the same.
        (f"{_MOOD} VALUE 'sad' TO 'low'; UPDATE t SET e = NULL WHERE id = 1", {"e": (1, 1)}),
        ("ALTER TYPE pair DROP ATTRIBUTE a; UPDATE t SET p = '(sad)' WHERE id = 2", {"p": (1, 1)}),
    ],
)  # fmt: skip
def test_values_are_compared_as_the_declared_changes_of_their_types_write_them(
    bench: PostgresBench, change: str, wrong: dict[str, Any]
) -> None:
    bench.make(_TYPED + change, _TYPED)
    types = read_declared([StatementRan(change)], {}, {}, "postgresql").types
    for each in (1, 2):  # and nothing of it stays
        found = compare(bench.one, bench.other, RowQuery([SAME], False, types), None)
        assert summary(found) == wrong, each


def test_rows_that_row_security_withholds_are_never_counted_as_gone(
    postgres_database: ServerDatabase,
) -> None:
    """A role that may not see all rows is told so, as pg_dump would be."""
    fill(postgres_database, "CREATE TABLE t (a integer); INSERT INTO t VALUES (1)")
    postgres_database.execute(
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; GRANT SELECT ON t TO app;"
        "CREATE POLICY none_at_all ON t USING (false)"
    )
    with opened(postgres_database) as connection:
        assert count(connection, ["t"]) == {"t": 1}
        connection.execute("SET ROLE app")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            count(connection, ["t"])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            count_and_sum(connection, ["t"])


def test_a_connection_is_left_as_it_was(postgres_database: ServerDatabase) -> None:
    fill(postgres_database, "CREATE TABLE t (a integer)")
    with opened(postgres_database) as one, opened(postgres_database) as other:
        settings = "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY 1"
        was = one.execute(settings).fetchall()
        count_and_sum(one, ["t"])
        compare(one, other, RowQuery([Pair("t", "t")], True), None)
        for connection in (one, other):
            assert connection.execute(settings).fetchall() == was
            with connection.transaction():
                connection.execute("INSERT INTO t VALUES (1)")
                shown = connection.execute("SHOW transaction_isolation").fetchone()
                assert shown == ("read committed",)


def test_counts_and_checksums_are_those_of_a_restored_copy(
    any_postgres: ServerDatabase, tmp_path: Path
) -> None:
    fill(any_postgres)
    any_postgres.execute("INSERT INTO audit.loans (second_id, mood, mail, who, due)"
                         " VALUES (2, 'happy', 'a@b.c', '(1,x,y)', '2026-01-01')")  # fmt: skip
    any_postgres.execute("SELECT lo_create(0), nextval('audit.numbers')")
    with opened(any_postgres) as one, opened(any_postgres, restored(any_postgres, tmp_path)) as two:
        tables = read_tables(one, VERSION_TABLE)
        rows, sums = count_and_sum(one, tables)
        assert (rows["parents"], rows["events"], rows["audit.loans"]) == (2, 2, 1)
        assert sums["sequence audit.numbers"] == "9 called"
        assert sums["sequence parents_id_seq"] == "2 called"
        assert "large objects" in sums
        assert (rows, sums) == count_and_sum(two, tables)
        assert rows == count(two, tables)
        for statement, key in (
            ("UPDATE parents SET note = 'x' WHERE id = 1", "parents"),
            ("UPDATE audit.loans SET mood = 'sad'", "audit.loans"),
            ("SELECT nextval('parents_id_seq')", "sequence parents_id_seq"),
            ("SELECT lo_create(0)", "large objects"),
        ):
            two.execute(statement.encode())
            changed = count_and_sum(two, tables)[1]
            assert {name for name in sums if changed[name] != sums[name]} == {key}
            sums = changed


def test_two_databases_of_a_server_are_compared(
    any_postgres: ServerDatabase, tmp_path: Path
) -> None:
    """As a rehearsal does: the copy of a backup, and another one that was upgraded."""
    fill(any_postgres)
    with opened(any_postgres) as after, opened(
        any_postgres, restored(any_postgres, tmp_path)
    ) as before:  # fmt: skip
        pairs = [Pair(name, name) for name in read_tables(after, VERSION_TABLE)]
        assert compare(before, after, RowQuery(pairs, True), None) == ContentChange()
        after.execute("UPDATE parents SET code = 'z' WHERE id = 2")
        change = compare(before, after, RowQuery(pairs, True), None)
        assert summary(change) == {"code": (1, 1)}
        after.execute("ALTER TABLE parents RENAME code TO label")
        pairs = [pair for pair in pairs if pair.before != "parents"]
        assert compare(before, after, RowQuery(pairs, True), None) == ContentChange()
        leftovers = before.execute("SELECT 1 FROM pg_class WHERE relname ~ '^migrations_ops_after'")
        assert leftovers.fetchall() == []


# -- anything at all ----------------------------------------------------------------------------

TYPES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.just(Decimal("NaN")),
    "float8": st.floats(),
    "bytea": st.binary(max_size=4),
    "boolean": st.booleans(),
    "timestamptz": st.datetimes(timezones=st.timezones()),
    "text[]": st.lists(st.sampled_from(["", "a", "A", "{", '"', "NULL"]), max_size=3),
    "jsonb": st.sampled_from(["1", "1.0", '"1"', "null", "[]", "{}", '{"a": [1, 2]}']),
    "json": st.sampled_from(["1", "1.0", '"1"', "null", "[]", "{}", '{"a": [1, 2]}']),
    "interval": st.sampled_from(["1 day", "24 hours", "1 mon", "30 days", "0"]),
}


def test_an_event_trigger_that_logs_writes_nothing_into_what_is_compared(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    """As an audit of all DDL does; the numbers of its log are not rolled back."""
    postgres_database.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'old');"
        "CREATE TABLE log (id serial PRIMARY KEY, what text); INSERT INTO log (what) VALUES ('x');"
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO public.log (what) VALUES (tg_tag); END $$;"
        "CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE FUNCTION note();"
        "ALTER EVENT TRIGGER audit ENABLE ALWAYS"
    )
    after = postgres.copy_database(postgres_database.name)
    postgres.execute("UPDATE t SET a = 'new'; ALTER TABLE t ADD b text", database=after)
    with opened(postgres_database) as one, opened(postgres_database, after) as other:
        pairs = [Pair("t", "t"), Pair("log", "log")]
        change = compare(one, other, RowQuery(pairs, orphans=False), None)
    assert [each.pair.before for each in change.tables] == ["t"]
    assert change.sequences == {}
    assert postgres_database.execute("SELECT what FROM log") == [("x",)]
    enabled = "SELECT evtname, evtenabled FROM pg_event_trigger"
    assert postgres_database.execute(enabled) == [("audit", "A")]
    postgres_database.execute("CREATE TABLE logged ()")
    assert postgres_database.execute("SELECT max(id) FROM log") == [(2,)]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[Any]], int, int, Any, bool]:
    """Types, rows, and one value of them that becomes another one."""
    types = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=3))
    row = st.tuples(*(st.none() | TYPES[each] for each in types))
    rows = [list(each) for each in draw(st.lists(row, min_size=1, max_size=4))]
    chosen, column = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(types) - 1))
    return types, rows, chosen, column, draw(st.none() | TYPES[types[column]]), draw(st.booleans())


@settings(max_examples=30)
@given(told=tables())
def test_any_single_value_that_changes_is_found(bench: PostgresBench, told: Any) -> None:
    types, rows, chosen, column, value, keyed = told
    bench.make()
    one: Any = bench.one
    other: Any = bench.other
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(types))
    key = "id int PRIMARY KEY" if keyed else "id int"
    places = ", ".join(f"%s::{kind}" for kind in types)
    with one.transaction(force_rollback=True), other.transaction(force_rollback=True):
        for connection in (one, other):
            connection.execute("SET LOCAL TimeZone = 'UTC'")
            connection.execute(f"CREATE TABLE t ({key}, {columns})")
            for number, row in enumerate(rows):
                connection.execute(f"INSERT INTO t VALUES ({number}, {places})", row)
        assert compare(one, other, RowQuery([Pair("t", "t")], False), None) == ContentChange()
        told_as = f"SELECT c{column}::text FROM t WHERE id = {chosen}"
        was = other.execute(told_as).fetchone()
        other.execute(f"UPDATE t SET c{column} = %s::{types[column]} WHERE id = {chosen}", (value,))
        now = other.execute(told_as).fetchone()
        change = compare(one, other, RowQuery([Pair("t", "t")], False), None)
        found = {each: rows for each, (rows, _) in summary(change).items()}
        if types[column] == "numeric" and None not in (*was, *now):
            # 1.0 and 1.00 are one value.
            same = other.execute("SELECT %s::numeric = %s::numeric", (*was, *now)).fetchone()[0]
        else:
            same = was == now or {*was, *now} == {"0", "-0"}
        assert found == ({} if same else {f"c{column}": 1})
