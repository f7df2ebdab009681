"""How long a table was blocked is read from the locks of a run."""

from __future__ import annotations

from migrations_ops.analysis.blocked import blocked_tables, strongest, without_weaker
from migrations_ops.child.protocol.events import TableLocked
from migrations_ops.model.measured_plan import Blocked, StatementLock


def test_the_strongest_lock_on_a_table_counts_and_the_longest_comes_first() -> None:
    locks = [
        TableLocked("a", "read", "AccessShareLock", 9.0),
        TableLocked("a", "indexed", "ShareLock", 5.0),
        TableLocked("a", "altered", "AccessShareLock", 2.0),
        TableLocked("a", "altered", "AccessExclusiveLock", 1.0),
        TableLocked("a", "concurrently", "ShareUpdateExclusiveLock", 4.0),
    ]
    assert blocked_tables(locks) == (Blocked("altered", 1.0, 1.0), Blocked("indexed", 0.0, 5.0))


def test_of_mariadb_a_copy_stops_writers_and_a_drop_everybody() -> None:
    locks = [
        TableLocked("a", "copied", "SHARED_NO_WRITE", 2.0),
        TableLocked("a", "in place", "SHARED_UPGRADABLE", 9.0),
        TableLocked("a", "dropped", "EXCLUSIVE", 0.5),
    ]
    assert blocked_tables(locks) == (Blocked("dropped", 0.5, 0.5), Blocked("copied", 0.0, 2.0))


def test_a_table_that_is_locked_more_strongly_already_gains_no_lock() -> None:
    first = TableLocked("a", "t", "AccessExclusiveLock", 3.0, "ALTER TABLE t ...")
    later = TableLocked("a", "t", "ShareLock", 2.0, "CREATE INDEX ...")
    stronger = TableLocked("a", "u", "AccessExclusiveLock", 1.0, "ALTER TABLE u ...")
    before = TableLocked("a", "u", "ShareLock", 2.0, "CREATE INDEX ...")
    assert without_weaker([first, later, before, stronger]) == [first, before, stronger]
    # Those of MariaDB do not overlap.
    short = TableLocked("a", "t", "SHARED_NO_WRITE", 2.0)
    long = TableLocked("a", "t", "EXCLUSIVE", 3.0)
    assert without_weaker([short, long]) == [short, long]


def test_a_statement_has_the_strongest_of_its_locks_on_each_table() -> None:
    locks = [
        TableLocked("a", "t", "AccessShareLock", 3.0),
        TableLocked("a", "t", "ShareLock", 2.0),
        TableLocked("a", "u", "RowExclusiveLock", 1.0),
        TableLocked("a", "u", "AccessShareLock", 1.0),
    ]
    assert list(strongest(locks)) == [
        StatementLock("t", "ShareLock", 2.0), StatementLock("u", "RowExclusiveLock", 1.0),
    ]  # fmt: skip
