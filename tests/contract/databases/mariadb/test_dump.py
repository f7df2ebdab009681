"""Backups hold everything, are put back as they were, and tell nobody the password."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb import dump as mariadb_dump
from migrations_ops.databases.mariadb import tools as mariadb_tools
from migrations_ops.databases.mariadb.connect import ask, close, connect
from migrations_ops.databases.mariadb.dump import _advice, _of_too_long, dump, restore
from migrations_ops.databases.mariadb.rows.sums import count_and_sum
from migrations_ops.databases.mariadb.schema.reading import read_schema, read_tables
from migrations_ops.databases.mariadb.tools import credentials, require_tools
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.system import process
from migrations_ops.system.files import open_own
from tests.contract.databases.mariadb.support import EVERYTHING, address_of, make_role, run, session
from tests.servers.databases import ServerDatabase
from tests.servers.mariadb import MariaServer, quoted

CONTENT = tuple[dict[str, str], tuple[dict[str, int], dict[str, str]]]


def content_of(address: Address) -> CONTENT:
    connection = connect(address)
    try:
        return read_schema(connection, ""), count_and_sum(connection, read_tables(connection))
    finally:
        close(connection)


def fresh(database: ServerDatabase, name: str = "copy") -> Address:
    """An empty database, like the one of the test."""
    database.server.drop_database(name)
    database.server.create_database(name)
    run(database, "ALTER DATABASE CHARACTER SET utf8mb4", name=name)
    return address_of(database).of_database(name)


@pytest.fixture
def everything(mariadb_database: ServerDatabase) -> ServerDatabase:
    run(mariadb_database, *EVERYTHING)
    return mariadb_database


@pytest.fixture
def small(mariadb_database: ServerDatabase) -> ServerDatabase:
    run(mariadb_database, "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20))",
        "INSERT INTO t VALUES (1, 'one'), (2, 'two')")  # fmt: skip
    return mariadb_database


@pytest.mark.parametrize("number", ["0.1", "1.23456789"])
def test_a_restored_backup_holds_everything_as_it_was(
    everything: ServerDatabase, tmp_path: Path, number: str
) -> None:
    file, done = tmp_path / "backup.sql.gz", list[tuple[int, int]]()
    run(everything, f"UPDATE children SET f = {number}")
    before = content_of(address_of(everything))
    dump(address_of(everything), file, lambda *told: done.append(told))
    assert done[-1][0] == done[-1][1] > 0
    assert all(part <= total for part, total in done)
    assert restore(file, fresh(everything)) == ()
    assert content_of(address_of(everything).of_database("copy")) == before
    assert content_of(address_of(everything)) == before
    history = "SELECT a, row_start, row_end FROM versioned FOR SYSTEM_TIME ALL ORDER BY row_end"
    with session(everything) as one, session(everything, "copy") as other:
        assert len(ask(one, history)) == 2
        assert ask(one, history) == ask(other, history)


def test_programs_come_back_letter_by_letter(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    body = "BEGIN\r\n    -- why\r\n    SELECT 'a\tb', 1; # so\r\nEND"
    run(mariadb_database, f"CREATE PROCEDURE p() {body}", "CREATE TABLE t (id INT)",
        f"CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW {body.replace('SELECT', 'SET @x =')}"
        .replace(", 1", ""))  # fmt: skip
    dump(address_of(mariadb_database), tmp_path / "b", None)
    restore(tmp_path / "b", fresh(mariadb_database))
    for query in (
        "SELECT ROUTINE_DEFINITION FROM information_schema.ROUTINES"
        " WHERE ROUTINE_SCHEMA = DATABASE()",
        "SELECT ACTION_STATEMENT FROM information_schema.TRIGGERS"
        " WHERE TRIGGER_SCHEMA = DATABASE()",
    ):
        with session(mariadb_database) as one, session(mariadb_database, "copy") as other:
            [(was,)], [(now,)] = ask(one, query), ask(other, query)
        assert was.count("\r\n") == 3
        assert now.rstrip() == was.rstrip()


def test_a_copy_does_not_count_up_the_original_and_its_events_sleep(
    everything: ServerDatabase, tmp_path: Path
) -> None:
    dump(address_of(everything), tmp_path / "b", None)
    restore(tmp_path / "b", fresh(everything))
    numbers = f"SELECT next_not_cached_value FROM {quoted(everything.name)}.numbers"
    before = everything.execute(numbers)
    with session(everything, "copy") as copy:
        for _ in range(3):
            ask(copy, "INSERT INTO numbered (a) VALUES (2)")
        ask(copy, "SELECT n FROM a_view")
        [(own, foreign)] = ask(
            copy,
            "SELECT SUM(VIEW_DEFINITION LIKE %s), SUM(VIEW_DEFINITION LIKE %s)"
            " FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()",
            "%`copy`.%",
            f"%`{everything.name}`.%",
        )
        assert (own > 0, foreign) == (True, 0)
        states = "SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s"
        assert set(ask(copy, states, "copy")) == {
            ("cleaning", "SLAVESIDE_DISABLED"), ("asleep", "DISABLED"),
        }  # fmt: skip
    assert everything.execute(numbers) == before


def test_a_plain_role_backs_up_and_restores_all_that_is_its_own(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    plain = make_role(mariadb_database, "ALL")
    connection = connect(plain)
    with connection.cursor() as cursor:
        for statement in EVERYTHING:
            cursor.execute(statement)
    close(connection)
    dump(plain, tmp_path / "b", None)
    fresh(mariadb_database)
    mariadb_database.server.execute("GRANT ALL ON copy.* TO plain@'%'")
    restore(tmp_path / "b", plain.of_database("copy"))
    assert content_of(plain) == content_of(plain.of_database("copy"))


def test_definers_that_a_plain_role_may_not_name_are_reported(
    everything: ServerDatabase, tmp_path: Path
) -> None:
    dump(address_of(everything), tmp_path / "b", None)
    plain = make_role(everything, "SELECT")
    fresh(everything)
    everything.server.execute("GRANT ALL ON copy.* TO plain@'%'")
    assert restore(tmp_path / "b", plain.of_database("copy")) == ("`root`@`%`",)
    with session(everything, "copy") as copy:
        definers = "SELECT DISTINCT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s"
        assert ask(copy, definers, "copy") == [("plain@%",)]
    root, there = content_of(address_of(everything)), address_of(everything).of_database("copy")
    assert content_of(there) == root


def test_a_wrong_password_is_reported_without_showing_it(small: ServerDatabase) -> None:
    """The server may let us in and not the program: then its own words are told."""
    address = address_of(small, password="hidden-and-wrong")
    tools = mariadb_tools.find_tools(mariadb=True)
    assert tools is not None
    with pytest.raises(StepFailed) as caught:
        list(mariadb_dump._Run(tools, address, ()).blocks())
    assert "Access denied" in str(caught.value)
    assert "Check user and password" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_the_password_is_in_no_argument_no_variable_and_no_file_that_stays(
    mariadb: MariaServer, small: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYSQL_PWD", "wrong")
    monkeypatch.setenv("MYSQL_HOST", "nowhere.invalid")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen: list[str] = []
    piped = process.piped

    def watched(argv: list[str], variables: dict[str, str], *args: object, **more: bool) -> object:
        seen.extend((*argv, *variables.values(), *variables))
        [file] = tmp_path.rglob("client.cnf")
        assert mariadb.password in file.read_text()
        if os.name != "nt":
            assert file.stat().st_mode & 0o777 == 0o600
            assert file.parent.stat().st_mode & 0o777 == 0o700
        return piped(argv, variables, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "piped", watched)
    dump(address_of(small), tmp_path / "b", None)
    restore(tmp_path / "b", fresh(small))
    assert len([word for word in seen if word.startswith("--defaults-file=")]) == 2
    assert not [word for word in seen if mariadb.password in word or word.startswith("MYSQL_H")]
    assert not [word for word in seen if word == "MYSQL_PWD"]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert mariadb.password.encode() not in gzip.decompress((tmp_path / "b").read_bytes())
    assert os.name == "nt" or (tmp_path / "b").stat().st_mode & 0o777 == 0o600


def test_the_option_file_goes_whatever_happens(small: ServerDatabase) -> None:
    with suppress(RuntimeError), credentials(address_of(small)) as (told, _):
        assert told.file.exists()
        raise RuntimeError
    assert not told.file.exists()
    assert not told.file.parent.exists()


def unsigned(data: bytes) -> bytes:
    return data[:-4]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def endless(data: bytes) -> bytes:
    text = gzip.decompress(data)
    return gzip.compress(text[: text.rindex(b"-- Dump completed")])


def torn(data: bytes) -> bytes:
    text = gzip.decompress(data)
    return gzip.compress(text[: text.index(b"(2,'two')")] + b"(3,'three')")


@pytest.mark.parametrize("harm", [unsigned, flipped, endless, torn])
def test_a_damaged_backup_is_refused_and_its_last_statement_not_executed(
    small: ServerDatabase, tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "b"
    dump(address_of(small), file, None)
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(StepFailed) as caught:
        restore(file, fresh(small))
    assert "is damaged" in str(caught.value)
    with session(small, "copy") as copy:
        if ask(copy, "SHOW TABLES"):
            assert (3, "three") not in ask(copy, "SELECT * FROM t")


def test_a_failing_statement_is_reported_in_one_sentence(
    small: ServerDatabase, tmp_path: Path
) -> None:
    dump(address_of(small), tmp_path / "b", None)
    text = gzip.decompress((tmp_path / "b").read_bytes()).replace(b"varchar(20)", b"varchat(20)")
    (tmp_path / "b").write_bytes(gzip.compress(text))
    with pytest.raises(StepFailed) as caught:
        restore(tmp_path / "b", fresh(small))
    assert "mariadb failed: ERROR 4161" in caught.value.what
    assert "\n" not in caught.value.what


def test_a_view_that_is_broken_is_named(small: ServerDatabase, tmp_path: Path) -> None:
    run(small, "CREATE TABLE u (id INT)", "CREATE VIEW broken AS SELECT id FROM u", "DROP TABLE u")
    with pytest.raises(StepFailed) as caught:
        dump(address_of(small), tmp_path / "b", None)
    assert "broken" in caught.value.what
    assert "Fix that view" in caught.value.next
    assert list(tmp_path.iterdir()) == []


def test_a_role_that_may_not_see_a_program_does_not_lose_it_in_silence(
    small: ServerDatabase, tmp_path: Path
) -> None:
    run(small, "CREATE PROCEDURE p() SELECT 1")
    plain = make_role(small, "SELECT, EXECUTE, SHOW VIEW, TRIGGER, EVENT")
    with pytest.raises(StepFailed) as caught:
        dump(plain, tmp_path / "b", None)
    assert "insufficient privileges" in caught.value.what.lower()
    assert "GRANT SELECT ON mysql.proc" in caught.value.next
    small.server.execute("GRANT SELECT ON mysql.proc TO plain@'%'")
    dump(plain, tmp_path / "b", None)


def test_a_disk_that_is_full_leaves_no_file_and_is_reported(
    small: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no device here that is always full")

    def full(file: Path, flags: int) -> int:
        os.close(open_own(file, flags))
        return os.open("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(mariadb_dump, "open_own", full)
    with pytest.raises(StepFailed) as caught:
        dump(address_of(small), tmp_path / "b", None)
    assert "No space left" in caught.value.what
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu", False),
        ("mariadb-dump from 11.4.2-MariaDB, client 10.19 for Linux (x86_64)", False),
        ("mysqldump  Ver 10.13 Distrib 5.5.68-MariaDB, for Linux (x86_64)", True),
        ("mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", True),
    ],
)
def test_clients_that_are_too_old_or_of_another_kind_are_refused(
    small: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, refused: bool
) -> None:
    for name in ("mariadb-dump", "mariadb"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with session(small) as connection:
        if not refused:
            assert require_tools(connection).dump == str(tmp_path / "mariadb-dump")
            return
        with pytest.raises(Refused) as caught:
            require_tools(connection)
    assert "no backup could be taken" in caught.value.what
    assert "Install MariaDB's clients of version 10 or later" in caught.value.next


def test_a_backup_is_written_and_read_in_pieces(small: ServerDatabase, tmp_path: Path) -> None:
    """The memory that it takes does not grow with the database."""
    run(small, "INSERT INTO t SELECT seq + 9, REPEAT('x', 20) FROM seq_1_to_400000")
    tracemalloc.start()
    try:
        dump(address_of(small), tmp_path / "b", None)
        restore(tmp_path / "b", fresh(small))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(gzip.decompress((tmp_path / "b").read_bytes())) > 12_000_000
    assert most < 9_000_000
    assert small.server.execute("SELECT COUNT(*) FROM copy.t") == [(400_002,)]


@pytest.mark.parametrize("number", ["0.1", "1.23456789"])
def test_a_backup_holds_the_default_of_the_database_and_changes_no_other(
    mariadb_database: ServerDatabase, tmp_path: Path, number: str
) -> None:
    """mariadb-dump alters a database by its name around programs that were made under another
    default."""
    run(
        mariadb_database,
        "ALTER DATABASE COLLATE latin1_german2_ci",
        "CREATE TABLE t (a FLOAT)",
        f"INSERT INTO t VALUES ({number})",
        "CREATE FUNCTION f() RETURNS VARCHAR(9) RETURN 'x'",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
        "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    )
    before = content_of(address_of(mariadb_database))
    dump(address_of(mariadb_database), tmp_path / "b", None)
    run(mariadb_database, "ALTER DATABASE CHARACTER SET latin2")
    changed = content_of(address_of(mariadb_database))
    copy = fresh(mariadb_database)
    restore(tmp_path / "b", copy)
    assert content_of(address_of(mariadb_database)) == changed
    assert content_of(copy) == before
    # By hand, into whatever database.
    mariadb_database.server.create_database("by_hand")
    assert isinstance(mariadb_database.server, MariaServer)
    mariadb_database.server.client(
        "mariadb", "by_hand", given=gzip.decompress((tmp_path / "b").read_bytes())
    )
    assert (
        content_of(copy.of_database("by_hand"))[0]['schema "character set"']
        == (before[0]['schema "character set"'])
    )


@pytest.mark.parametrize("number", ["0.1", "1.23456789"])
def test_dates_that_the_calendar_lacks_and_rows_of_nothing_come_back(
    mariadb_database: ServerDatabase, tmp_path: Path, number: str
) -> None:
    run(
        mariadb_database,
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
        "CREATE TABLE t (a FLOAT, d DATE)",
        f"INSERT INTO t VALUES ({number}, '2024-02-31')",
        "CREATE TABLE computed (a INT AS (1) STORED)",
        "INSERT INTO computed VALUES (), ()",
    )
    before = content_of(address_of(mariadb_database))
    dump(address_of(mariadb_database), tmp_path / "b", None)
    copy = fresh(mariadb_database)
    run(mariadb_database, "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_swedish_ci",
        name="copy")  # fmt: skip
    restore(tmp_path / "b", copy)
    assert content_of(copy) == before
    with session(mariadb_database, "copy") as connection:
        assert str(ask(connection, "SELECT CAST(d AS CHAR) FROM t")[0][0]) == "2024-02-31"


def test_a_value_that_is_too_long_for_the_server_is_reported_with_the_cure(
    small: ServerDatabase, tmp_path: Path
) -> None:
    run(small, "CREATE TABLE long_ones (b LONGBLOB)",
        "INSERT INTO long_ones VALUES (REPEAT('x', 9 << 20))")  # fmt: skip
    dump(address_of(small), tmp_path / "b", None)
    with pytest.raises(StepFailed) as caught:
        restore(tmp_path / "b", fresh(small))
    assert "Raise max_allowed_packet on the server to more than twice" in caught.value.next


def test_a_server_that_hangs_up_on_a_long_statement_is_understood_also_without_its_word(
    small: ServerDatabase,
) -> None:
    gone = "ERROR 2006 (HY000) at line 36: Server has gone away"
    with session(small) as connection:
        [(most,)] = ask(connection, "SELECT @@max_allowed_packet")
    assert isinstance(most, int)
    told = _of_too_long(gone, address_of(small), most + 1)
    assert "Raise max_allowed_packet" in _advice(told)
    assert not _of_too_long(gone, address_of(small), most)
    assert not _of_too_long("ERROR 1064 at line 3: syntax", address_of(small), most + 1)


def test_a_limit_that_is_meant_for_an_application_does_not_end_our_work(
    everything: ServerDatabase, tmp_path: Path
) -> None:
    server = everything.server
    server.execute("SET GLOBAL max_statement_time = 0.5")
    try:
        with session(everything) as connection:
            assert ask(connection, "SELECT SLEEP(0.7)") == [(0,)]
        dump(address_of(everything), tmp_path / "b", None)
    finally:
        server.execute("SET GLOBAL max_statement_time = 0")


def test_the_table_at_which_a_restore_failed_is_named_with_the_advice_of_its_kind(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    run(mariadb_database, "CREATE TABLE first (a INT)", "CREATE TABLE t (a INT)",
        "INSERT INTO t VALUES (NULL)")  # fmt: skip
    dump(address_of(mariadb_database), tmp_path / "b", None)
    text = gzip.decompress((tmp_path / "b").read_bytes())
    broken = text.replace(b"`a` int(11) DEFAULT NULL\n", b"`a` int(11) NOT NULL\n")
    (tmp_path / "c").write_bytes(gzip.compress(broken))
    with pytest.raises(StepFailed) as caught:
        restore(tmp_path / "c", fresh(mariadb_database))
    assert "cannot be null" in caught.value.what
    assert "data for table `t`" in caught.value.what
    assert "Change that value" in caught.value.next
