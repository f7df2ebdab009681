"""What counts as changed by hand, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.analysis.drift import find_changed, keep_drift

SHOP = {
    "table loans": "",
    "column loans.id": "INTEGER",
    "column loans.due": "TEXT NOT NULL",
    "primary key loans(id)": "",
    "index ix_due on loans": "create index ix_due on loans (due)",
    "view open": "select 1",
    "trigger gone on loans": "create trigger gone ...",
}
KEYS = st.sampled_from(["table a", "column a.x", "column a.y", "index ix", "view v", "function f"])
ANY_SCHEMAS = st.dictionaries(KEYS, st.sampled_from(["", "INTEGER", "TEXT"]))
# A column is nowhere without its table.
SCHEMAS = ANY_SCHEMAS.map(
    lambda schema: (
        {"table a": ""} | schema if any(key.startswith("column") for key in schema) else schema
    )
)


def without(*keys: str) -> dict[str, str]:
    return {key: text for key, text in SHOP.items() if key not in keys}


def brief(then: dict[str, str], now: dict[str, str]) -> list[tuple[str, str]]:
    return [(each.key, each.fate) for each in find_changed(then, now)]


@pytest.mark.parametrize("key", [key for key in SHOP if not key.startswith("table")])
def test_each_object_is_named_that_was_removed_made_or_changed(key: str) -> None:
    assert brief(SHOP, without(key)) == [(key, "removed")]
    assert brief(without(key), SHOP) == [(key, "made")]
    [changed] = find_changed(SHOP, SHOP | {key: "another"})
    assert (changed.key, changed.fate, changed.was, changed.now) == (
        key,
        "changed",
        SHOP[key],
        "another",
    )


def test_what_is_on_a_new_or_lost_table_is_part_of_it() -> None:
    more = {
        "table notes": "STRICT",
        "column notes.id": "INTEGER",
        "index ix_notes on notes": "create index ix_notes on notes (id)",
        "privilege table notes to reader": "SELECT",
        "view short": "select 2",
        "privilege view short to reader": "SELECT",
    }
    for then, now, fate in ((SHOP, SHOP | more, "made"), (SHOP | more, SHOP, "removed")):
        assert brief(then, now) == [("table notes", fate), ("view short", fate)]
    [table, view] = find_changed(SHOP, SHOP | more)
    assert table.now.splitlines() == [
        "STRICT",
        "column notes.id: INTEGER",
        "index ix_notes on notes: create index ix_notes on notes (id)",
        "privilege table notes to reader: SELECT",
    ]
    assert view.now.splitlines()[1] == "privilege view short to reader: SELECT"


def test_two_changes_on_a_table_that_stays_are_two() -> None:
    now = without("index ix_due on loans") | {"column loans.note": "TEXT"}
    assert brief(SHOP, now) == [
        ("column loans.note", "made"),
        ("index ix_due on loans", "removed"),
    ]


@pytest.mark.parametrize(
    ("then", "now"),
    [
        # Partitions: tables of their own on PostgreSQL, a list in the table on MariaDB.
        ({}, {"table loans_2027": "PARTITION OF loans FOR VALUES FROM (1)",
              "column loans_2027.id": "integer", "privilege table loans_2027 to reader": "SELECT"}),
        # One that was detached, and kept.
        ({"table loans_2020": "PARTITION OF loans FOR VALUES FROM (0)", "index i": "create index i"
          " on loans_2020 USING btree (id)"}, {"table loans_2020": ""}),
        ({"table t": "engine=InnoDB PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (9))"},
         {"table t": "engine=InnoDB PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (9),"
          " PARTITION p1 VALUES LESS THAN (99))"}),
        ({"table t": "PARTITION BY HASH (id) PARTITIONS 4"},
         {"table t": "PARTITION BY HASH (id) PARTITIONS 8"}),
        # What only the planner and VACUUM go by.
        ({}, {"statistics s": "(d) id, due from loans"}),
        ({"table t": ""}, {"table t": "WITH (autovacuum_enabled=false, fillfactor=70)"}),
        ({"function f()": "() LANGUAGE sql STABLE COST 100 ROWS 0 BODY abc"},
         {"function f()": "() LANGUAGE sql STABLE COST 9 ROWS 7 BODY abc"}),
        ({"materialized view m": "select 1 WITH NO DATA"}, {"materialized view m": "select 1"}),
        # What a rebuild has left has a finding of its own.
        ({}, {"table _alembic_tmp_loans": "", "column _alembic_tmp_loans.id": "INTEGER"}),
    ],
)  # fmt: skip
def test_what_changes_by_itself_is_no_drift(then: dict[str, str], now: dict[str, str]) -> None:
    assert brief(SHOP | then, SHOP | now) == []
    assert brief(SHOP | now, SHOP | then) == []
    # Nor does it hide anything else.
    assert brief(SHOP | then, without("view open") | now) == [("view open", "removed")]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("engine=InnoDB PARTITION BY RANGE (id) (PARTITION p0)", "engine=InnoDB"),
        ("PARTITION BY RANGE (id) (PARTITION p0)", "PARTITION BY RANGE (due) (PARTITION p0)"),
        ("ROW SECURITY WITH (fillfactor=70)", "WITH (fillfactor=70)"),
    ],
)
def test_the_rest_of_a_table_counts(was: str, now: str) -> None:
    assert brief({"table t": was}, {"table t": now}) == [("table t", "changed")]


def test_a_recorded_schema_may_hold_anything() -> None:
    odd = {"": "", "nothing known": "x", "column ": "", "foreign key (": ")", "table": "'"}
    assert len(find_changed(odd, {})) == len(odd)
    assert find_changed(odd, odd) == []


@given(SCHEMAS, SCHEMAS, SCHEMAS)
def test_an_upgrade_keeps_the_drift_that_it_left_alone_and_no_other(
    recorded: dict[str, str], before: dict[str, str], after: dict[str, str]
) -> None:
    kept = keep_drift(recorded, before, after)
    for key in {*recorded, *before, *after}:
        was_drift = recorded.get(key) != before.get(key)
        left_alone = before.get(key) == after.get(key)
        expected = recorded if was_drift and left_alone else after
        assert kept.get(key) == expected.get(key)


@given(SCHEMAS, SCHEMAS)
def test_no_schema_differs_from_itself_and_each_difference_is_found_both_ways(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert find_changed(one, one) == []
    there, back = find_changed(one, other), find_changed(other, one)
    assert [each.key for each in there] == [each.key for each in back]
    opposite = {"made": "removed", "removed": "made", "changed": "changed"}
    assert [each.fate for each in there] == [opposite[each.fate] for each in back]
    assert bool(there) == (one != other)
