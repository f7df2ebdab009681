"""Rows that mariadb-dump would shorten are written by ourselves, to the last digit and byte."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from migrations_ops.databases.mariadb.connect import ask
from migrations_ops.databases.mariadb.dump import dump, restore
from migrations_ops.databases.mariadb.rows.insertions import has_long_floats, write_rows
from tests.contract.databases.mariadb.support import address_of, run, session
from tests.servers.databases import ServerDatabase

LONG = 1.2345678806304932  # the FLOAT that is nearest to 1.23456789
FLOATS = ["0.1", "-1.23456789", "3.4028234663852886e38", "1e-45", "16777217", "1.17549435e-38"]


def copied(database: ServerDatabase, folder: Path) -> None:
    """Back the database up, and restore it as ``copy``."""
    dump(address_of(database), folder / "backup.sql.gz", None)
    database.server.drop_database("copy")
    database.server.create_database("copy")
    restore(folder / "backup.sql.gz", address_of(database).of_database("copy"))


def both(database: ServerDatabase, sql: str) -> tuple[list[tuple[object, ...]], ...]:
    with session(database) as one, session(database, "copy") as other:
        return ask(one, sql), ask(other, sql)


def test_each_digit_of_a_float_comes_back(mariadb_database: ServerDatabase, tmp_path: Path) -> None:
    run(mariadb_database,
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, f FLOAT, g FLOAT(9,4))",
        f"INSERT INTO t (f, g) VALUES {', '.join(f'({each}, 12345.6789)' for each in FLOATS)},"
        " (NULL, NULL)")  # fmt: skip

    copied(mariadb_database, tmp_path)

    was, now = both(mariadb_database, "SELECT id, CAST(f AS DOUBLE), CAST(g AS DOUBLE) FROM t")
    assert now == was
    assert now[4][1] == 16777216.0


@pytest.mark.parametrize(
    ("rows", "long"),
    [("(1, 1.5), (2, NULL), (3, 123456), (4, 0.1)", False), ("(1, 1.5), (2, 1234567)", True)],
)
def test_only_what_would_be_shortened_is_written_by_ourselves(
    mariadb_database: ServerDatabase, tmp_path: Path, rows: str, long: bool
) -> None:
    run(mariadb_database, "CREATE TABLE t (id INT, f FLOAT)", f"INSERT INTO t VALUES {rows}",
        "CREATE VIEW v AS SELECT id, f FROM t")  # fmt: skip
    with session(mariadb_database) as connection:
        assert has_long_floats(connection) is long

    copied(mariadb_database, tmp_path)

    text = gzip.decompress((tmp_path / "backup.sql.gz").read_bytes())
    assert (b"-- Rows of `t`" in text) is long
    was, now = both(mariadb_database, "SELECT id, CAST(f AS DOUBLE) FROM v ORDER BY id")
    assert now == was


def test_a_float_that_was_longer_is_seen_in_the_history_too(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    run(mariadb_database, "CREATE TABLE t (id INT PRIMARY KEY, f FLOAT) WITH SYSTEM VERSIONING",
        f"INSERT INTO t VALUES (1, {LONG})", "UPDATE t SET f = 1")  # fmt: skip

    copied(mariadb_database, tmp_path)

    was, now = both(
        mariadb_database,
        "SELECT CAST(f AS DOUBLE), row_start, row_end FROM t FOR SYSTEM_TIME ALL ORDER BY row_end",
    )
    assert now == was
    assert now[0][0] == LONG


def test_rows_come_back_byte_by_byte_and_set_off_no_trigger(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    run(mariadb_database, "ALTER DATABASE CHARACTER SET utf8mb4",
        """CREATE TABLE `odd ``name` (id INT PRIMARY KEY, f FLOAT, raw BLOB, plain LONGTEXT,
        old VARCHAR(300) CHARACTER SET latin1, flags BIT(9), at TIMESTAMP NULL, day DATE, y YEAR,
        place POINT, who UUID, wide DECIMAL(40, 10), `shop``.` INT AS (id + 1),
        parent INT REFERENCES `odd ``name` (id))""")  # fmt: skip
    every = bytes(range(256))
    text = "".join(map(chr, range(1, 300))) + "\0 \\' \" ` ;\n('); DELIMITER ;;\n-- \x1a 💥"
    with mariadb_database.server.session(mariadb_database.name, charset="utf8mb4") as connection:
        connection.cursor().execute(
            "INSERT INTO `odd ``name` (id, f, raw, plain, old, flags, at, day, y, place, who, wide,"
            " parent) VALUES (0, %s, %s, %s, %s, 257, '2026-03-29 01:30:00', '1000-01-01', 2026,"
            " POINT(1, 2), UUID(), 12345678901234567890.5, NULL), (7, 1, '', '', '', 0, NULL, NULL,"
            " NULL, NULL, NULL, NULL, 0)",
            (LONG, every, text, "é\\'\n\r ÿ"),
        )
        connection.cursor().execute("UPDATE `odd ``name` SET parent = 7 WHERE id = 0")
        connection.cursor().execute(
            "CREATE TRIGGER changing BEFORE INSERT ON `odd ``name` FOR EACH ROW SET NEW.f = 5"
        )

    copied(mariadb_database, tmp_path)

    was, now = both(mariadb_database, "SELECT *, CAST(f AS DOUBLE) FROM `odd ``name` ORDER BY id")
    assert now == was
    assert (now[0][2], now[0][-1]) == (every, LONG)
    was, now = both(mariadb_database, "SHOW TRIGGERS")
    assert [row[:5] for row in now] == [row[:5] for row in was] != []


def test_what_is_written_meanwhile_is_in_all_of_the_rows_or_in_none(
    mariadb_database: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are written between two tables, seen by one moment's snapshot."""
    run(mariadb_database, "CREATE TABLE a (id INT, f FLOAT)", "CREATE TABLE b (id INT)",
        f"INSERT INTO a VALUES (1, {LONG})", "INSERT INTO b VALUES (1)")  # fmt: skip
    mariadb_database.execute("SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def interrupted(*args: object) -> object:
        for number, block in enumerate(write_rows(*args)):  # type: ignore[arg-type]
            if number == 1:
                run(mariadb_database, "INSERT INTO a VALUES (2, 2)", "INSERT INTO b VALUES (2)")
            yield block

    monkeypatch.setattr("migrations_ops.databases.mariadb.dump.write_rows", interrupted)
    try:
        copied(mariadb_database, tmp_path)
    finally:
        mariadb_database.execute("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    assert both(mariadb_database, "SELECT id FROM b ORDER BY id") == ([(1,), (2,)], [(1,)])
    assert both(mariadb_database, "SELECT id FROM a ORDER BY id") == ([(1,), (2,)], [(1,)])
