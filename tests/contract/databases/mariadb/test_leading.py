"""What leads to another database of the server is found where it stands, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.model.findings import Finding
from tests.contract.databases.mariadb.support import make_role, run
from tests.servers.databases import ServerDatabase

BASE = ("CREATE TABLE a (id INT, v VARCHAR(20))", "CREATE TABLE log (id INT, a INT)",
        "CREATE SEQUENCE numbers")  # fmt: skip
ON_A = "AFTER UPDATE ON a FOR EACH ROW"
WRITING = {
    "trigger t1": f"CREATE TRIGGER t1 {ON_A} INSERT INTO audit.log VALUES (NEW.id, 1)",
    "trigger t2": f"CREATE TRIGGER t2 {ON_A} IF NEW.id > 1 THEN DELETE FROM `audit`.`log`; END IF",
    "trigger t3": f"CREATE TRIGGER t3 {ON_A} UPDATE audit.log AS a SET a.id = 1 WHERE a.id = 2",
    "trigger t4": f"CREATE TRIGGER t4 {ON_A} REPLACE audit.log (id) SELECT id FROM log",
    "trigger t5": f"CREATE TRIGGER t5 {ON_A} CALL audit.tell(NEW.id)",
    "trigger t6": f"CREATE TRIGGER t6 {ON_A} SET @x = audit.noted(NEW.id)",
    "procedure p1": "CREATE PROCEDURE p1() BEGIN DECLARE x INT; TRUNCATE TABLE audit.log; END",
    "procedure p2": "CREATE PROCEDURE p2() EXECUTE IMMEDIATE 'DELETE FROM audit.log'",
    "event e1": "CREATE EVENT e1 ON SCHEDULE EVERY 1 DAY DO DELETE l FROM audit.log AS l",
}
INNOCENT = (
    f"CREATE TRIGGER i1 {ON_A} INSERT INTO log SELECT NEW.id, x.id FROM audit.log x",
    f"CREATE TRIGGER i2 {ON_A} UPDATE log SET log.a = NEW.id + OLD.id * 1.5 WHERE log.id = 1",
    f"CREATE TRIGGER i3 {ON_A} SET @x = 'INSERT INTO audit.log'",
    f"CREATE TRIGGER i4 {ON_A} DELETE l FROM log l JOIN a audit ON l.a = audit.id",
    f"CREATE TRIGGER i5 {ON_A} INSERT INTO log (id) VALUES (1) /* audit.log */",
    "CREATE PROCEDURE i6() BEGIN DECLARE r ROW TYPE OF a; SET r.id = 1; DELETE FROM log; END",
    "CREATE PROCEDURE i7() UPDATE log SET id = (SELECT COUNT(*) FROM mysql.user)",
    "CREATE VIEW i8 AS SELECT id, (SELECT COUNT(*) FROM audit.log) AS n FROM a",
    "CREATE PROCEDURE i9() SELECT id FROM a INTO @x FOR UPDATE",
)


@pytest.fixture
def database(mariadb_database: ServerDatabase) -> Iterator[ServerDatabase]:
    """A database beside which there is another one, `audit`."""
    server = mariadb_database.server
    server.create_database("audit")
    server.execute("CREATE TABLE audit.log (id INT, a INT)")
    server.execute("CREATE PROCEDURE audit.tell(a INT) DELETE FROM log")
    server.execute("CREATE FUNCTION audit.noted(a INT) RETURNS INT RETURN 1")
    run(mariadb_database, *BASE)
    yield mariadb_database
    server.drop_database("audit")


def found_in(database: ServerDatabase, *others: ServerDatabase) -> list[Finding]:
    identities = {each.name: MariaDB.from_url(each.url()).identity() for each in others}
    return MariaDB.from_url(database.url()).find_obstacles(identities)


def test_what_writes_to_another_database_is_found(database: ServerDatabase) -> None:
    run(database, *WRITING.values())
    found = found_in(database)
    assert {each.code for each in found} == {"names-another"}
    assert sorted(each.where for each in found) == sorted(WRITING)
    assert all(each.severity == "error" and "audit" in each.message for each in found)


def test_what_reads_or_only_looks_like_it_is_not_found(database: ServerDatabase) -> None:
    run(database, *INNOCENT)
    assert found_in(database) == []


def test_a_database_that_only_the_definer_may_see_is_found(database: ServerDatabase) -> None:
    run(database, WRITING["trigger t1"])
    make_role(database, "ALL")
    url = database.server.url(database.name, user="plain", password="word")
    found = MariaDB.from_url(url).find_obstacles()
    assert "trigger t1" in [each.where for each in found if each.code == "names-another"]


@pytest.mark.parametrize(
    "leading",
    [
        "CREATE VIEW v AS SELECT * FROM audit.log",
        f"CREATE TRIGGER v {ON_A} SET @x = (SELECT MAX(id) FROM audit.log)",
        "CREATE PROCEDURE v() SELECT * FROM audit.log",
        "CREATE EVENT v ON SCHEDULE EVERY 1 DAY DO UPDATE audit.log SET id = 1",
    ],
)
def test_what_names_the_database_of_another_environment_is_found(
    database: ServerDatabase, leading: str
) -> None:
    run(database, leading)
    audit = ServerDatabase(database.server, "audit")
    [found] = found_in(database, audit)
    assert (found.code, found.severity) == ("names-environment", "error")
    assert found.where.endswith(" v")
    assert "names audit, the database of audit" in found.message
    assert found_in(audit, database) == []


def test_copies_on_another_server_do_not_write_to_the_real_one(database: ServerDatabase) -> None:
    run(database, WRITING["trigger t1"])
    port = database.server.port
    scratch = database.url().replace(f":{port}/", f":{port + 1}/")
    found = MariaDB.from_url(database.url(), scratch).find_obstacles()
    assert "names-another" not in [each.code for each in found]
