"""Whatever breaks an exchange off, nothing that cannot move with the tables is lost for good."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.databases.mariadb.schema.reading import read_schema
from migrations_ops.databases.mariadb.swap import extras
from migrations_ops.databases.mariadb.swap import swap as mariadb_exchange
from migrations_ops.model.errors import NeedsAPerson
from tests.contract.databases.mariadb.support import run, session
from tests.servers.databases import ServerDatabase

# The tables of both sides; `one` is a view that uses no table, so that whoever reads it locks
# nothing else.
WAS = (
    "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9))",
    "INSERT INTO t VALUES (1, 'old')",
    "CREATE TABLE log (a INT)",
    "CREATE TRIGGER first_one AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (1)",
    "CREATE TRIGGER second_one BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = 'x'",
    "CREATE VIEW one AS SELECT 1 AS a",
    "CREATE VIEW v AS SELECT id FROM t",
    "CREATE FUNCTION f() RETURNS INT RETURN 1",
    "CREATE PROCEDURE p() SELECT 1",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO INSERT INTO log VALUES (2)",
    "CREATE EVENT at_rest ON SCHEDULE EVERY 1 DAY DISABLE DO INSERT INTO log VALUES (2)",
)
NEW = (
    "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b INT)",
    "INSERT INTO t VALUES (1, 'new', 2)",
    "CREATE TABLE log (a INT)",
    "CREATE TABLE free (a INT)",
    "CREATE TRIGGER first_one AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (3)",
    "CREATE VIEW one AS SELECT 2 AS a",
    "CREATE VIEW w AS SELECT id, b FROM t",
    "CREATE FUNCTION f() RETURNS INT RETURN 2",
    "CREATE PROCEDURE p() SELECT 1",
    "CREATE EVENT at_rest ON SCHEDULE EVERY 1 DAY DISABLE DO INSERT INTO log VALUES (2)",
)
CHILD = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever whoever started us ignores
from migrations_ops.databases.mariadb.swap import swap as exchange
from migrations_ops.databases.mariadb.database import MariaDB
exchange.LOCK_WAIT = int(sys.argv[2])
database = MariaDB.from_url(sys.argv[1])
with database.locked("restore", 0):
    print("held", flush=True)
    try:
        database._own.copies.swap("exchange_new")
    except KeyboardInterrupt:
        sys.exit(130)
"""


@dataclass(frozen=True)
class Two:
    """A database, and one that is to take its place."""

    real: ServerDatabase
    before: dict[str, str]
    wanted: dict[str, str]

    def now(self) -> dict[str, str]:
        with session(self.real) as connection:
            return read_schema(connection, "")

    def kept(self) -> list[str]:
        return [each for each in self.real.server.databases() if "_kept_" in each]

    def next_task(self) -> None:
        with MariaDB.from_url(self.real.url()).locked("backup", 30):
            pass

    def grants(self) -> set[str]:
        """Who may execute what."""
        found = self.real.server.execute("SHOW GRANTS FOR caller@'%'")
        return {str(grant) for (grant,) in found if "EXECUTE" in grant}


@pytest.fixture
def two(mariadb_database: ServerDatabase) -> Two:
    server = mariadb_database.server
    run(mariadb_database, *WAS)
    server.create_database("exchange_new")
    run(mariadb_database, *NEW, name="exchange_new")
    server.create_role("caller", "word")
    for what in ("FUNCTION f", "PROCEDURE p"):
        kind, name = what.split()
        server.execute(f"GRANT EXECUTE ON {kind} {mariadb_database.name}.{name} TO caller@'%'")
    with session(mariadb_database) as real, session(mariadb_database, "exchange_new") as new:
        return Two(mariadb_database, read_schema(real, ""), read_schema(new, ""))


@contextmanager
def reading(two: Two, what: str) -> Iterator[None]:
    """Inside, a transaction has read a table or a view, which nobody may move or replace then."""
    with session(two.real) as connection:
        ask(connection, "START TRANSACTION")
        ask(connection, f"SELECT * FROM {what}")
        yield


@contextmanager
def child(two: Two, wait: int = 30) -> Iterator[subprocess.Popen[str]]:
    """A process that exchanges both."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, two.real.url(), str(wait)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def waiting_session(two: Two, statement: str) -> int:
    """The number of the session in which such a statement waits for a lock."""
    sql = "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE %s AND STATE LIKE %s"
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for (number,) in two.real.server.execute(sql, f"{statement}%", "Waiting for table%"):
            return int(number)
        time.sleep(0.02)
    raise AssertionError(f"nobody waits in {statement}")


# Where the exchange is stopped: what somebody reads, which statement waits for him.
BEFORE_ALL = ("t", "LOCK TABLES")
MOVING = ("exchange_new.free", "RENAME TABLE")
MAKING = ("one", "CREATE OR REPLACE")


def require_old(two: Two) -> None:
    assert two.now() == two.before
    assert two.real.execute("SELECT a FROM t") == [("old",)]
    assert len(two.grants()) == 2
    assert [each for each in two.kept() if not each.endswith("_undone")] == []


def require_new(two: Two) -> None:
    assert two.now() == two.wanted
    assert two.real.execute("SELECT a, f() FROM t") == [("new", 2)]
    assert len(two.grants()) == 2
    [kept] = two.kept()
    assert two.real.execute(f"SELECT a FROM {kept}.t") == [("old",)]


def test_rights_on_routines_survive_an_exchange(two: Two) -> None:
    with child(two) as process:
        assert process.wait(60) == 0, process.communicate()[1]
    require_new(two)


@pytest.mark.parametrize("where", [BEFORE_ALL, MOVING])
def test_the_next_task_undoes_what_was_killed_before_the_tables_moved(
    two: Two, where: tuple[str, str]
) -> None:
    with child(two) as process, reading(two, where[0]):
        number = waiting_session(two, where[1])
        process.kill()
        two.real.server.execute(f"KILL {number}")
        two.next_task()
    require_old(two)


def test_the_next_task_finishes_what_was_killed_while_views_were_made(two: Two) -> None:
    with child(two) as process:
        with reading(two, MAKING[0]):
            number = waiting_session(two, MAKING[1])
            process.kill()
            two.real.server.execute(f"KILL {number}")
        two.next_task()
    require_new(two)


def test_a_statement_that_outlives_its_process_is_waited_for(two: Two) -> None:
    with child(two) as process:
        with reading(two, MOVING[0]):
            waiting_session(two, MOVING[1])
            process.kill()
            process.wait()
        two.next_task()
    require_new(two)


@pytest.mark.parametrize("where", [BEFORE_ALL, MOVING, MAKING])
@pytest.mark.parametrize("how", ["lock", "KILL", "Ctrl-C"])
def test_an_exchange_that_is_stopped_leaves_everything_as_it_was(
    two: Two, where: tuple[str, str], how: str
) -> None:
    with child(two, wait=2 if how == "lock" else 30) as process, reading(two, where[0]):
        number = waiting_session(two, where[1])
        if how == "KILL":
            two.real.server.execute(f"KILL {number}")
        elif how == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        code = process.wait(60)
        assert code == 130 if how == "Ctrl-C" else code != 0
        require_old(two)


def test_a_trigger_that_somebody_makes_meanwhile_is_not_dropped(two: Two) -> None:
    with child(two) as process:
        with reading(two, BEFORE_ALL[0]):
            waiting_session(two, BEFORE_ALL[1])
            run(two.real, "CREATE TABLE late (id INT)")
            run(two.real, "CREATE TRIGGER late BEFORE INSERT ON late FOR EACH ROW SET NEW.id = 1")
        assert process.wait(60) != 0
    assert "trigger late" in two.now()
    run(two.real, "DROP TABLE late")
    require_old(two)


@pytest.mark.slow
def test_what_cannot_be_put_back_is_written_down_and_finished_later(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody locks the table between the triggers and the tables, and stays."""
    monkeypatch.setattr(mariadb_exchange, "LOCK_WAIT", 1)
    database = MariaDB.from_url(two.real.url())
    blocker, clear = ExitStack(), extras.drop_named

    def cleared(connection: Connection, database: str, names: set[tuple[str, str]]) -> None:
        clear(connection, database, names)
        if database == "exchange_new":
            blocker.enter_context(reading(two, "t"))

    monkeypatch.setattr(mariadb_exchange, "drop_named", cleared)
    with database.locked("restore", 0), pytest.raises(NeedsAPerson) as caught:
        database._own.copies.swap("exchange_new")
    [kept] = two.kept()
    assert kept in caught.value.untouched
    assert "Let the other process finish" in caught.value.next
    told = two.real.execute(f"SELECT name FROM {kept}.migrations_ops_exchange WHERE side = 'was'")
    assert ("first_one",) in told
    with pytest.raises(NeedsAPerson):
        two.next_task()
    blocker.close()
    two.next_task()
    require_old(two)
