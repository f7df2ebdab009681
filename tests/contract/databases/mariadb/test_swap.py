"""A backup takes the place of a database with all that is in it; what was there is kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from migrations_ops.databases.mariadb import copies as mariadb_copies
from migrations_ops.databases.mariadb.connect import Connection, ask, close, connect
from migrations_ops.databases.mariadb.swap import swap as mariadb_swap
from migrations_ops.databases.mariadb.swap.extras import make_content, read_content
from migrations_ops.databases.mariadb.swap.record import Record
from migrations_ops.databases.row_changes import Pair, RowQuery
from migrations_ops.model.errors import NeedsAPerson, StepFailed
from tests.contract.databases.mariadb.support import (
    EVERYTHING,
    back_up,
    engine,
    kept,
    make_role,
    require_restored,
    restore,
    run,
    schema_of,
    session,
)
from tests.servers.databases import ServerDatabase


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
    require_restored(mariadb_database, tmp_path / "b", *harm)
    # It counts its own sequence, and its events run.
    run(mariadb_database, "INSERT INTO numbered (a) VALUES (2)", "SELECT n FROM a_view")
    states = "SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"
    assert set(mariadb_database.execute(states)) == {("ENABLED",), ("DISABLED",)}
    # Views of what is kept read that.
    [beside] = kept(mariadb_database)
    rows = mariadb_database.execute(f"SELECT upper(name) FROM {beside}.parents ORDER BY id")
    assert mariadb_database.execute(f"SELECT n FROM {beside}.named ORDER BY id") == rows


PACKAGE = "CREATE OR REPLACE PACKAGE k {} AS FUNCTION a RETURN INT; {} END"
BODY = "CREATE OR REPLACE PACKAGE BODY k AS FUNCTION a RETURN INT AS BEGIN RETURN 1; END; {} END"


@pytest.mark.parametrize(
    "harm",
    [
        [PACKAGE.format("", "FUNCTION b RETURN INT;"),
         BODY.format("FUNCTION b RETURN INT AS BEGIN RETURN 2; END;")],
        # The body is as it was, but goes with what it belongs to.
        [PACKAGE.format("COMMENT 'x'", ""), BODY.format("")],
    ],
)  # fmt: skip
def test_packages_and_the_order_of_triggers_come_back(
    mariadb_database: ServerDatabase, tmp_path: Path, harm: list[str]
) -> None:
    run(mariadb_database, "CREATE TABLE t (a INT)",
        *(f"CREATE TRIGGER {name} BEFORE INSERT ON t FOR EACH ROW {order} SET NEW.a = 1"
          for name, order in (("y", ""), ("x", "PRECEDES y"), ("z", "FOLLOWS x"))),
        "SET sql_mode = ORACLE", PACKAGE.format("", ""), BODY.format(""))  # fmt: skip
    oracle = ("SET sql_mode = ORACLE", *harm)
    require_restored(mariadb_database, tmp_path / "b", "DROP TRIGGER z", *oracle)


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
    require_restored(
        mariadb_database, tmp_path / "b", *(f"DROP {what}" for what in SHOWN),
        "ALTER DATABASE CHARACTER SET latin2",
    )  # fmt: skip
    assert shown() == before
    with session(mariadb_database) as connection:
        assert ask(connection, "SELECT @@collation_database") == [("utf8mb4_unicode_ci",)]
        assert ask(connection, "SELECT COLLATION(a) FROM v") == [("latin2_croatian_ci",)]


@pytest.mark.parametrize("name", ["pct%s", "100%", "a{0}b", "käse"])
def test_any_name_of_a_database_is_backed_up_compared_and_restored(
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
    assert engine(named).inspect("").tables == 2
    harm = (f"UPDATE `{table}` SET `{name}` = 'c' WHERE `id_{name}` = 1", "DROP TABLE n")
    require_restored(named, tmp_path / "b", *harm)
    run(named, harm[0])
    database = engine(named)
    with database.locked("compare", 30):
        found = database.compare_content(tmp_path / "b", RowQuery([Pair(table, table)], True), None)
    assert [each.pair.after for each in found.tables] == [table]


def test_two_restores_within_one_second_keep_both(
    mariadb_database: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mariadb_database.server
    long = ServerDatabase(server, server.create_database("n" * 64))
    run(long, "CREATE TABLE t (id INT)")
    back_up(long, tmp_path / "b")
    monkeypatch.setattr(mariadb_copies, "local_stamp", lambda: "20260102_030405")
    stem = f"migrations_ops_kept_{'n' * 17}_20260102_030405"
    server.create_database(f"{stem}_2_undone")
    for _ in range(2):
        restore(long, tmp_path / "b")
    assert kept(long) == [stem, f"{stem}_2_undone", f"{stem}_3"]


def test_a_database_that_is_not_as_its_backup_after_the_swap_is_named(
    mariadb_database: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes a table as soon as it is there."""
    run(mariadb_database, "CREATE TABLE t (id INT)")
    back_up(mariadb_database, tmp_path / "b")
    tidy_up = mariadb_swap._tidy_up

    def tidied(connection: Connection, record: Record) -> None:
        tidy_up(connection, record)
        run(mariadb_database, "ALTER TABLE t ADD more INT")

    monkeypatch.setattr(mariadb_swap, "_tidy_up", tidied)
    with pytest.raises(NeedsAPerson) as caught:
        restore(mariadb_database, tmp_path / "b")
    assert "column t.more" in caught.value.what
    [beside] = kept(mariadb_database)
    assert beside in caught.value.untouched


# -- what is not this role's alone ----------------------------------------------------------------


def test_what_others_have_defined_is_not_dropped_and_grants_that_can_be_typed_end_that(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    server = mariadb_database.server
    run(mariadb_database, "CREATE TABLE t (id INT)", "CREATE VIEW v AS SELECT id FROM t",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "CREATE VIEW migrations_ops_ledger AS SELECT '[]' AS ledger")  # fmt: skip
    make_role(mariadb_database, "ALL")
    database = engine(mariadb_database, user="plain", password="word")
    codes = []
    while found := sorted(database.find_obstacles(), key=lambda each: each.code):
        codes.append(found[0].code)
        assert len(codes) < 4
        if codes[-1] == "no-restore":
            before = schema_of(mariadb_database)
            with database.locked("restore", 30):
                database.back_up(tmp_path / "a", "", None)
                with pytest.raises(StepFailed, match="others have defined f, v") as caught:
                    database.restore_from(tmp_path / "a", "", None)
            assert "GRANT SET USER ON *.* TO `plain`@`%`" in caught.value.next
            assert schema_of(mariadb_database) == before
            assert kept(mariadb_database) == []
        [grant] = re.findall(r"GRANT .* TO `plain`@`%`", found[0].message)
        server.execute(grant)
    assert codes == ["no-copies", "no-copies", "no-restore"]
    with database.locked("restore", 30):
        taken = database.back_up(tmp_path / "b", "", None)
        run(mariadb_database, "DROP VIEW v")
        assert database.restore_from(tmp_path / "b", "", None).now == taken


def test_a_ledger_of_another_role_is_made_again_by_one_that_may_name_no_others(
    mariadb_database: ServerDatabase,
) -> None:
    run(mariadb_database, "CREATE VIEW migrations_ops_ledger AS SELECT '[]' AS ledger")
    connection = connect(make_role(mariadb_database, "ALL"))
    content = read_content(connection, mariadb_database.name)
    run(mariadb_database, "CREATE OR REPLACE VIEW migrations_ops_ledger AS SELECT '[1]' AS ledger")
    make_content(connection, mariadb_database.name, content)
    close(connection)
    assert mariadb_database.execute("SELECT ledger FROM migrations_ops_ledger") == [("[]",)]


@pytest.mark.parametrize("privileged", [True, False])
def test_a_database_to_which_others_refer_is_not_restored_until_what_doctor_says_is_typed(
    mariadb_database: ServerDatabase, tmp_path: Path, privileged: bool
) -> None:
    server, name = mariadb_database.server, mariadb_database.name
    run(mariadb_database, "CREATE TABLE parents (id INT PRIMARY KEY)",
        "CREATE TABLE own (id INT, FOREIGN KEY (id) REFERENCES parents (id))")  # fmt: skip
    make_role(mariadb_database, "ALL")
    server.execute(r"GRANT ALL ON `migrations\_ops\_%`.* TO plain@'%'")
    role = {} if privileged else {"user": "plain", "password": "word"}
    database = engine(mariadb_database, **role)
    assert database.find_obstacles() == []
    others = {"other-one": "a child", "migrations_ops_kept_shop_20260102_030405": "kids"}
    for other, table in others.items():
        server.create_database(other)
        server.execute(f"GRANT INSERT ON `{other}`.* TO plain@'%'")
        server.execute(f"CREATE TABLE `{other}`.`{table}` (id INT PRIMARY KEY,"
                       f" FOREIGN KEY (id) REFERENCES {name}.parents (id))")  # fmt: skip
    [found] = database.find_obstacles()
    assert (found.code, found.severity) == ("no-restore", "error")
    with database.locked("restore", 30):
        database.back_up(tmp_path / "b", "alembic_version", None)
        with pytest.raises(StepFailed) as caught:
            database.restore_from(tmp_path / "b", "alembic_version", None)
    for other, table in others.items():
        assert f"{other}.{table}" in found.message
        assert f"{other}.{table}" in caught.value.what
    assert kept(mariadb_database) == ["migrations_ops_kept_shop_20260102_030405"]
    run(mariadb_database, *re.findall(r"ALTER TABLE .*? DROP FOREIGN KEY `[^`]+`", found.message))
    assert database.find_obstacles() == []
