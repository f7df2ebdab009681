"""The content of PostgreSQL, value for value: any change is found, and nothing without one.

Both states stand in one database, each in a schema of its own: schemas are made in no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrations_ops.databases.postgresql.rows.comparison import compare, count, count_and_sum
from migrations_ops.databases.postgresql.schema.reading import read_tables
from migrations_ops.databases.row_changes import KEY_REWRITTEN, ContentChange, Pair
from tests.contract.databases.postgresql.support import VERSION_TABLE, fill, opened, restored
from tests.servers.databases import ServerDatabase, swept
from tests.servers.postgres import PostgresServer

Compared = Callable[..., ContentChange]


@contextmanager
def two_states(server: PostgresServer, name: str) -> Iterator[Compared]:
    with server.session(name) as one, server.session(name) as other:
        for connection, schema in ((one, "one"), (other, "other")):
            connection.execute(f"SET search_path = {schema}".encode())
            connection.execute("SET client_min_messages = warning")

        def run(before: str, statements: str, *pairs: Pair, orphans: bool = False) -> ContentChange:
            for connection, schema in ((one, "one"), (other, "other")):
                connection.execute(
                    f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; {before}"
                    f"{'; ' + statements if schema == 'other' else ''}".encode()
                )
            done: list[tuple[int, int]] = []
            told = pairs or [Pair("t", "t")]
            change = compare(one, other, told, lambda *each: done.append(each), orphans=orphans)
            assert all(part <= total for part, total in done)
            return change

        yield run


@pytest.fixture
def compared(postgres_database: ServerDatabase) -> Iterator[Compared]:
    """What is found after statements, on a copy of what others make."""
    assert isinstance(postgres_database.server, PostgresServer)
    with two_states(postgres_database.server, postgres_database.name) as run:
        yield run


def summary(change: ContentChange) -> dict[str, Any]:
    """Each changed column with its count, and the rows that are gone."""
    found: dict[str, Any] = {}
    for table in change.tables:
        found |= {column.column: (column.rows, column.lossy) for column in table.columns}
        if table.gone:
            found["gone"] = table.gone
    return found


KEYED = (
    "CREATE TABLE t (id serial PRIMARY KEY, a text, b numeric(10,2), c bytea);"
    r"INSERT INTO t VALUES (1, 'one', 1, '\x00'), (5, 'two', 1.5, '\x01'), (9, NULL, 2, NULL)"
)
NAMED = (
    "CREATE TABLE t (k text NOT NULL UNIQUE, a varchar(9));"
    "INSERT INTO t VALUES ('one', 'a'), ('two', 'b'), ('three', 'c')"
)
HEAP = "CREATE TABLE t (a text, b int); INSERT INTO t VALUES ('x', 1), ('y', 2), ('z', 3), ('z', 3)"
WIDE = (
    "CREATE TABLE t (id int PRIMARY KEY, a int, b text);"
    "INSERT INTO t SELECT n, n, 'text ' || n FROM generate_series(1, 20000) n"
)
CASES = [
    (KEYED, "UPDATE t SET a = 'ONE' WHERE id = 1", {"a": (1, 0)}),
    (KEYED, "UPDATE t SET a = 'eno' WHERE id = 1", {"a": (1, 1)}),
    (KEYED, "UPDATE t SET a = '' WHERE a IS NULL", {"a": (1, 1)}),
    (KEYED, "UPDATE t SET a = NULL", {"a": (2, 2)}),
    (KEYED, r"UPDATE t SET c = '\x0000' WHERE id = 1", {"c": (1, 1)}),
    (KEYED, "UPDATE t SET b = b + 0.01", {"b": (3, 3)}),
    (KEYED, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (2, 'one', 1, NULL)", {"gone": 1}),
    (KEYED, "UPDATE t SET id = id + 1", {"gone": 3}),
    (KEYED, "UPDATE t SET a = 'x', b = 9 WHERE id = 5; DELETE FROM t WHERE id = 9",
     {"a": (1, 1), "b": (1, 1), "gone": 1}),
    (KEYED, "INSERT INTO t VALUES (2); ALTER TABLE t ADD COLUMN d int DEFAULT 5", {}),
    (KEYED, "ALTER TABLE t DROP COLUMN c, ADD COLUMN c text", {"c": (2, 2)}),
    (KEYED, "UPDATE t SET a = a, b = b; CLUSTER t USING t_pkey", {}),
    # A key that is none any more, or another one.
    (KEYED, "ALTER TABLE t DROP CONSTRAINT t_pkey", {}),
    (KEYED, "ALTER TABLE t DROP CONSTRAINT t_pkey; INSERT INTO t VALUES (1, 'one', 2)", {}),
    (KEYED, "ALTER TABLE t DROP CONSTRAINT t_pkey; UPDATE t SET id = 1", {"id": (2, 2)}),
    (KEYED, "ALTER TABLE t DROP COLUMN id; ALTER TABLE t ADD id uuid DEFAULT gen_random_uuid()",
     {"id": (3, 3)}),
    (NAMED, "UPDATE t SET a = 'A' WHERE k = 'one'", {"a": (1, 0)}),
    (NAMED, "DELETE FROM t WHERE k = 'two'; INSERT INTO t VALUES ('four', 'b')", {"gone": 1}),
    (NAMED, "DELETE FROM t WHERE k = 'two'", {"gone": 1}),
    (NAMED, "TRUNCATE t", {"gone": 3}),
    (HEAP, "UPDATE t SET b = 9 WHERE a = 'y'", {"b": (1, 1)}),
    (HEAP, "UPDATE t SET b = 9 WHERE ctid = (SELECT max(ctid) FROM t)", {"b": (1, 1)}),
    (HEAP, "UPDATE t SET a = NULL WHERE a = 'z'", {"a": (2, 2)}),
    (HEAP, "DELETE FROM t WHERE a = 'x'", {"gone": 1}),
    (HEAP, "DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t)", {"gone": 1}),
    (HEAP, "DELETE FROM t WHERE a = 'x'; INSERT INTO t VALUES ('new', 4), ('newer', 5)",
     {"gone": 1}),
    (HEAP, "INSERT INTO t VALUES ('z', 3)", {}),
    (WIDE, "UPDATE t SET a = -1 WHERE id % 1000 = 0; DELETE FROM t WHERE id BETWEEN 7 AND 9",
     {"a": (20, 20), "gone": 3}),
    (WIDE, "UPDATE t SET b = b || '!'", {"b": (20000, 20000)}),
    (WIDE, "ALTER TABLE t ALTER id TYPE bigint, ALTER a TYPE numeric, ALTER b TYPE varchar(90)",
     {}),
    # Values that change places: a sum of hashes that are sums themselves would not notice.
    (KEYED, "UPDATE t SET a = CASE id WHEN 1 THEN 'two' ELSE 'one' END WHERE id < 9",
     {"a": (2, 2)}),
    (HEAP, "UPDATE t SET b = 3 - b WHERE b < 3", {"gone": 2}),
    ("CREATE TABLE t (a float8, b numeric, c int, id int PRIMARY KEY);"
     "INSERT INTO t VALUES (0, 0, 0, 0)",
     "UPDATE t SET a = NULL, b = NULL, c = NULL", {"a": (1, 1), "b": (1, 1), "c": (1, 1)}),
    # What is equal by the rules of its type is not the same.
    ("CREATE TABLE t (a interval); INSERT INTO t VALUES ('1 day')", "UPDATE t SET a = '24 hours'",
     {"a": (1, 1)}),
    ("CREATE COLLATION ci (provider = icu, locale = 'und', deterministic = false);"
     "CREATE TABLE t (id int PRIMARY KEY, a text COLLATE ci); INSERT INTO t VALUES (1, 'a')",
     "UPDATE t SET a = 'A'", {"a": (1, 0)}),
    ("CREATE TABLE t (a jsonb, b json); INSERT INTO t VALUES ('{\"a\": 1}', '{\"a\":1}')",
     "UPDATE t SET b = '{\"a\": 1}'", {"b": (1, 1)}),
    ("CREATE TABLE t (id int PRIMARY KEY, p point, b box, x tsvector, d bit(3), r int4range);"
     "INSERT INTO t VALUES (1, '(1,2)', '(1,2),(3,4)', 'a b', b'101', '[1,2)')",
     "UPDATE t SET p = '(1,3)', x = 'a'", {"p": (1, 1), "x": (1, 1)}),
    ("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, m mood);"
     "CREATE TABLE t (id mood PRIMARY KEY, a mood[], b pair);"
     "INSERT INTO t VALUES ('sad', '{happy}', '(1,sad)'), ('happy', NULL, NULL)",
     "ALTER TYPE mood ADD VALUE 'new' BEFORE 'happy'", {}),
    ("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE t (id mood PRIMARY KEY, a mood);"
     "INSERT INTO t VALUES ('sad', 'sad'), ('happy', 'sad')",
     "UPDATE t SET a = 'happy' WHERE id = 'sad'", {"a": (1, 1)}),
    ("CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t VALUES (1)",
     "UPDATE t SET a = 2", {"a": (1, 1)}),
    ('CREATE TABLE t ("K %s" int PRIMARY KEY, "a ""b""" text); INSERT INTO t VALUES (1, \'y\')',
     'UPDATE t SET "a ""b""" = \'z\'', {'a "b"': (1, 1)}),
    ("CREATE TABLE t (); INSERT INTO t DEFAULT VALUES", "DELETE FROM t", {"gone": 1}),
    ("CREATE TABLE t (a int); CREATE TABLE child () INHERITS (t); INSERT INTO child VALUES (1)",
     "DELETE FROM child", {}),
    ("CREATE TABLE t (a int PRIMARY KEY) PARTITION BY LIST (a);"
     "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 PARTITION OF t DEFAULT;"
     "INSERT INTO t VALUES (1), (2)", "DROP TABLE t1", {"gone": 1}),
    ("CREATE TABLE t (a int PRIMARY KEY, b int) PARTITION BY LIST (a);"
     "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 PARTITION OF t DEFAULT;"
     "INSERT INTO t VALUES (1, 1), (2, 2)", "UPDATE t2 SET b = 3", {"b": (1, 1)}),
]  # fmt: skip


@pytest.mark.parametrize("part", range(4))
def test_each_change_is_found_and_nothing_else(compared: Compared, part: int) -> None:
    for before, statements, found in CASES[part::4]:
        # Some servers are built without ICU.
        with suppress(psycopg.errors.FeatureNotSupported):
            assert summary(compared(before, statements)) == found, (before, statements)


CASTS = [
    ("text", "'12'", "integer", "a::int", {}),
    ("text", "'007'", "integer", "a::int", {"a": (1, 1)}),
    ("text", "'1.50'", "numeric(5,1)", "a::numeric", {"a": (1, 0)}),
    ("text", "'x'", "integer", "length(a)", {"a": (1, 1)}),
    ("text", "'yes'", "boolean", "a::boolean", {"a": (1, 0)}),
    ("text", "'yes'", "boolean", "NOT a::boolean", {"a": (1, 1)}),
    ("text", "'ABC'", "varchar(2)", "a::varchar(2)", {"a": (1, 1)}),
    ("text", "'x  '", "char(3)", "a", {"a": (1, 0)}),
    ("text", "'{\"b\":1}'", "jsonb", "a::jsonb", {"a": (1, 1)}),
    ("json", "'{\"b\":1}'", "jsonb", "a::jsonb", {}),
    ("varchar(10)", "'abc'", "text", "a", {}),
    ("integer", "7", "text", "a::text", {}),
    ("integer", "7", "numeric(10,3)", "a", {}),
    ("integer", "7", "float8", "a", {}),
    ("integer", "1", "boolean", "a::boolean", {"a": (1, 0)}),
    ("boolean", "true", "integer", "a::int", {"a": (1, 0)}),
    ("numeric(10,1)", "1.5", "numeric(10,3)", "a", {}),
    ("numeric(10,2)", "1.50", "integer", "a::int", {"a": (1, 1)}),
    ("numeric", "123456789012345678.9", "float8", "a", {"a": (1, 1)}),
    ("float4", "0.1", "float8", "a", {}),
    ("float8", "0.1", "float4", "a", {"a": (1, 1)}),
    ("float8", "0.5", "numeric", "a::numeric", {}),
    ("float8", "'NaN'", "numeric", "a::numeric", {}),
    ("date", "'2025-03-04'", "timestamp", "a", {}),
    ("timestamp", "'2025-03-04 10:11:12'", "date", "a::date", {"a": (1, 1)}),
    ("timestamp", "'2025-03-04 00:00'", "date", "a::date", {}),
    ("timestamp", "'2025-03-04 10:11:12'", "timestamptz", "a", {}),
    ("timestamptz", "'2025-03-04 10:11:12+05'", "timestamp", "a", {}),
    ("timestamp", "'2025-03-04 10:11:12'", "timestamptz", "a AT TIME ZONE 'Asia/Tokyo'",
     {"a": (1, 1)}),
    ("int[]", "'{1,2}'", "bigint[]", "a", {}),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "text", "upper(a::text)", {"a": (1, 0)}),
]  # fmt: skip


@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without a key"])
def test_what_a_new_type_keeps_is_told_from_what_it_destroys(
    compared: Compared, keyed: bool
) -> None:
    key = "id int PRIMARY KEY" if keyed else "id int"
    for was, value, now, using, found in CASTS:
        before = f"SET TimeZone = 'Asia/Kolkata'; CREATE TABLE t ({key}, a {was});"
        before += f"INSERT INTO t VALUES (1, {value}), (2, NULL)"
        change = compared(before, f"ALTER TABLE t ALTER a TYPE {now} USING {using}")
        assert summary(change) == found, (was, value, now)


def test_an_example_tells_kinds_and_lengths_and_never_a_value(compared: Compared) -> None:
    change = compared(
        KEYED, r"UPDATE t SET a = 0, c = '\x000000' WHERE id = 1;"
        "ALTER TABLE t ALTER b TYPE int"
    )  # fmt: skip
    examples = {column.column: column.example for column in change.tables[0].columns}
    assert examples == {
        "a": "text of 3 characters became text of 1 character",
        "b": "numeric became integer",
        "c": "bytea became bytea",
    }


def test_the_example_is_one_of_what_is_lost(compared: Compared) -> None:
    before = "CREATE TABLE t (id int PRIMARY KEY, a text);"
    before += "INSERT INTO t SELECT n, n || '.0' FROM generate_series(1, 99) n;"
    before += "INSERT INTO t VALUES (0, 'a word'), (100, '5.0')"
    whole = "CASE WHEN a ~ '^[0-9.]+$' THEN a::numeric::int ELSE 0 END"
    change = compared(before, f"ALTER TABLE t ALTER a TYPE int USING {whole}")
    [column] = change.tables[0].columns
    assert (column.rows, column.lossy) == (101, 1)
    assert column.example == "text of 6 characters became integer"


def test_a_renamed_table_and_column_are_compared_under_their_new_names(compared: Compared) -> None:
    statements = (
        'ALTER TABLE t RENAME TO "Other"; ALTER TABLE "Other" RENAME a TO "Z";'
        'ALTER TABLE "Other" RENAME id TO number;'
        """UPDATE "Other" SET "Z" = 'new' WHERE number = 1"""
    )
    change = compared(KEYED, statements, Pair("t", "Other", {"a": "z", "id": "number"}))
    assert summary(change) == {"a": (1, 1)}


def test_a_column_whose_name_another_one_has_taken_is_not_compared_with_it(
    compared: Compared,
) -> None:
    statements = "ALTER TABLE t DROP COLUMN a; ALTER TABLE t RENAME c TO a"
    assert summary(compared(KEYED, statements, Pair("t", "t", {"a": "", "c": "a"}))) == {}


def test_tables_of_other_schemas_are_compared_and_named_in_one_word(compared: Compared) -> None:
    before = (
        "CREATE SCHEMA IF NOT EXISTS audit; DROP TABLE IF EXISTS audit.t;"
        "CREATE TABLE audit.t (a int); CREATE TABLE t (a int)"
    )
    assert summary(compared(before, "SELECT 1", Pair("audit.t", "audit.t"), Pair("t", "t"))) == {}


def test_more_columns_than_one_answer_may_hold_are_compared(compared: Compared) -> None:
    names = [f"c{number}" for number in range(1100)]
    before = f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'{name} int' for name in names)});"
    before += "INSERT INTO t (id) VALUES (1)"
    statements = f"UPDATE t SET {', '.join(f'{name} = 1' for name in names)}"
    assert summary(compared(before, statements)) == dict.fromkeys(names, (1, 1))


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
        compare(one, other, [Pair("t", "t")], None, orphans=True)
        for connection in (one, other):
            assert connection.execute(settings).fetchall() == was
            with connection.transaction():
                connection.execute("INSERT INTO t VALUES (1)")
                shown = connection.execute("SHOW transaction_isolation").fetchone()
                assert shown == ("read committed",)


FAMILY = (
    "CREATE TABLE p (id int PRIMARY KEY);"
    "CREATE TABLE t (id int PRIMARY KEY, p int, q int);"
    "INSERT INTO p VALUES (1), (2), (3); INSERT INTO t VALUES (1, 1), (2, 2), (3, 99), (4, NULL);"
    "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES p NOT VALID"
)
VALID = FAMILY.replace("(3, 99), ", "").replace(" NOT VALID", "")


@pytest.mark.parametrize(
    ("before", "statements", "found"),
    [
        (FAMILY, "INSERT INTO p VALUES (4)", {}),
        (FAMILY, "DELETE FROM p WHERE id = 3", {}),
        (VALID, "ALTER TABLE t DROP CONSTRAINT fk; DELETE FROM p WHERE id = 2", {("t", "p"): 1}),
        (FAMILY, "ALTER TABLE t DROP CONSTRAINT fk; DELETE FROM p WHERE id = 2", {("t", "p"): 1}),
        (FAMILY, "ALTER TABLE t DROP CONSTRAINT fk; DELETE FROM p WHERE id = 2;"
         "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES p NOT VALID",
         {("t", "p"): 1}),
        (FAMILY, "ALTER TABLE t DROP CONSTRAINT fk", {}),
        # What the server itself was told not to look at.
        (VALID, "SET session_replication_role = replica; DELETE FROM p WHERE id = 1;"
         "RESET session_replication_role", {("t", "p"): 1}),
        (VALID, "ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET p = 9 WHERE id = 2",
         {("t", "p"): 1}),
        (VALID, "ALTER TABLE t DROP CONSTRAINT fk, ALTER p TYPE text; DELETE FROM p WHERE id = 2",
         {("t", "p"): 1}),
        (VALID, "ALTER TABLE t DROP COLUMN p; DELETE FROM p", {}),
        (VALID, "ALTER TABLE t DROP CONSTRAINT fk; DROP TABLE p", {}),
        (VALID, "DELETE FROM t; DELETE FROM p", {}),
    ],
)  # fmt: skip
def test_only_orphans_that_were_none_before_are_told(
    compared: Compared, before: str, statements: str, found: dict[tuple[str, str], int]
) -> None:
    pairs = [Pair("t", "t"), Pair("p", "p")]
    assert orphans_in(compared(before, statements, *pairs, orphans=True)) == found


def orphans_in(change: ContentChange) -> dict[tuple[str, str], int]:
    """Those of the second state alone: the tables of the first one are there, too."""
    return {key: rows for key, rows in change.orphans.items() if not key[0].startswith("one.")}


def test_old_orphans_stay_old_under_new_names(compared: Compared) -> None:
    statements = "ALTER TABLE t RENAME TO kids; ALTER TABLE kids RENAME p TO parent"
    pairs = [Pair("t", "kids", {"p": "parent"}), Pair("p", "p")]
    assert orphans_in(compared(FAMILY, statements, *pairs, orphans=True)) == {}
    lost = f"{statements}; ALTER TABLE kids DROP CONSTRAINT fk; DELETE FROM p WHERE id = 1"
    change = compared(FAMILY, lost, *pairs, orphans=True)
    assert orphans_in(change) == {("kids", "p"): 1}


COUNTING = (
    "CREATE TABLE t (id serial PRIMARY KEY, a text);"
    "INSERT INTO t (a) VALUES ('a'), ('b'), ('c'); DELETE FROM t WHERE id = 3"
)
ANEW = "ALTER TABLE t RENAME TO o; CREATE TABLE t (id {} PRIMARY KEY, a text);" + (
    "INSERT INTO t OVERRIDING SYSTEM VALUE SELECT * FROM o; DROP TABLE o"
)


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (ANEW.format("serial"), {"t": (4, 1)}),
        (ANEW.format("int GENERATED ALWAYS AS IDENTITY"), {"t": (4, 1)}),
        (f"{ANEW.format('serial')}; SELECT setval('t_id_seq1', 2)", {"t": (4, 3)}),
        (f"{ANEW.format('serial')}; SELECT setval('t_id_seq1', 3)", {}),
        ("ALTER SEQUENCE t_id_seq RESTART", {"t": (4, 1)}),
        ("ALTER TABLE t RENAME id TO number; ALTER SEQUENCE t_id_seq RESTART", {"t": (4, 1)}),
        ("TRUNCATE t", {}),
        ("TRUNCATE t RESTART IDENTITY", {"t": (4, 1)}),
        ("INSERT INTO t (a) VALUES ('d')", {}),
        # That it does not count any more is told by the schema.
        (ANEW.format("int"), {}),
        # It counts for the first time, and there are ids already.
        ("ALTER TABLE t ADD number int; UPDATE t SET number = id;"
         "CREATE SEQUENCE s; ALTER TABLE t ALTER number SET DEFAULT nextval('s')", {"t": (3, 1)}),
    ],
)  # fmt: skip
def test_a_sequence_that_goes_back_is_told(
    compared: Compared, statements: str, found: dict[str, tuple[int, int]]
) -> None:
    renamed = {"id": "number"} if "RENAME id" in statements else {}
    assert compared(COUNTING, statements, Pair("t", "t", renamed)).sequences == found


def test_counts_and_checksums_are_those_of_a_restored_copy(
    any_postgres: ServerDatabase, tmp_path: Path
) -> None:
    fill(any_postgres)
    any_postgres.execute("INSERT INTO audit.loans (second_id, mood, mail, who, due)"
                         " VALUES (2, 'happy', 'a@b.c', '(1,x,y)', '2026-01-01')")  # fmt: skip
    any_postgres.execute("SELECT lo_create(0), nextval('audit.numbers')")
    with opened(any_postgres) as one, opened(any_postgres, restored(any_postgres, tmp_path)) as two:
        tables = read_tables(one, VERSION_TABLE)
        done: list[tuple[int, int]] = []
        rows, sums = count_and_sum(one, tables, lambda *each: done.append(each))
        assert (rows["parents"], rows["events"], rows["audit.loans"]) == (2, 2, 1)
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1]
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
        assert compare(before, after, pairs, None, orphans=True) == ContentChange()
        after.execute("UPDATE parents SET code = 'z' WHERE id = 2")
        change = compare(before, after, pairs, None, orphans=True)
        assert summary(change) == {"code": (1, 1)}
        after.execute("ALTER TABLE parents RENAME code TO label")
        pairs = [pair for pair in pairs if pair.before != "parents"]
        assert compare(before, after, pairs, None, orphans=True) == ContentChange()
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
        change = compare(one, other, pairs, None, orphans=False)
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


@pytest.fixture(scope="module")
def states(postgres: PostgresServer) -> Iterator[tuple[Any, Any]]:
    with swept(postgres):
        name = postgres.create_database()
        with postgres.session(name) as one, postgres.session(name) as other:
            one.execute("CREATE SCHEMA one; SET search_path = one")
            other.execute("CREATE SCHEMA other; SET search_path = other")
            yield one, other


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(told=tables())
def test_any_single_value_that_changes_is_found(states: tuple[Any, Any], told: Any) -> None:
    types, rows, chosen, column, value, keyed = told
    one, other = states
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(types))
    key = "id int PRIMARY KEY" if keyed else "id int"
    places = ", ".join(f"%s::{kind}" for kind in types)
    with one.transaction(force_rollback=True), other.transaction(force_rollback=True):
        for connection in states:
            connection.execute("SET LOCAL TimeZone = 'UTC'")
            connection.execute(f"CREATE TABLE t ({key}, {columns})")
            for number, row in enumerate(rows):
                connection.execute(f"INSERT INTO t VALUES ({number}, {places})", row)
        assert compare(one, other, [Pair("t", "t")], None, orphans=False) == ContentChange()
        told_as = f"SELECT c{column}::text FROM t WHERE id = {chosen}"
        was = other.execute(told_as).fetchone()
        other.execute(f"UPDATE t SET c{column} = %s::{types[column]} WHERE id = {chosen}", (value,))
        now = other.execute(told_as).fetchone()
        change = compare(one, other, [Pair("t", "t")], None, orphans=False)
        found = {each: rows for each, (rows, _) in summary(change).items()}
        if types[column] == "numeric" and None not in (*was, *now):
            # 1.0 and 1.00 are one value.
            same = other.execute("SELECT %s::numeric = %s::numeric", (*was, *now)).fetchone()[0]
        else:
            same = was == now or {*was, *now} == {"0", "-0"}
        assert found == ({} if same else {f"c{column}": 1})


UUIDS = (
    "CREATE TABLE t (id text PRIMARY KEY, v text, w text);"
    "INSERT INTO t VALUES ('c-1', '007', 'x'), ('a-2', 'abc', 'y'), ('b-3', '12', 'z')"
)
NEW_IDS = "UPDATE t SET id = substr(id, 3) || id"
AS_INTEGER = (
    "ALTER TABLE t ALTER v TYPE integer USING CASE WHEN v ~ '^[0-9]+$' THEN v::integer ELSE 0 END"
)


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ("SELECT 1", {}),
        (NEW_IDS, {"id": (3, 3)}),
        (f"{NEW_IDS}; UPDATE t SET w = 'x'", {"id": (3, 3), "w": (2, 2)}),
        (f"{NEW_IDS}; {AS_INTEGER}", {"id": (3, 3), "v": (2, 2)}),
        (f"{NEW_IDS}; DELETE FROM t WHERE w = 'y'", {"gone": 1}),
        (f"{NEW_IDS}; DELETE FROM t WHERE w = 'y'; {AS_INTEGER}", {"gone": 2}),
    ],
)
def test_rows_are_compared_though_their_keys_are_rewritten(
    compared: Compared, statements: str, found: dict[str, Any]
) -> None:
    change = compared(UUIDS, statements, Pair("t", "t", rewritten=frozenset({"id"})))
    assert summary(change) == found
    assert [each.not_compared for each in change.tables] == [KEY_REWRITTEN] * bool(found)
