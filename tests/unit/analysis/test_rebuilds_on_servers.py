"""What a rebuild by hand loses on a server, in the facts that the servers print."""

from __future__ import annotations

import pytest

from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.child.protocol.events import StatementRan
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.model.fingerprint import Fingerprint

SWAP = ("DROP TABLE t", "ALTER TABLE t2 RENAME TO t")


def errors(
    syntax: Syntax, before: dict[str, str], after: dict[str, str], *statements: str
) -> set[str]:
    """The errors after these statements and the swap of both tables, as ``code:where``."""
    events = [StatementRan(each) for each in (*statements, *SWAP)]
    declared = read_declared(events, before, after, syntax)
    was, now = (Fingerprint((), schema, {}) for schema in (before, after))
    found = find_losses(was, now, declared, "prod")
    return {f"{each.code}:{each.where}" for each in found if each.severity == "error"}


LATIN = "engine = innodb default charset = latin1 collate = latin1_bin"
UNICODE = "engine = innodb default charset = utf8mb4 collate = utf8mb4_general_ci"


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("CREATE TABLE t2 (a INT)", True),
        ("CREATE TABLE t2 AS SELECT a COLLATE utf8mb4_bin AS a FROM t", True),
        ("CREATE TABLE t2 (a VARCHAR(9) COLLATE utf8mb4_bin)", True),
        ("CREATE TABLE t2 (a INT) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4", False),
        ("CREATE TABLE t2 COLLATE utf8mb4_bin AS SELECT a FROM t", False),
    ],
)
def test_a_collation_that_a_new_table_does_not_name_is_lost(statement: str, lost: bool) -> None:
    found = errors("mariadb", {"table t": LATIN}, {"table t": UNICODE}, statement)
    assert found == ({"weakened-table:t"} if lost else set())
    assert errors("mariadb", {"table t": LATIN}, {"table t": LATIN}, statement) == set()


@pytest.mark.parametrize(
    ("was", "now", "lost"),
    [
        ("int NOT NULL DEFAULT nextval('t_id_seq')", "int NOT NULL IDENTITY BY DEFAULT", False),
        ("int NOT NULL IDENTITY BY DEFAULT", "int NOT NULL DEFAULT nextval('t2_id_seq')", False),
        ("int NOT NULL DEFAULT nextval('t_id_seq')", "int NOT NULL", True),
        ("int NOT NULL IDENTITY ALWAYS", "int NOT NULL DEFAULT 0", True),
        ("int NOT NULL AUTO_INCREMENT", "int NOT NULL DEFAULT nextval(s)", False),
        ("int NOT NULL AUTO_INCREMENT", "int NOT NULL", True),
        ("int DEFAULT 1", "int DEFAULT 2", False),
        ("int DEFAULT 1", "int", True),
        ("int COMMENT 'a'", "int", True),
        ("timestamp DEFAULT 1 ON UPDATE current_timestamp()", "timestamp DEFAULT 1", True),
    ],
)
def test_a_column_keeps_its_default_and_counts_in_whichever_way(
    was: str, now: str, lost: bool
) -> None:
    schemas = [{"table t": "", "column t.id": each} for each in (was, now)]
    schemas[0]["sequence t_id_seq"] = "AS integer START 1 OWNED BY t.id"
    found = errors("postgresql", schemas[0], schemas[1], "CREATE TABLE t2 (id int)")
    assert bool(found) == lost
    assert all(each.endswith(":t.id") for each in found)


def test_a_column_of_an_old_key_need_not_be_there_under_another_key() -> None:
    before = {"table t": "", "column t.a": "int NOT NULL", "column t.b": "int",
              "primary key t(a)": ""}  # fmt: skip
    after = {"table t": "", "column t.a": "int", "column t.b": "int"}
    for keys, lost in (
        ({"primary key t(b)": ""}, set[str]()),
        ({}, {"weakened-column:t.a", "lost-primary-key:t(a)"}),
    ):
        assert errors("postgresql", before, after | keys, "CREATE TABLE t2 (a int)") == lost


@pytest.mark.parametrize(
    ("new", "lost"),
    [
        ({"index other": "create index other on t using btree(a)"}, set()),
        ({"index other": "create unique index other on t using btree(a)"}, set()),
        ({"unique t(a)": "CONSTRAINT u"}, set()),
        ({"index other": "create index other on t using btree(b)"}, {"lost-index:ix"}),
        ({"index other": "create index other on t using btree(a) where (b > 1)"},
         {"lost-index:ix"}),
        ({"index other": "create index other on t using gin(a)"}, {"lost-index:ix"}),
        ({}, {"lost-index:ix"}),
    ],
)  # fmt: skip
def test_an_index_may_have_another_name(new: dict[str, str], lost: set[str]) -> None:
    columns = {"table t": "", "column t.a": "int", "column t.b": "int"}
    before = columns | {"index ix": "create index ix on t using btree(a)"}
    assert errors("postgresql", before, columns | new, "CREATE TABLE t2 (LIKE t)") == lost


def test_a_unique_index_is_replaced_by_a_unique_one_alone() -> None:
    columns = {"table t": "", "column t.a": "int"}
    before = columns | {"index ix": "create unique index ix on t using btree(a)"}
    for unique, lost in (("", {"lost-index:ix"}), ("unique ", set[str]())):
        new = {"index iy": f"create {unique}index iy on t using btree(a)"}
        assert errors("postgresql", before, columns | new, "CREATE TABLE t2 (LIKE t)") == lost


def test_what_select_star_does_not_find_is_not_left_out_on_purpose() -> None:
    """MariaDB leaves invisible columns out."""
    before = {"table t": "", "column t.a": "int", "column t.b": "int INVISIBLE"}
    after = {"table t": "", "column t.a": "int"}
    star, written = "CREATE TABLE t2 AS SELECT * FROM t", "CREATE TABLE t2 AS SELECT a FROM t"
    assert errors("mariadb", before, after, star) == {"lost-column:t.b"}
    assert errors("mariadb", before, after, written) == set()


def test_a_check_that_the_server_named_is_known_by_what_it_checks() -> None:
    columns = {"table t": "", "column t.a": "int", "column t.b": "int"}
    before = columns | {"check t: CONSTRAINT_1": "a > 0"}
    for condition, lost in (
        ("b > 0", {"lost-check:t: CONSTRAINT_1"}), ("a >= 0", set[str]()),
    ):  # fmt: skip
        after = columns | {"check t: CONSTRAINT_1": condition}
        assert errors("mariadb", before, after, "CREATE TABLE t2 (a INT, b INT)") == lost
