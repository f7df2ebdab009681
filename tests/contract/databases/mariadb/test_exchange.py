"""A backup takes the place of a database with all that is in it; what was there is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.databases.mariadb.schema.reading import read_schema
from migrations_ops.databases.mariadb.swap.swap import swap
from migrations_ops.databases.row_changes import Pair
from migrations_ops.model.errors import StepFailed
from tests.contract.databases.mariadb.support import EVERYTHING, make_role, run, session
from tests.servers.databases import ServerDatabase


def engine(database: ServerDatabase) -> MariaDB:
    return replace(MariaDB.from_url(database.url()), summed=True)


def sessions(database: ServerDatabase) -> Callable[[], AbstractContextManager[Connection]]:
    """Opens sessions of our own."""
    return lambda: session(database)


def kept(database: ServerDatabase) -> list[str]:
    return [name for name in database.server.databases() if name.startswith("migrations_ops_")]


@pytest.mark.parametrize(
    "harm",
    [
        ["UPDATE parents SET name = 'changed'", "DROP VIEW checked", "DROP TABLE versioned"],
        ["DROP TABLE numbered", "DROP VIEW a_view", "DROP SEQUENCE numbers"],
        ["DROP EVENT cleaning", "DROP TRIGGER first_one", "DROP PROCEDURE counted",
         "CREATE TABLE more (id INT)", "CREATE VIEW extra AS SELECT 1 AS a"],
    ],
)  # fmt: skip
def test_a_restored_database_is_as_it_was_with_every_kind_of_object(
    mariadb_database: ServerDatabase, tmp_path: Path, harm: list[str]
) -> None:
    run(mariadb_database, *EVERYTHING)
    database = engine(mariadb_database)
    with database.locked("restore", 0):
        before = database.back_up(tmp_path / "b", "alembic_version", None)
        run(mariadb_database, *harm)
        assert database.fingerprint("alembic_version") != before
        assert database.restore_from(tmp_path / "b", "alembic_version", None).now == before
    assert database.fingerprint("alembic_version") == before
    # It counts its own sequence, and its events run.
    run(mariadb_database, "INSERT INTO numbered (a) VALUES (2)", "SELECT n FROM a_view")
    with session(mariadb_database) as connection:
        states = "SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"
        assert set(ask(connection, states)) == {("ENABLED",), ("DISABLED",)}
    assert len(kept(mariadb_database)) == 1


@pytest.mark.parametrize("name", ["pct%s", "100%", "a{0}b", "käse"])
def test_any_name_of_a_database_is_backed_up_compared_and_put_back(
    mariadb_database: ServerDatabase, tmp_path: Path, name: str
) -> None:
    server = mariadb_database.server
    named = ServerDatabase(server, server.create_database(name))
    table = f"t_{name}"
    run(named, f"CREATE TABLE `{table}` (`id_{name}` INT PRIMARY KEY, `{name}` VARCHAR(9))",
        f"INSERT INTO `{table}` VALUES (1, 'a'), (2, 'b')", "CREATE SEQUENCE s",
        "CREATE TABLE n (id INT PRIMARY KEY DEFAULT NEXTVAL(s), p INT)",
        f"ALTER TABLE n ADD FOREIGN KEY (p) REFERENCES `{table}` (`id_{name}`)",
        f"CREATE VIEW `v_{name}` AS SELECT NEXTVAL(s) AS n FROM `{table}`",
        f"CREATE TRIGGER tr BEFORE INSERT ON `{table}` FOR EACH ROW SET NEW.`{name}` = 'new'",
    )  # fmt: skip
    database = engine(named)
    assert database.look("").tables == 2
    with database.locked("restore", 0):
        before = database.back_up(tmp_path / "b", "", None)
        run(named, f"UPDATE `{table}` SET `{name}` = 'c' WHERE `id_{name}` = 1", "DROP TABLE n")
        pairs = [Pair(table, table)]
        found = database.compare_content(tmp_path / "b", pairs, None, orphans=True)
        assert [each.pair.after for each in found.tables] == [table]
        assert database.restore_from(tmp_path / "b", "", None).now == before
    assert database.fingerprint("") == before


def test_what_was_there_is_kept_beside(mariadb_database: ServerDatabase, tmp_path: Path) -> None:
    run(mariadb_database, "CREATE TABLE t (id INT)", "CREATE VIEW v AS SELECT id FROM t")
    database = engine(mariadb_database)
    with database.locked("restore", 0):
        database.back_up(tmp_path / "b", "alembic_version", None)
        run(mariadb_database, "INSERT INTO t VALUES (7)")
        database.restore_from(tmp_path / "b", "alembic_version", None)
    assert mariadb_database.execute("SELECT COUNT(*) FROM t") == [(0,)]
    [beside] = kept(mariadb_database)
    assert mariadb_database.execute(f"SELECT id FROM `{beside}`.v") == [(7,)]


def test_nothing_is_dropped_that_this_role_could_not_make_again(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    run(mariadb_database, "CREATE TABLE t (id INT)", "CREATE VIEW v AS SELECT id FROM t",
        "CREATE FUNCTION f() RETURNS INT RETURN 1")  # fmt: skip
    make_role(mariadb_database, "ALL")
    server = mariadb_database.server
    server.execute("GRANT SELECT ON mysql.proc TO plain@'%'")
    server.execute(r"GRANT ALL ON `migrations\_ops\_%`.* TO plain@'%'")
    url = server.url(mariadb_database.name, user="plain", password="word")
    database = replace(MariaDB.from_url(url), summed=True)
    with session(mariadb_database) as connection:
        before = read_schema(connection, "")
        with database.locked("restore", 0):
            database.back_up(tmp_path / "b", "alembic_version", None)
            with pytest.raises(StepFailed) as caught:
                database.restore_from(tmp_path / "b", "alembic_version", None)
        assert "others have defined f, v" in caught.value.what
        assert "GRANT SET USER ON *.* TO `plain`@`%`" in caught.value.next
        assert read_schema(connection, "") == before
    assert kept(mariadb_database) == []


def test_an_exchange_that_fails_late_is_taken_back(mariadb_database: ServerDatabase) -> None:
    server = mariadb_database.server
    for name in ("exchange_new", "exchange_kept"):
        server.create_database(name)
    run(mariadb_database, "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (1)",
        "CREATE VIEW v AS SELECT id FROM t")  # fmt: skip
    run(mariadb_database, "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (2)",
        "CREATE SEQUENCE q", "CREATE TABLE u (id INT DEFAULT NEXTVAL(q))",
        "CREATE TABLE w (id INT)", "CREATE VIEW broken AS SELECT id FROM w",
        "DROP TABLE w", name="exchange_new")  # fmt: skip
    with session(mariadb_database) as connection:
        before = read_schema(connection, "")
    with pytest.raises(pymysql.MySQLError):
        swap(sessions(mariadb_database), mariadb_database.name, "exchange_new", "exchange_kept")
    with session(mariadb_database) as again:
        assert read_schema(again, "") == before
        assert ask(again, "SELECT id FROM v") == [(1,)]
    assert "exchange_kept" not in server.databases()
    # An application may have written there.
    assert server.execute("SELECT id FROM exchange_kept_undone.t") == [(2,)]


# In the order of SHOW CREATE; what follows the collations says when it was made.
SHOWN = {"FUNCTION f": 6, "PROCEDURE p": 6, "TRIGGER g": 6, "EVENT e": 7, "VIEW v": 4}


def test_what_is_made_anew_has_its_own_session(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    def shown() -> dict[str, object]:
        with session(mariadb_database) as connection:
            return {
                what: ask(connection, f"SHOW CREATE {what}")[0][:end] for what, end in SHOWN.items()
            }

    mode = "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"
    run(mariadb_database, "ALTER DATABASE COLLATE latin1_german2_ci",
        f"SET SESSION sql_mode = '{mode}', collation_connection = latin2_croatian_ci,"
        " time_zone = '+05:00', character_set_client = utf8mb3",
        "CREATE TABLE t (a VARCHAR(20))",
        r"""CREATE FUNCTION f() RETURNS VARCHAR(20) RETURN 'a\b'""",
        """CREATE PROCEDURE p() SELECT 'a' AS "b" """,
        """CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW."a" = 'x'""",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 12:00:00' DO SELECT 1",
        "CREATE VIEW v AS SELECT 'x' AS a",
        "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")  # fmt: skip
    before = shown()
    database = engine(mariadb_database)
    with database.locked("restore", 0):
        database.back_up(tmp_path / "b", "alembic_version", None)
        run(mariadb_database, *(f"DROP {what}" for what in SHOWN),
            "ALTER DATABASE CHARACTER SET latin2")  # fmt: skip
        database.restore_from(tmp_path / "b", "alembic_version", None)
    assert shown() == before
    with session(mariadb_database) as connection:
        assert ask(connection, "SELECT @@collation_database") == [("utf8mb4_unicode_ci",)]
        assert ask(connection, "SELECT COLLATION(a) FROM v") == [("latin2_croatian_ci",)]


@pytest.mark.parametrize("privileged", [True, False])
def test_a_database_to_which_others_refer_is_not_restored_and_doctor_says_so(
    mariadb_database: ServerDatabase, tmp_path: Path, privileged: bool
) -> None:
    server, name = mariadb_database.server, mariadb_database.name
    run(mariadb_database, "CREATE TABLE parents (id INT PRIMARY KEY)",
        "CREATE TABLE own (id INT, FOREIGN KEY (id) REFERENCES parents (id))")  # fmt: skip
    address = make_role(mariadb_database, "ALL")
    server.execute(r"GRANT ALL ON `migrations\_ops\_%`.* TO plain@'%'")
    database = replace(MariaDB.from_url(server.url(name)), summed=True)
    if not privileged:
        url = server.url(name, user="plain", password=address.password)
        database = replace(MariaDB.from_url(url), summed=True)
    assert database.find_obstacles() == []
    other = server.create_database("other-one")
    server.execute(f"GRANT INSERT ON `{other}`.* TO plain@'%'")
    server.execute(f"CREATE TABLE `{other}`.`a child` (id INT PRIMARY KEY,"
                   f" FOREIGN KEY (id) REFERENCES {name}.parents (id))")  # fmt: skip
    [found] = database.find_obstacles()
    assert (found.code, found.severity) == ("no-restore", "error")
    assert "other-one.a child" in found.message
    with database.locked("restore", 0):
        database.back_up(tmp_path / "b", "alembic_version", None)
        with pytest.raises(StepFailed) as caught:
            database.restore_from(tmp_path / "b", "alembic_version", None)
    assert "other-one.a child" in caught.value.what
    assert kept(mariadb_database) == []
    server.drop_database(other)  # before the one to which it refers


def test_what_others_have_defined_is_found_beforehand_with_grants_that_can_be_typed(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    server = mariadb_database.server
    run(mariadb_database, "CREATE TABLE t (id INT)", "CREATE VIEW v AS SELECT id FROM t",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "CREATE VIEW migrations_ops_ledger AS SELECT '[]' AS ledger")  # fmt: skip
    make_role(mariadb_database, "ALL")
    url = server.url(mariadb_database.name, user="plain", password="word")
    database = replace(MariaDB.from_url(url), summed=True)
    typed = []
    for _ in range(3):
        found = database.find_obstacles()
        if not found:
            break
        typed.append(found[0].code)
        [grant] = re.findall(r"GRANT .* TO `plain`@`%`", found[0].message)
        server.execute(grant)
    assert sorted(typed) == ["no-copies", "no-copies", "no-restore"]
    assert database.find_obstacles() == []
    with database.locked("restore", 0):
        before = database.back_up(tmp_path / "b", "alembic_version", None)
        run(mariadb_database, "DROP VIEW v")
        assert database.restore_from(tmp_path / "b", "alembic_version", None).now == before


def test_packages_and_the_order_of_triggers_come_back(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    spec = "CREATE OR REPLACE PACKAGE k AS FUNCTION a RETURN INT; {} END"
    body = (
        "CREATE OR REPLACE PACKAGE BODY k AS FUNCTION a RETURN INT AS BEGIN RETURN 1; END; {} END"
    )
    more = "FUNCTION b RETURN INT"
    run(mariadb_database, "CREATE TABLE t (a INT)",
        *(f"CREATE TRIGGER {name} BEFORE INSERT ON t FOR EACH ROW {place} SET NEW.a = 1"
          for name, place in (("y", ""), ("x", "PRECEDES y"), ("z", "FOLLOWS x"))),
        "SET sql_mode = ORACLE", spec.format(""), body.format(""))  # fmt: skip
    database = engine(mariadb_database)
    with database.locked("restore", 0):
        before = database.back_up(tmp_path / "b", "alembic_version", None)
        run(mariadb_database, "DROP TRIGGER z", "SET sql_mode = ORACLE", spec.format(f"{more};"),
            body.format(f"{more} AS BEGIN RETURN 2; END;"))  # fmt: skip
        assert database.restore_from(tmp_path / "b", "alembic_version", None).now == before
    assert database.fingerprint("alembic_version") == before
