"""The rows, value for value, on every engine: any change is found, and nothing without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrations_ops.databases.row_changes import KEY_REWRITTEN, ContentChange, Pair
from tests.contract.databases.bench import (
    Bench,
    SqliteBench,
    maria_bench,
    orphans_in,
    postgres_bench,
    summary,
)
from tests.contract.databases.content_cases import ALIKE, CASES, KEYED, REWRITTEN, TYPES, rebuilt
from tests.contract.databases.engines import ENGINES


@pytest.fixture(scope="module", params=ENGINES)
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    if request.param == "sqlite":
        yield SqliteBench(tmp_path_factory.mktemp("bench"))
    elif request.param == "postgresql":
        with postgres_bench(request.getfixturevalue("postgres")) as on_postgres:
            yield on_postgres
    else:
        with maria_bench(request.getfixturevalue("mariadb")) as on_maria:
            yield on_maria


def test_each_change_is_found_and_nothing_else(bench: Bench) -> None:
    wrong = []
    for before, changes, expected in ALIKE:
        if (found := summary(bench.alike(before, changes))) != expected:
            wrong.append((before, changes, found))
    assert wrong == []


@pytest.mark.parametrize("part", range(2))
def test_so_is_each_of_the_engine_s_own(bench: Bench, part: int) -> None:
    wrong = []
    for before, changes, expected in CASES[bench.engine][part::2]:
        try:
            found = summary(bench.compared(before, changes))
        except psycopg.errors.FeatureNotSupported:
            continue  # some servers are built without ICU
        if found != expected:
            wrong.append((before, changes, found))
    assert wrong == []


def test_a_table_that_is_in_one_of_both_only_is_left_to_others(bench: Bench) -> None:
    if bench.engine == "sqlite":
        pytest.skip("nobody drops a table of a file between its schema and its rows")
    assert bench.alike(KEYED, "DROP TABLE t") == ContentChange()


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["with a key", "without a key"])
def test_what_a_new_type_keeps_is_distinguished_from_what_it_destroys(
    bench: Bench, key: str
) -> None:
    before, changes, pairs = [], [], []
    for number, (was, value, now, using, _) in enumerate(TYPES[bench.engine]):
        before.append(f"CREATE TABLE t{number} (id INTEGER {key}, a {was})")
        more = "" if "NOT NULL" in now else ", (2, NULL)"
        before.append(f"INSERT INTO t{number} VALUES (1, {value}){more}")
        changes.append(_retyped(bench.engine, f"t{number}", key, now, using))
        pairs.append(Pair(f"t{number}", f"t{number}"))
    if bench.engine == "postgresql":
        before.insert(0, "SET TimeZone = 'Asia/Kolkata'")
    change = bench.compared(";".join(before), ";".join(changes), *pairs, orphans=False)
    found = {each.pair.before: summary(ContentChange((each,))) for each in change.tables}
    wanted = {f"t{number}": case[4] for number, case in enumerate(TYPES[bench.engine]) if case[4]}
    assert found == wanted


def _retyped(engine: str, table: str, key: str, now: str, using: str) -> str:
    if engine == "postgresql":
        return f"ALTER TABLE {table} ALTER a TYPE {now} USING {using}"
    if engine == "mariadb":
        return f"ALTER TABLE {table} MODIFY a {now}"
    return (
        rebuilt(f"id INTEGER {key}, a {now}", f"id, CAST(a AS {now})")
        .replace("_t", f"_{table}")
        .replace(" t", f" {table}")
    )


EXAMPLES = {
    "sqlite": "blob of 1 byte became blob of 2 bytes",
    "postgresql": "bytea became bytea",
    "mariadb": "blob of 1 byte became blob of 2 bytes",
}


def test_an_example_tells_kinds_and_lengths_and_never_a_value(bench: Bench) -> None:
    [table] = bench.alike(KEYED, "UPDATE t SET a = 'x', c = X'0001' WHERE id = 1").tables
    assert {column.column: column.example for column in table.columns} == {
        "a": "text of 3 characters became text of 1 character",
        "c": EXAMPLES[bench.engine],
    }


def test_tables_and_columns_are_followed_to_their_new_names(bench: Bench) -> None:
    changes = (
        'ALTER TABLE t RENAME TO "Other"; ALTER TABLE "Other" RENAME COLUMN a TO "Z";'
        'ALTER TABLE "Other" RENAME COLUMN id TO number;'
        """UPDATE "Other" SET "Z" = 'new' WHERE number = 1"""
    )
    change = bench.alike(KEYED, changes, Pair("t", "Other", {"a": "z", "id": "number"}))
    assert summary(change) == {"a": (1, 1)}


def test_a_column_whose_name_another_one_has_taken_is_not_compared_with_it(bench: Bench) -> None:
    changes = "ALTER TABLE t DROP COLUMN a; ALTER TABLE t RENAME COLUMN c TO a"
    assert summary(bench.alike(KEYED, changes, Pair("t", "t", {"a": "", "c": "a"}))) == {}


def test_more_columns_than_one_answer_may_hold_are_compared(bench: Bench) -> None:
    count = {"sqlite": 1500, "postgresql": 1100, "mariadb": 400}[bench.engine]
    names = [f"c{number}" for number in range(count)]
    before = (
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(f'{each} INT' for each in names)});"
    )
    changes = f"UPDATE t SET {', '.join(f'{name} = 1' for name in names)}"
    found = summary(bench.compared(f"{before} INSERT INTO t (id) VALUES (1)", changes))
    assert found == dict.fromkeys(names, (1, 1))


def test_rows_are_compared_though_their_keys_are_rewritten(bench: Bench) -> None:
    pair = Pair("t", "t", rewritten=frozenset({"id"}))
    for before, changes, found, told in REWRITTEN[bench.engine]:
        change = bench.compared(before, changes, pair)
        assert summary(change) == found, (before, changes)
        wanted = [KEY_REWRITTEN if told else ""] if found or told else []
        assert [each.not_compared for each in change.tables] == wanted, (before, changes)


# -- rows that lose their parents ---------------------------------------------------------------

FAMILY = (
    "CREATE TABLE p (id INTEGER PRIMARY KEY);"
    "CREATE TABLE t (id INTEGER PRIMARY KEY, q INTEGER, p INTEGER, CONSTRAINT fk FOREIGN KEY (p)"
    " REFERENCES p (id));"
    "INSERT INTO p VALUES (1), (2), (3); INSERT INTO t (id, p) VALUES (1, 1), (2, 2), (4, NULL)"
)
BOTH = (Pair("t", "t"), Pair("p", "p"))
KIDS = (Pair("t", "kids", {"p": "parent"}), Pair("p", "p"))
RENAMED = "ALTER TABLE t RENAME TO kids; ALTER TABLE kids RENAME COLUMN p TO parent"


UNTIED = "ALTER TABLE t DROP CONSTRAINT fk"


def unchecked(bench: Bench, sql: str) -> str:
    """Statements of which the server was told not to look after foreign keys."""
    if bench.engine != "postgresql" or not sql:
        return sql
    return f"SET session_replication_role = replica; {sql}; RESET session_replication_role"


@pytest.mark.parametrize(
    ("before", "changes", "pairs", "found"),
    [
        ("", "", BOTH, {}),
        ("", "INSERT INTO p VALUES (4)", BOTH, {}),
        ("", "DELETE FROM p WHERE id = 3", BOTH, {}),
        ("", "DELETE FROM p", BOTH, {("t", "p"): 2}),
        ("", "UPDATE t SET p = 9 WHERE id = 2", BOTH, {("t", "p"): 1}),
        ("", "DELETE FROM t; DELETE FROM p", BOTH, {}),
        ("DELETE FROM p WHERE id = 1", "", BOTH, {}),
        ("DELETE FROM p WHERE id = 1", "DELETE FROM p WHERE id = 2", BOTH, {("t", "p"): 1}),
        ("DELETE FROM p", RENAMED, KIDS, {}),
        ("DELETE FROM p WHERE id = 1", f"{RENAMED}; DELETE FROM p", KIDS, {("kids", "p"): 1}),
    ],
)  # fmt: skip
def test_only_orphans_that_were_none_before_are_reported(
    bench: Bench,
    before: str,
    changes: str,
    pairs: tuple[Pair, ...],
    found: dict[tuple[str, str], int],
) -> None:
    if bench.engine == "postgresql" and before:
        # A key that was validated is believed to have had no orphans.
        anew = "ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES p NOT VALID"
        before = f"{UNTIED}; {before}; ALTER TABLE t {anew}"
    first = f"{FAMILY};{before}"
    assert orphans_in(bench.compared(first, unchecked(bench, changes), *pairs)) == found


OWN_ORPHANS = {
    "postgresql": [
        ("", f"{UNTIED}; DELETE FROM p WHERE id = 2", {("t", "p"): 1}),
        ("ALTER TABLE t ALTER CONSTRAINT fk DEFERRABLE", UNTIED, {}),
        (f"{UNTIED}; INSERT INTO t VALUES (3, 99); ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (p)"
         " REFERENCES p NOT VALID", f"{UNTIED}; DELETE FROM p WHERE id = 2; ALTER TABLE t ADD"
         " CONSTRAINT fk FOREIGN KEY (p) REFERENCES p NOT VALID", {("t", "p"): 1}),
        ("", "ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET p = 9 WHERE id = 2", {("t", "p"): 1}),
        ("", f"{UNTIED}, ALTER p TYPE text; DELETE FROM p WHERE id = 2", {("t", "p"): 1}),
        ("", "ALTER TABLE t DROP COLUMN p; DELETE FROM p", {}),
        ("", f"{UNTIED}; DROP TABLE p", {}),
    ],
    "mariadb": [
        ("", "ALTER TABLE t DROP FOREIGN KEY fk; DELETE FROM p", {}),
        # A missing part of a key of several columns refers to nothing.
        ("CREATE TABLE parents (a INT, b INT, PRIMARY KEY (a, b));"
         "ALTER TABLE t DROP FOREIGN KEY fk; ALTER TABLE t ADD FOREIGN KEY (p, q) REFERENCES"
         " parents (a, b)", "UPDATE t SET q = 1 WHERE id IN (2, 4)", {("t", "parents"): 1}),
    ],
    "sqlite": [],
}  # fmt: skip


def test_so_are_those_of_the_engine_s_own_ways(bench: Bench) -> None:
    for before, changes, found in OWN_ORPHANS[bench.engine]:
        change = bench.compared(f"{FAMILY};{before}", changes, *BOTH)
        assert orphans_in(change) == found, (before, changes)


# -- numbers that would be given again ----------------------------------------------------------

_PG_COUNTING = (
    "CREATE TABLE t (id serial PRIMARY KEY, a text);"
    "INSERT INTO t (a) VALUES ('a'), ('b'), ('c'); DELETE FROM t WHERE id = 3"
)
_PG_ANEW = "ALTER TABLE t RENAME TO o; CREATE TABLE t (id {} PRIMARY KEY, a text);" + (
    "INSERT INTO t OVERRIDING SYSTEM VALUE SELECT * FROM o; DROP TABLE o"
)
_LITE_COUNTING = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a);"
    "INSERT INTO t VALUES (1, 'a'), (7, 'b'); DELETE FROM t WHERE id = 7"
)
_LITE_ANEW = rebuilt("id INTEGER PRIMARY KEY AUTOINCREMENT, a", "*")
_MARIA_COUNTING = (
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT); CREATE SEQUENCE q CACHE 1;"
    "DO SETVAL(q, 9); INSERT INTO t VALUES (9); DELETE FROM t"
)
# That it does not count any more is told by the schema.
COUNTING = {
    "postgresql": (_PG_COUNTING, [
        (_PG_ANEW.format("serial"), {"t": (4, 1)}),
        (_PG_ANEW.format("int GENERATED ALWAYS AS IDENTITY"), {"t": (4, 1)}),
        (f"{_PG_ANEW.format('serial')}; SELECT setval('t_id_seq1', 2)", {"t": (4, 3)}),
        (f"{_PG_ANEW.format('serial')}; SELECT setval('t_id_seq1', 3)", {}),
        ("ALTER SEQUENCE t_id_seq RESTART", {"t": (4, 1)}),
        ("ALTER TABLE t RENAME id TO number; ALTER SEQUENCE t_id_seq RESTART", {"t": (4, 1)}),
        ("TRUNCATE t", {}),
        ("TRUNCATE t RESTART IDENTITY", {"t": (4, 1)}),
        ("INSERT INTO t (a) VALUES ('d')", {}),
        (_PG_ANEW.format("int"), {}),
        # It counts for the first time, and there are ids already.
        ("ALTER TABLE t ADD number int; UPDATE t SET number = id;"
         "CREATE SEQUENCE s; ALTER TABLE t ALTER number SET DEFAULT nextval('s')", {"t": (3, 1)}),
    ]),
    "mariadb": (_MARIA_COUNTING, [
        ("ALTER TABLE t AUTO_INCREMENT = 4", {"t": (10, 4)}),
        ("INSERT INTO t VALUES (20)", {}),
        ("ALTER TABLE t MODIFY id INT", {}),
        ("ALTER SEQUENCE q RESTART 5", {"q": (10, 5)}),
    ]),
    "sqlite": (_LITE_COUNTING, [
        (_LITE_ANEW, {"t": (8, 2)}),
        (f"DELETE FROM t; {_LITE_ANEW}", {"t": (8, 1)}),
        ("INSERT INTO t (a) VALUES ('c')", {}),
        ("DELETE FROM t", {}),
        (rebuilt("id INTEGER PRIMARY KEY, a", "*"), {}),
    ]),
}  # fmt: skip


def test_a_sequence_that_goes_back_is_reported(bench: Bench) -> None:
    before, cases = COUNTING[bench.engine]
    for changes, found in cases:
        renamed = {"id": "number"} if "RENAME id" in changes else {}
        assert bench.compared(before, changes, Pair("t", "t", renamed)).sequences == found, changes


# -- anything at all ----------------------------------------------------------------------------

VALUES = st.none() | st.sampled_from(["", "a", "A", "a ", "é", "e", "1", "01", "-"])
ROWS = st.dictionaries(st.integers(1, 4), st.tuples(VALUES, VALUES), max_size=4)


@given(before=ROWS, after=ROWS, keyed=st.booleans())
@settings(max_examples=25)
def test_what_is_found_is_what_python_finds(
    bench: Bench,
    before: dict[int, tuple[str | None, str | None]],
    after: dict[int, tuple[str | None, str | None]],
    keyed: bool,
) -> None:
    keyed |= bench.engine != "mariadb"  # the others know rows without a key by their places
    table = f"CREATE TABLE t (id INTEGER {'PRIMARY KEY' if keyed else ''}, a VARCHAR(9), b TEXT)"
    change = bench.compared(f"{table};{_inserted(before)}", f"DELETE FROM t;{_inserted(after)}")
    if not keyed:
        lost = Counter((key, *row) for key, row in before.items())
        gone = (lost - Counter((key, *row) for key, row in after.items())).total()
        assert summary(change) == ({"gone": gone} if gone else {})
        return
    both = [key for key in before if key in after]
    wanted = {
        name: sum(before[key][n] != after[key][n] for key in both) for n, name in enumerate("ab")
    }
    wanted |= {"gone": len(before) - len(both)}
    found = {name: each if name == "gone" else each[0] for name, each in summary(change).items()}
    assert found == {name: count for name, count in wanted.items() if count}


def _inserted(rows: dict[int, tuple[str | None, str | None]]) -> str:
    told = {
        key: ["NULL" if each is None else f"'{each}'" for each in row] for key, row in rows.items()
    }
    return ";".join(f"INSERT INTO t VALUES ({key}, {', '.join(row)})" for key, row in told.items())
