"""Whatever stops a swap, a database is whole again: as it was, or as its backup."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count

import pytest

from migrations_ops.child.protocol.identity import lock_name
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.databases.mariadb.swap import extras
from migrations_ops.databases.mariadb.swap import swap as mariadb_swap
from migrations_ops.model.errors import NeedsAPerson, StepFailed
from tests.contract.databases.mariadb.support import kept, keys_out_of, run, schema_of, session
from tests.servers.databases import ServerDatabase
from tests.servers.process import KILL
from tests.support import wait_for

# Of both sides, the key of `kids` has no parent; `one` is a view that uses no table, so that
# whoever reads it locks nothing else; `either` is a view on one side and a table on the other.
KIDS = (
    "CREATE TABLE kids (id INT PRIMARY KEY, p INT,"
    " CONSTRAINT fkp FOREIGN KEY (p) REFERENCES parents (id) ON DELETE {})"
)
WAS = (
    "SET foreign_key_checks = 0",
    "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9))",
    "INSERT INTO t VALUES (1, 'old')",
    "CREATE TABLE log (a INT)",
    KIDS.format("CASCADE"),
    "INSERT INTO kids VALUES (1, 1)",
    "CREATE TABLE others (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES the_third.users (id))",
    "CREATE TRIGGER first_one AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (1)",
    "CREATE TRIGGER second_one BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = 'x'",
    "CREATE VIEW either AS SELECT 1 AS a",
    "CREATE VIEW one AS SELECT 1 AS a",
    "CREATE VIEW v AS SELECT id FROM t",
    "CREATE FUNCTION f() RETURNS INT RETURN 1",
    "CREATE PROCEDURE p() SELECT 1",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO INSERT INTO log VALUES (2)",
    "CREATE EVENT at_rest ON SCHEDULE EVERY 1 DAY DISABLE DO INSERT INTO log VALUES (2)",
)
NEW = (
    "SET foreign_key_checks = 0",
    "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b INT)",
    "INSERT INTO t VALUES (1, 'new', 2)",
    "CREATE TABLE log (a INT)",
    "CREATE TABLE free (a INT)",
    KIDS.format("SET NULL"),
    "INSERT INTO kids VALUES (2, 2)",
    "CREATE SEQUENCE numbers",
    "CREATE TABLE numbered (id INT PRIMARY KEY DEFAULT NEXTVAL(numbers), a INT)",
    "CREATE TABLE either (a INT)",
    "CREATE TRIGGER first_one AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (3)",
    "CREATE VIEW one AS SELECT 2 AS a",
    "CREATE VIEW w AS SELECT id, b FROM t",
    "CREATE FUNCTION f() RETURNS INT RETURN 2",
    "CREATE PROCEDURE p() SELECT 1",
    "CREATE EVENT at_rest ON SCHEDULE EVERY 1 DAY DISABLE DO INSERT INTO log VALUES (2)",
)
BY_HAND = {
    "VIEW": "CREATE VIEW by_hand AS SELECT 3 AS a",
    "TRIGGER": "CREATE TRIGGER by_hand BEFORE INSERT ON kids FOR EACH ROW SET NEW.p = NEW.p",
    "PROCEDURE": "CREATE PROCEDURE by_hand() SELECT 3",
    "EVENT": "CREATE EVENT by_hand ON SCHEDULE EVERY 1 DAY DO SELECT 3",
}
NOT_REACHED = 7
# A process that swaps both. It stops before the given occurrence of a statement, in a given way.
CHILD = f"""
NOT_REACHED = {NOT_REACHED}
import os
import signal
import sys
import pymysql
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever whoever started us ignores
url, wait, how, number, *starts = sys.argv[1:]
from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.databases.mariadb.swap import swap
from migrations_ops.model.errors import StepFailed
swap.LOCK_WAIT = int(wait)
execute, left = pymysql.cursors.Cursor.execute, [int(number)]

def stopping(cursor, sql, values=None):
    if sql.startswith(tuple(starts)):
        left[0] -= 1
        if left[0] == 0 and how == "kill -9":
            os.kill(os.getpid(), signal.SIGKILL)
        if left[0] == 0:
            execute(cursor, "KILL CONNECTION_ID()")
    return execute(cursor, sql, values)

database = MariaDB.from_url(url)
with database.locked("restore", 30):
    pymysql.cursors.Cursor.execute = stopping
    try:
        database._own.copies.swap("swap_new")
        sys.exit(NOT_REACHED if left[0] > 0 else 0)
    except StepFailed:
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
"""
# What changes something at once.
WRITES = ("ALTER", "CREATE", "DROP", "RENAME", "COMMIT", "LOCK")


@dataclass(frozen=True)
class Two:
    """A database, and one that is to take its place."""

    real: ServerDatabase
    was: dict[str, str]
    wanted: dict[str, str]

    @contextmanager
    def swapping(self, wait: int = 30) -> Iterator[subprocess.Popen[str]]:
        """A process that swaps them, and waits so many seconds for locks."""
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, self.real.url(), str(wait), "", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def stop(self, how: str, number: int, *statements: str) -> int:
        """Swap them, but stop before such a statement."""
        words = [self.real.url(), "30", how, str(number), *statements]
        return subprocess.run([sys.executable, "-c", CHILD, *words]).returncode

    def next_task(self) -> list[str]:
        """The next task takes the lock; returns what it reports."""
        database = MariaDB.from_url(self.real.url())
        with database.locked("backup", 30):
            return database.resumed_restores()

    def require_old(self) -> None:
        assert schema_of(self.real) == self.was
        assert self.real.execute("SELECT t.a, kids.id FROM t, kids") == [("old", 1)]
        assert [each for each in kept(self.real) if not each.endswith("_undone")] == []
        self._require_free("the_third/users")

    def require_new(self) -> None:
        assert schema_of(self.real) == self.wanted
        assert self.real.execute("SELECT t.a, kids.id, f() FROM t, kids") == [("new", 2, 2)]
        self.real.execute("INSERT INTO numbered (a) VALUES (1)")
        [beside] = kept(self.real)
        assert self.real.execute(f"SELECT a FROM {beside}.t") == [("old",)]
        self._require_free()

    def _require_free(self, *parents: str) -> None:
        """No key leads to where it should not, and who may execute what still may."""
        assert keys_out_of(self.real, self.real.name) == list(parents)
        for name in kept(self.real):
            assert keys_out_of(self.real, name) == []
        found = self.real.server.execute("SHOW GRANTS FOR caller@'%'")
        assert len([grant for (grant,) in found if "EXECUTE" in grant]) == 2


def fill(real: ServerDatabase) -> Two:
    server = real.server
    run(real, *WAS)
    server.create_database("swap_new")
    run(real, *NEW, name="swap_new")
    server.create_role("caller", "word")
    for what in ("FUNCTION f", "PROCEDURE p"):
        kind, name = what.split()
        server.execute(f"GRANT EXECUTE ON {kind} {real.name}.{name} TO caller@'%'")
    return Two(real, schema_of(real), schema_of(real, "swap_new"))


def fill_again(two: Two) -> Two:
    server = two.real.server
    for name in ("swap_new", two.real.name, *kept(two.real)):
        server.drop_database(name)
    server.drop_role("caller")
    server.create_database(two.real.name)
    return fill(two.real)


@pytest.fixture
def two(mariadb_database: ServerDatabase) -> Two:
    third = mariadb_database.server.create_database("the_third")
    run(mariadb_database, "CREATE TABLE users (id INT PRIMARY KEY)", name=third)
    return fill(mariadb_database)


# -- stopped before a statement -------------------------------------------------------------------

# Before which statement, and whether the tables have moved by then.
POINTS = [
    ("COMMIT", 1, False), ("LOCK TABLES", 1, False), ("DROP TRIGGER", 2, False),
    ("ALTER TABLE", 2, False), ("RENAME", 1, False), ("ALTER TABLE", 4, True),
    ("ALTER TABLE", 5, True), ("CREATE OR REPLACE", 1, True), ("CREATE DEFINER", 1, True),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "number", "moved"), POINTS)
def test_the_next_task_finishes_or_undoes_what_was_killed(
    two: Two, statement: str, number: int, moved: bool
) -> None:
    assert two.stop("kill -9", number, statement) == -signal.SIGKILL
    two.next_task()
    (two.require_new if moved else two.require_old)()


@pytest.mark.parametrize(("statement", "number", "moved"), POINTS)
def test_a_swap_whose_session_is_killed_leaves_everything_as_it_was(
    two: Two, statement: str, number: int, moved: bool
) -> None:
    assert two.stop("KILL", number, statement) == 3
    two.require_old()
    # An application may have written to what was there for a moment.
    undone = [two.real.execute(f"SELECT a FROM {each}.t") for each in kept(two.real)]
    assert undone == [[("new",)]] * moved


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [("kill -9", -KILL), ("KILL", 3)])
def test_a_swap_may_be_stopped_before_each_of_its_statements(two: Two, how: str, code: int) -> None:
    outcomes = []
    for number in count(3):  # until then, there is at most an empty database more
        found = two.stop(how, number, *WRITES)
        two.next_task()
        finished = two.real.execute("SELECT a FROM t") == [("new",)]
        (two.require_new if finished else two.require_old)()
        if found == NOT_REACHED:
            break
        # One that has all that was wanted is finished, though its session is gone.
        assert found == (0 if finished and how == "KILL" else code)
        outcomes.append(finished)
        two = fill_again(two)
    assert outcomes == sorted(outcomes)
    assert 10 < sum(outcomes) < len(outcomes) - 10


@pytest.mark.parametrize(("statement", "done"), [("RENAME", "undone"), ("CREATE OR", "finished")])
def test_what_was_made_by_hand_after_a_killed_restore_stays(
    two: Two, statement: str, done: str
) -> None:
    assert two.stop("kill -9", 1, statement) == -signal.SIGKILL
    run(two.real, *BY_HAND.values())
    [report] = two.next_task()
    assert f"has been {done} now" in report
    assert two.next_task() == []
    wanted = two.wanted if done == "finished" else two.was
    by_hand = {f"{kind.lower()} by_hand" for kind in BY_HAND}
    assert schema_of(two.real).keys() - wanted.keys() == by_hand
    run(two.real, *(f"DROP {kind} by_hand" for kind in BY_HAND))
    (two.require_new if done == "finished" else two.require_old)()


def test_a_swap_whose_view_cannot_be_made_is_undone(two: Two) -> None:
    run(two.real, "CREATE TABLE gone (id INT)", "CREATE VIEW broken AS SELECT id FROM gone",
        "DROP TABLE gone", name="swap_new")  # fmt: skip
    with pytest.raises(StepFailed):
        MariaDB.from_url(two.real.url())._own.copies.swap("swap_new")
    two.require_old()


def test_a_view_that_was_broken_does_not_keep_a_swap_from_being_undone(two: Two) -> None:
    """It had to be dropped, since a table comes in its place."""
    run(two.real, "CREATE TABLE gone (id INT)", "CREATE OR REPLACE VIEW either AS SELECT id"
        " FROM gone", "DROP TABLE gone")  # fmt: skip
    was = schema_of(two.real)
    assert two.stop("KILL", 1, "RENAME") == 3
    assert was.keys() - schema_of(two.real).keys() == {"view either"}
    assert two.next_task() == []


# -- while somebody uses the tables ---------------------------------------------------------------


@contextmanager
def reading(two: Two, what: str) -> Iterator[None]:
    """Inside, a transaction has read a table or a view, which nobody may move or replace then."""
    with session(two.real) as connection:
        ask(connection, "START TRANSACTION")
        ask(connection, f"SELECT * FROM {what}")
        yield


def waiting_session(two: Two, statement: str) -> int:
    """The number of the session in which such a statement waits for a lock."""
    sql = "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE %s AND STATE LIKE %s"
    words = (f"{statement}%", "Waiting for table%")
    [(number,), *_] = wait_for(lambda: two.real.server.execute(sql, *words))
    return int(number)


# What somebody reads, and which statement waits for him.
BEFORE_ALL = ("t", "LOCK TABLES")
MOVING = ("swap_new.free", "RENAME TABLE")
MAKING = ("one", "CREATE OR REPLACE")


@pytest.mark.parametrize("where", [BEFORE_ALL, MOVING, MAKING])
@pytest.mark.parametrize("how", ["lock", "Ctrl-C"])
def test_a_swap_that_waits_in_vain_leaves_everything_as_it_was(
    two: Two, where: tuple[str, str], how: str
) -> None:
    with two.swapping(wait=1 if how == "lock" else 30) as process, reading(two, where[0]):
        if how == "Ctrl-C":
            waiting_session(two, where[1])
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == (3 if how == "lock" else 130)
        two.require_old()


def test_a_statement_that_outlives_its_process_is_waited_for(two: Two) -> None:
    with two.swapping() as process:
        with reading(two, MOVING[0]):
            waiting_session(two, MOVING[1])
            process.kill()
            process.wait()
        two.next_task()
    two.require_new()


def test_a_swap_does_not_begin_while_an_earlier_step_is_at_work(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mariadb_swap, "LOCK_WAIT", 0)
    with session(two.real) as busy:
        ask(busy, "DO GET_LOCK(%s, 0)", lock_name("step", two.real.name))
        with pytest.raises(StepFailed) as caught:
            MariaDB.from_url(two.real.url())._own.copies.swap("swap_new")
    assert "is unchanged" in caught.value.untouched
    two.require_old()


def test_a_trigger_that_somebody_makes_meanwhile_is_not_dropped(two: Two) -> None:
    with two.swapping() as process:
        with reading(two, BEFORE_ALL[0]):
            waiting_session(two, BEFORE_ALL[1])
            run(two.real, "CREATE TABLE late (id INT)")
            run(two.real, "CREATE TRIGGER late BEFORE INSERT ON late FOR EACH ROW SET NEW.id = 1")
        assert process.wait(60) == 3
    assert "trigger late" in schema_of(two.real)
    run(two.real, "DROP TABLE late")
    two.require_old()


@pytest.mark.slow
def test_what_cannot_be_put_back_is_written_down_and_finished_later(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody locks the table between the triggers and the tables, and stays."""
    monkeypatch.setattr(mariadb_swap, "LOCK_WAIT", 1)
    database = MariaDB.from_url(two.real.url())
    blocker = ExitStack()

    def dropped(connection: Connection, name: str, names: Collection[tuple[str, str]]) -> None:
        extras.drop_named(connection, name, names)
        if name == "swap_new":
            blocker.enter_context(reading(two, "t"))

    monkeypatch.setattr(mariadb_swap, "drop_named", dropped)
    with database.locked("restore", 30), pytest.raises(NeedsAPerson) as caught:
        database._own.copies.swap("swap_new")
    [beside] = kept(two.real)
    assert beside in caught.value.untouched
    assert "Let the other process finish" in caught.value.next
    noted = two.real.execute(
        f"SELECT name FROM {beside}.migrations_ops_exchange WHERE side = 'was'"
    )
    assert {("first_one",), ("fkp",)} <= set(noted)
    with pytest.raises(NeedsAPerson):
        two.next_task()
    blocker.close()
    two.next_task()
    two.require_old()
