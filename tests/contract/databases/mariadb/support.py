"""What the tests of MariaDB share: sessions of ours, and a database with all kinds of objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.connect import Connection, close, connect
from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.databases.mariadb.schema.reading import read_schema
from migrations_ops.model.fingerprint import Fingerprint
from tests.servers.databases import ServerDatabase
from tests.servers.mariadb import account, quoted

# One of each kind, and of each way to write it that a dump or a copy might lose. Statements, since
# some have semicolons of their own.
EVERYTHING = (
    "ALTER DATABASE CHARACTER SET utf8mb4",
    "CREATE SEQUENCE numbers START WITH 100 MINVALUE 10 MAXVALUE 1000 INCREMENT BY 10 CYCLE",
    r"""CREATE TABLE parents (id INT PRIMARY KEY AUTO_INCREMENT,
        name VARCHAR(40) NOT NULL DEFAULT 'it''s a "x" \\ #' COMMENT 'co''mment', born DATE)
        COMMENT='table''s'""",
    """CREATE TABLE children (id BIGINT UNSIGNED PRIMARY KEY, parent_id INT,
        other INT NOT NULL DEFAULT 5, parent2 INT,
        stamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
        moment DATETIME(3) DEFAULT current_timestamp(3), notes TEXT CHARACTER SET latin1, j JSON,
        e ENUM('a', 'B''c') NOT NULL DEFAULT 'a', s SET('x', 'y'), price DECIMAL(12,3) UNSIGNED,
        f FLOAT, d DOUBLE, b BIT(3) DEFAULT b'101', bin BINARY(4), place POINT NOT NULL, u UUID,
        i INET6, twice INT AS (other * 2) STORED,
        joint VARCHAR(10) GENERATED ALWAYS AS (concat(e, 'x''y')) VIRTUAL,
        hidden INT INVISIBLE DEFAULT 3, y YEAR, at TIME(2), packed TEXT COMPRESSED,
        small INT CHECK (small < 5),
        CONSTRAINT fk_parent FOREIGN KEY (parent_id) REFERENCES parents (id)
            ON DELETE CASCADE ON UPDATE SET NULL,
        FOREIGN KEY (parent2) REFERENCES parents (id),
        UNIQUE KEY uq (other, parent_id), KEY part (notes(10), id DESC), FULLTEXT KEY ft (notes),
        SPATIAL KEY sp (place), KEY idle (other) IGNORED COMMENT 'ind',
        CONSTRAINT positive CHECK (other > 0), CHECK (d IS NULL OR d <> 'x')) ROW_FORMAT=DYNAMIC""",
    """CREATE TABLE split (id INT, y INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y)
        (PARTITION p0 VALUES LESS THAN (10) COMMENT 'x', PARTITION p1 VALUES LESS THAN MAXVALUE)""",
    "CREATE TABLE hashed (id INT PRIMARY KEY) PARTITION BY KEY (id) PARTITIONS 3",
    "CREATE TABLE versioned (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING",
    """CREATE TABLE named_versions (id INT PRIMARY KEY, a INT,
        since TIMESTAMP(6) GENERATED ALWAYS AS ROW START,
        until TIMESTAMP(6) GENERATED ALWAYS AS ROW END,
        PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING""",
    """CREATE TABLE periods (id INT, a DATE, b DATE, PERIOD FOR app (a, b),
        UNIQUE (id, app WITHOUT OVERLAPS))""",
    "CREATE TABLE old (id INT PRIMARY KEY AUTO_INCREMENT) ENGINE=MyISAM AUTO_INCREMENT=77",
    """CREATE TABLE `odd ``name`` "q"` (`col umn` INT, `a``b` INT, `select` INT,
        PRIMARY KEY (`a``b`), KEY `ix 1` (`col umn`))""",
    "CREATE TABLE numbered (id INT PRIMARY KEY DEFAULT NEXTVAL(numbers), a INT)",
    """CREATE FUNCTION joined(a INT, b VARCHAR(10)) RETURNS VARCHAR(20) CHARSET utf8mb4
        DETERMINISTIC COMMENT 'fn' RETURN concat(a, b, 'it''s')""",
    """CREATE PROCEDURE counted(IN a INT, OUT b INT) MODIFIES SQL DATA SQL SECURITY INVOKER
        BEGIN
            -- with "DEFINER=`x`@`y`"
            SELECT count(*) INTO b FROM parents;
            EXECUTE IMMEDIATE 'CREATE OR REPLACE
CREATE DEFINER=`a`@`b` VIEW foo';
        END""",
    """CREATE TRIGGER first_one BEFORE INSERT ON children FOR EACH ROW
        BEGIN SET NEW.other = NEW.other + 0; END""",
    """CREATE TRIGGER second_one BEFORE INSERT ON children FOR EACH ROW FOLLOWS first_one
        SET NEW.other = NEW.other + 0""",
    """CREATE EVENT cleaning ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2030-01-01 00:00:00'
        ON COMPLETION PRESERVE COMMENT 'e ENABLE DO x' DO
        BEGIN DELETE FROM parents WHERE id < 0; END""",
    """CREATE EVENT asleep ON SCHEDULE AT '2037-01-01 00:00:00' DISABLE
        DO DELETE FROM parents WHERE id < 0""",
    r"""CREATE VIEW named AS SELECT p.id, joined(p.id, 'x') AS f, upper(p.name) AS n FROM parents p
        WHERE p.name <> 'a\'b'""",
    """CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW a_view AS SELECT id, id AS b,
        (SELECT count(*) FROM children c WHERE c.parent_id = named.id) AS c, NEXTVAL(numbers) AS n
        FROM named WHERE id > 0""",
    """CREATE VIEW checked AS SELECT id, name FROM parents WHERE id > 5
        WITH LOCAL CHECK OPTION""",
    r"""CREATE VIEW migrations_ops_ledger
        AS SELECT '{"format": 1, "runs": [{"a": "it\\"s"}]}' AS ledger""",
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('abc')",
    r"""INSERT INTO parents (name) VALUES ('a'), ('b\nc\\d''e"'), ('DEFINER=`root`@`%` ü💥')""",
    "INSERT INTO parents (id, name) VALUES (9, '')",
    "DELETE FROM parents WHERE id = 9",
    r"""INSERT INTO children (id, parent_id, other, notes, j, place, u, i, bin, f, hidden)
        VALUES (1, 1, 4, 'tx\0t', '{"a": 1}', POINT(1, 2), UUID(), '::1', 'ab', 0.1, 8)""",
    "INSERT INTO versioned VALUES (1, 1)",
    "UPDATE versioned SET a = 2",
    "INSERT INTO named_versions (id, a) VALUES (1, 1)",
    "UPDATE named_versions SET a = 2",
    "INSERT INTO split VALUES (1, 5), (2, 50)",
    "INSERT INTO old VALUES (NULL)",
    "INSERT INTO numbered (a) VALUES (1)",
)


def address_of(database: ServerDatabase, **role: str) -> Address:
    """The address of a test's database, as the administrator or another ``user``."""
    return Address.of(database.server.url(database.name, **role))


@contextmanager
def session(database: ServerDatabase, name: str = "") -> Iterator[Connection]:
    """One of our own connections."""
    connection = connect(address_of(database).of_database(name or database.name))
    try:
        yield connection
    finally:
        close(connection)


def run(database: ServerDatabase, *statements: str, name: str = "") -> None:
    """Run statements as the administrator, in one session."""
    with session(database, name) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def make_role(database: ServerDatabase, *grants: str, password: str = "word") -> Address:
    """The address of the database for a role that has just these rights in it."""
    database.server.create_role("plain", password)
    for grant in grants:
        database.execute(f"GRANT {grant} ON {quoted(database.name)}.* TO {account('plain')}")
    return address_of(database, user="plain", password=password)


def engine(database: ServerDatabase, **role: str) -> MariaDB:
    """The database as the product sees it, with the sums of its rows."""
    return replace(MariaDB.from_url(database.server.url(database.name, **role)), summed=True)


def back_up(database: ServerDatabase, file: Path) -> Fingerprint:
    """Take a backup."""
    own = engine(database)
    with own.locked("backup", 30):
        return own.back_up(file, "alembic_version", None)


def restore(database: ServerDatabase, file: Path) -> Fingerprint:
    """Restore a backup; returns what is there since."""
    own = engine(database)
    with own.locked("restore", 30):
        return own.restore_from(file, "alembic_version", None).now


def require_restored(database: ServerDatabase, file: Path, *harm: str) -> None:
    """Back up, run what changes the database, and restore: it is as it was before."""
    before = back_up(database, file)
    run(database, *harm)
    assert restore(database, file) == before
    assert engine(database).fingerprint("alembic_version") == before


def kept(database: ServerDatabase) -> list[str]:
    """The databases in which restores have kept something."""
    return sorted(name for name in database.server.databases() if "_kept_" in name)


def schema_of(database: ServerDatabase, name: str = "") -> dict[str, str]:
    """What the product reads of a database."""
    with session(database, name) as connection:
        return read_schema(connection, "")


def keys_out_of(database: ServerDatabase, name: str) -> list[str]:
    """To what InnoDB itself knows keys that lead out of a database."""
    found = database.server.execute(
        "SELECT REF_NAME FROM information_schema.INNODB_SYS_FOREIGN"
        " WHERE FOR_NAME LIKE %s AND REF_NAME NOT LIKE %s", f"{name}/%", f"{name}/%",
    )  # fmt: skip
    return [str(parent) for (parent,) in found]
