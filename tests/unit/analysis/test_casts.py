"""A CAST declares another type, and that all values survive it."""

from __future__ import annotations

import pytest

from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.analysis.row_changes import find_changes
from migrations_ops.analysis.statements.casts import assignments, uncast
from migrations_ops.child.protocol.events import OperationAsked, StatementRan, Traced
from migrations_ops.child.protocol.sql import tokens
from migrations_ops.databases.row_changes import ColumnChange, ContentChange, Pair, TableChange
from migrations_ops.model.fingerprint import Fingerprint


@pytest.mark.parametrize(
    ("expression", "inside"),
    [
        ("CAST(a AS integer)", "a"),
        ("cast((t.a) as double precision)", "t . a"),
        ("CONVERT(a, SIGNED)", "a"),
        ("CONVERT(`a` USING latin1)", "a"),
        ("a::int", "a"),
        ("(a::text)::timestamp(3) with time zone", "a"),
        ("a::pg_catalog.int4[]", "a"),
        ("CAST(a::text AS numeric(5, 1))", "a"),
        ("CAST(a || b AS integer)", "a || b"),
        ("f(a)::int", "f ( a )"),
    ],
)
def test_a_cast_is_read_as_what_it_casts(expression: str, inside: str) -> None:
    words, is_cast = uncast(tokens(expression, "mariadb" if "`" in expression else "postgresql"))
    assert (" ".join(word.text for word in words), is_cast) == (inside, True)


@pytest.mark.parametrize(
    "expression", ["a", "(t.a)", "a::int + 1", "CAST(a AS int) * 2", "f(a::int)", "a::int IS NULL",
                   "a::text COLLATE c", "CASE WHEN a THEN b::int END", "NULLIF(a, 'x')"]
)  # fmt: skip
def test_what_does_more_than_a_cast_is_none(expression: str) -> None:
    assert uncast(tokens(expression, "postgresql"))[1] is False


@pytest.mark.parametrize(
    ("statement", "sources"),
    [
        ("UPDATE t SET a = CAST(a AS integer)", {"a": ("a", True)}),
        ("UPDATE t SET a = t.a::int, b = 1, c = c::int + 1, d = (E), f = NULL WHERE e = a::int",
         {"a": ("a", True), "b": ("", False), "c": ("", False), "d": ("e", False),
          "f": ("", False)}),
        ("UPDATE t AS x SET a = x.b FROM u WHERE u.id = x.id", {"a": ("b", False)}),
        ("UPDATE t AS x SET a = u.a::int FROM u WHERE u.id = x.id", {"a": ("", True)}),
        ("UPDATE t JOIN u ON t.id = u.id SET t.a = u.b, t.c = s.t.d", {"a": ("", False),
          "c": ("d", False)}),
        ("UPDATE t SET (a, b) = (a::int, b::int)", {")": ("", False)}),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = a::int", {}),
        ("SELECT 1", {}),
    ],
)  # fmt: skip
def test_where_the_values_of_an_update_come_from_is_known(
    statement: str, sources: dict[str, tuple[str, bool]]
) -> None:
    assert assignments(tokens(statement, "postgresql")) == sources


FACTS = dict.fromkeys(("table t", "column t.id", "column t.a"), "")
SWAP = ("DROP TABLE t", "ALTER TABLE t2 RENAME TO t")
NEW = "CREATE TABLE t2 (id INTEGER, a INTEGER)"
LOST, KEPT, MEANT = "the change of its type", "none is lost", "as the revisions declare"
CAST = "would not survive a CAST"


@pytest.mark.parametrize(
    ("statements", "lossy", "survives"),
    [
        ((NEW, "INSERT INTO t2 SELECT id, CAST(a AS INTEGER) FROM t", *SWAP), LOST, KEPT),
        ((NEW, "INSERT INTO t2 (a, id) SELECT t.a::int, id FROM t", *SWAP), LOST, KEPT),
        (("CREATE TABLE t2 AS SELECT id, CAST(a AS INTEGER) AS a FROM t", *SWAP), LOST, KEPT),
        (("SELECT id, a::int INTO TEMP TABLE t2 FROM t", *SWAP), LOST, KEPT),
        (("SELECT id, abs(a::int) AS a INTO t2 FROM t", *SWAP), MEANT, MEANT),
        ((NEW, "INSERT INTO t2 SELECT * FROM t", "UPDATE t2 SET a = CAST(a AS INTEGER)", *SWAP),
         LOST, KEPT),
        ((NEW, "INSERT INTO t2 SELECT id, abs(CAST(a AS INTEGER)) FROM t", *SWAP), MEANT, MEANT),
        (("ALTER TABLE t ALTER a TYPE int USING a::int",), LOST, KEPT),
        (("ALTER TABLE t ALTER a TYPE int USING (CASE a WHEN 'x' THEN 1 ELSE 0 END)",), MEANT,
         MEANT),
        (("ALTER TABLE t MODIFY a INT",), LOST, KEPT),
        (("INSERT INTO t2 SELECT * FROM t", "DELETE FROM t",
          "INSERT INTO t (id, a) SELECT id, CAST(a AS INTEGER) FROM t2"), LOST, KEPT),
        (("UPDATE t SET a = CAST(a AS INTEGER)",), CAST, MEANT),
        (("UPDATE t SET a = CAST(a AS INTEGER)", "UPDATE t SET a = 1 WHERE a = 0"), MEANT, MEANT),
    ],
)  # fmt: skip
def test_values_that_do_not_survive_a_cast_are_lost(
    statements: tuple[str, ...], lossy: str, survives: str
) -> None:
    declared = read_declared(map(StatementRan, statements), FACTS, FACTS, "postgresql")
    for lost, words in ((1, lossy), (0, survives)):
        column = ColumnChange("a", 2, lost, "text became integer")
        change = ContentChange((TableChange(Pair("t", "t"), columns=(column,)),))
        [finding] = find_changes(change, declared, "prod")
        assert words in finding.message
        assert finding.severity == {LOST: "error", CAST: "warning"}.get(words, "note")


ADDED = "ALTER TABLE t ADD COLUMN b INTEGER"
NAMED = ("ALTER TABLE t DROP COLUMN a", "ALTER TABLE t RENAME COLUMN b TO a")


@pytest.mark.parametrize(
    ("statements", "lossy", "survives"),
    [
        ((ADDED, "UPDATE t SET b = CAST(a AS INTEGER)", *NAMED), LOST, KEPT),
        ((ADDED, "UPDATE t SET b = a WHERE id > 1", *NAMED), LOST, KEPT),
        ((ADDED, "UPDATE t SET b = a::int", "ALTER TABLE t RENAME b TO c", NAMED[0],
          "ALTER TABLE t RENAME c TO a"), LOST, KEPT),
        # Others decide what the new column has, or nothing does.
        ((ADDED, "UPDATE t SET b = abs(CAST(a AS INTEGER))", *NAMED), MEANT, MEANT),
        ((ADDED, "UPDATE t SET b = a::int", "UPDATE t SET b = 0 WHERE b IS NULL", *NAMED), MEANT,
         MEANT),
        ((ADDED, "UPDATE t SET b = a::int", *NAMED, "UPDATE t SET a = 0"), MEANT, MEANT),
        ((ADDED, "UPDATE t SET b = id", *NAMED), MEANT, MEANT),
        ((ADDED, *NAMED), MEANT, MEANT),
        (("ALTER TABLE t DROP COLUMN a", "ALTER TABLE t ADD COLUMN a INTEGER"), MEANT, MEANT),
    ],
)  # fmt: skip
def test_values_of_a_column_that_is_replaced_must_come_into_the_new_one(
    statements: tuple[str, ...], lossy: str, survives: str
) -> None:
    test_values_that_do_not_survive_a_cast_are_lost(statements, lossy, survives)


def test_keys_and_indexes_of_a_column_that_is_replaced_are_a_word_of_warning() -> None:
    before = {
        "table t": "", "column t.id": "integer", "column t.a": "text",
        "index ix": "create index ix on t using btree(a)", "unique t(a)": "CONSTRAINT uq",
        "check t: positive": "a > 0", "index iz": "create index iz on t using btree(a, id)",
    }  # fmt: skip
    columns = {"table t": "", "column t.id": "integer", "column t.a": "integer"}
    statements = (ADDED, "UPDATE t SET b = a::int", *NAMED)
    for more, lost in (
        ({}, {"lost-index:ix", "lost-unique:t(a)", "lost-check:t: positive", "lost-index:iz"}),
        (
            {"index other": "create unique index other on t using btree(a)",
             "check t: another": "a >= 0"},
            {"lost-index:iz"},
        ),
    ):  # fmt: skip
        after = columns | more
        declared = read_declared(map(StatementRan, statements), before, after, "postgresql")
        was, now = (Fingerprint((), schema, {}) for schema in (before, after))
        found = find_losses(was, now, declared, "prod")
        assert {f"{each.code}:{each.where}": each.severity for each in found} == dict.fromkeys(
            lost, "warning"
        )


def test_an_operation_with_an_expression_computes_the_values() -> None:
    """As SQLAlchemy sends it: the operation declares the type, the statement the values."""
    events: list[Traced] = [
        OperationAsked("alter_column", "t", "a", changes=("type",)),
        StatementRan("ALTER TABLE t ALTER COLUMN a TYPE INTEGER USING CASE a WHEN 'x' THEN 1 END"),
    ]
    declared = read_declared(events, FACTS, FACTS, "postgresql")
    assert declared.values_changed("t", "a") is None
    assert declared.rows_removed("t") == 0
