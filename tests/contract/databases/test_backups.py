"""A backup holds all of a database and nothing else does; it is put back whole, or not at all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_ops.databases.postgresql import dump as postgresql_tools
from migrations_ops.databases.server import ServerDatabase as Engine
from migrations_ops.model.errors import Locked, OpsError, Refused, StepFailed
from migrations_ops.model.ledger import LedgerEntry
from tests.contract.databases.conftest import search_clients_anew
from tests.contract.databases.engines import VERSION, Live
from tests.contract.databases.mariadb.support import EVERYTHING, run
from tests.contract.databases.postgresql.support import fill
from tests.contract.databases.support import running
from tests.servers import guard
from tests.servers.process import KILL
from tests.support import wait_for

LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
TOOLS = {"postgresql": "pg_dump", "mariadb": "mariadb-dump"}
SECRETS = {"postgresql": "pgpass", "mariadb": "client.cnf"}
# Takes long to dump, and a moment to make.
LARGE = {
    "postgresql": (
        "CREATE TABLE large AS SELECT g, array_fill(random(), ARRAY[20000]) AS numbers"
        " FROM generate_series(1, 4) AS g",
        "INSERT INTO large SELECT large.* FROM large, generate_series(1, 5000)",
    ),
    "mariadb": (
        "CREATE TABLE large (id INT PRIMARY KEY, a VARCHAR(20))",
        "INSERT INTO large SELECT seq, REPEAT('x', 20) FROM seq_1_to_400000",
    ),
}


def fill_with_everything(served: Live) -> None:
    """One of each kind of object."""
    if served.engine == "postgresql":
        fill(served.on)
    else:
        run(served.on, *EVERYTHING)


def databases(served: Live) -> set[str]:
    return served.on.server.databases()


def test_a_backup_with_every_kind_of_object_is_put_back_as_it_was(served: Live) -> None:
    fill_with_everything(served)
    before = databases(served)
    file, taken = served.back_up()
    assert set(taken.sums) >= set(taken.rows) != set()
    with served.locked() as database:
        with database.opened_copy(file) as copy:
            assert copy.fingerprint(VERSION) == taken
            assert copy.find_damage() == ""
        served.execute(f"DELETE FROM {VERSION}", "DROP VIEW migrations_ops_ledger")
        assert not database.unchanged_since(taken, None, VERSION)
        restored = database.restore_from(file, VERSION, None)
        database.require_lock()
        with pytest.raises(Locked), served.locked(wait=0):
            pass
    assert restored.now == taken
    assert served.open().unchanged_since(taken, None, VERSION)
    [kept] = databases(served) - before
    assert restored.previous == f"the database {kept} of the same server"
    table = f"{kept}.{VERSION}" if served.engine == "mariadb" else VERSION
    assert replace(served.on, name=kept).execute(f"SELECT * FROM {table}") == []


def test_a_missing_database_is_restored(live: Live) -> None:
    file, taken = live.fill().back_up()
    assert live.restore(file, live.missing_url).now == taken
    assert live.open(live.missing_url).inspect(VERSION).revisions == ("r1",)


def test_it_may_be_restored_again_and_each_time_keeps_what_was_there(served: Live) -> None:
    file, taken = served.fill().back_up()
    kept = set()
    for number in range(3):
        served.execute(f"UPDATE parents SET name = '{number}'")
        kept.add(served.restore(file).previous)
    assert len(kept) == 3
    assert served.open().unchanged_since(taken, None, VERSION)


# As long as a name may be, with everything that needs quoting, and with a word of the language.
NAMES = ["x" * 63, "Shop's 100%s {b}a-b", "ünïcode 日本語", "select"]


@pytest.mark.parametrize("name", NAMES)
def test_a_database_of_any_name_is_backed_up_compared_and_put_back(served: Live, name: str) -> None:
    named = served.named(name).fill()
    file, taken = named.back_up()
    named.execute("DELETE FROM children")
    restored = named.restore(file)
    assert restored.now == taken
    assert named.execute("SELECT COUNT(*) FROM children") == [(2,)]
    for kept in databases(served):
        assert len(kept.encode()) <= 64


def test_what_was_not_written_is_known_as_unchanged(served: Live) -> None:
    _, taken = served.fill().back_up()
    assert served.open().unchanged_since(taken, None, VERSION)
    for change, undo in (
        ("UPDATE parents SET name = 'x' WHERE id = 1",
         "UPDATE parents SET name = 'a' WHERE id = 1"),
        ("CREATE VIEW v AS SELECT id FROM parents", "DROP VIEW v"),
        (f"UPDATE {VERSION} SET version_num = 'r2'", f"UPDATE {VERSION} SET version_num = 'r1'"),
    ):  # fmt: skip
        served.execute(change)
        assert not served.open().unchanged_since(taken, None, VERSION)
        served.execute(undo)
        assert served.open().unchanged_since(taken, None, VERSION)


def test_a_file_is_never_written_over(live: Live) -> None:
    file = live.root / f"copy{live.fill().open().suffix}"
    file.write_text("the only copy")
    with pytest.raises(FileExistsError):
        live.back_up()
    assert file.read_text() == "the only copy"


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter on Windows")
def test_a_backup_can_be_read_by_its_owner_alone(live: Live) -> None:
    file, _ = live.fill().back_up()
    assert file.stat().st_mode & 0o777 == 0o600


HARMS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "no backup": lambda _: b"no backup",
    "a head": lambda data: data[:5],
    "a head of PostgreSQL's": lambda _: b"PGDMP\x01\x10\x00\x04",
    "cut": lambda data: data[: len(data) * 3 // 4],
    "cut at its end": lambda data: data[:-20],
}


def test_a_damaged_backup_is_refused_and_changes_nothing(served: Live) -> None:
    file, taken = served.fill().back_up()
    whole, before = file.read_bytes(), databases(served)
    for what, harm in HARMS.items():
        file.write_bytes(harm(whole))
        with pytest.raises(StepFailed) as caught:
            served.restore(file)
        assert caught.value.next, what
        assert databases(served) == before, what
        assert served.open().unchanged_since(taken, None, VERSION), what


# -- copies ---------------------------------------------------------------------------------------


def test_scratch_databases_are_separate_and_go_with_the_lock(served: Live) -> None:
    file, taken = served.fill().back_up()
    before = databases(served)
    with served.locked("rehearse") as database:
        assert database.redirect() is None
        scratch = database.make_scratch(served.root, file)
        other = database.make_scratch(served.root, file)
        empty = database.make_scratch(served.root, None)
        assert isinstance(scratch, Engine)
        assert scratch.redirect() == {"database": scratch.address.database}
        served.on.server.execute("DELETE FROM children", database=scratch.address.database)
        assert scratch.fingerprint(VERSION).rows["children"] == 0
        assert other.fingerprint(VERSION).rows == taken.rows
        assert empty.inspect(VERSION).tables == 0
        assert len({each.identity() for each in (database, scratch, other, empty)}) == 4
        scratch.remove()
        assert scratch.address.database not in databases(served)
    # What nobody removed goes with the lock.
    assert databases(served) == before


_LEAVES_A_COPY = """
import sys
from pathlib import Path
from migrations_ops.databases.open import open_database
database = open_database(sys.argv[1], Path())
lock = database.locked("rehearse", 30)
lock.__enter__()
database.make_scratch(Path(), Path(sys.argv[2]))
print("made", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_left_is_swept_by_the_next_one(served: Live) -> None:
    file, _ = served.fill().back_up()
    before = databases(served)
    with running(_LEAVES_A_COPY, served.url, str(file)) as process:
        left = databases(served) - before
        assert len(left) >= 1
        with pytest.raises(Locked), served.locked(wait=0):
            pass
        assert databases(served) - before == left
        process.kill()
        process.wait()
        with served.locked(wait=30):
            assert databases(served) == before


def test_a_database_that_an_upgrade_made_goes_unless_it_holds_something(served: Live) -> None:
    database = served.open(served.missing_url)
    with database.locked("release", 30):
        for _ in range(2):
            database.prepare()
            database.prepare()
            assert database.inspect(VERSION).exists
            database.remove()
            assert not database.inspect(VERSION).exists
            database.require_lock()
    served.fill().open().remove()
    assert served.open().inspect(VERSION).revisions == ("r1",)


# -- the clients of the server, and what they are told ---------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        " ", "#hash", "'\\''", "it's \"quo\"ted back\\slash\\n\\", "colon:s:: 100% %41;=$~` \\: *",
        " ünïcode 日本語 🐘 a@b/c?d=e&f $HOME `id` ; -- ",
    ],
)  # fmt: skip
def test_any_password_is_given_to_the_clients(served: Live, password: str) -> None:
    served.execute("CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)")
    database = served.open(served.plain_url(password))
    with database.locked("backup", 30):
        taken = database.back_up(served.root / "b", VERSION, None)
        with database.opened_copy(served.root / "b") as copy:
            assert copy.fingerprint(VERSION) == taken


def test_nothing_tells_the_password(served: Live) -> None:
    served.fill()
    wrong = served.open(served.url_of(password="hidden-too"))
    texts = [repr(served.open()), served.open().label, served.open().identity(), wrong.lock_order,
             repr(wrong.inspect(VERSION)), repr(wrong.find_obstacles())]  # fmt: skip
    acts: list[Callable[[], object]] = [
        lambda: wrong.fingerprint(VERSION),
        wrong.require_usable,
        lambda: wrong.back_up(served.root / "x", VERSION, None),
        lambda: wrong.locked("x", 0).__enter__(),
        lambda: wrong.add_to_ledger(LedgerEntry("prod", VERSION)),
        wrong.prepare,
        wrong.identity,
    ]
    for act in acts:
        with pytest.raises((StepFailed, Refused)) as caught:
            act()
        texts.append(f"{caught.value} {caught.value.next}")
    assert not [text for text in texts if "hidden" in text]


def test_a_server_that_is_down_is_trouble_and_not_absence(served: Live) -> None:
    file, taken = served.fill().back_up()
    served.on.server.kill()
    database = served.open()
    inspection = database.inspect(VERSION)
    assert inspection.exists
    # The first one to look may find its connection broken before the server is gone.
    assert "reached" in inspection.trouble or "was lost" in inspection.trouble
    acts: list[Callable[[], object]] = [
        database.require_usable,
        lambda: database.fingerprint(VERSION),
        lambda: database.add_to_ledger(LedgerEntry("prod", VERSION, {"event": "x"})),
        database.identity,
        database.prepare,
        lambda: database.back_up(served.root / "second", VERSION, None),
        lambda: database.restore_from(file, VERSION, None),
        lambda: database.make_scratch(served.root, None),
        lambda: database.opened_copy(file).__enter__(),
    ]
    for act in acts:
        with pytest.raises(OpsError, match=r"reached|was lost") as caught:
            act()
        assert "hidden" not in str(caught.value)
    assert not database.unchanged_since(taken, None, VERSION)
    assert (database.size(), database.stamp_of_content()) == (0, {})
    database.remove()
    assert database.find_damage()
    served.on.server.start()
    assert database.inspect(VERSION).revisions == ("r1",)


def test_clients_that_are_missing_are_named(served: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(served.root))
    monkeypatch.setattr(postgresql_tools, "_PLACES", ())
    search_clients_anew()
    with pytest.raises(Refused) as caught:
        served.fill().back_up()
    assert f"there is no {TOOLS[served.engine]} in PATH" in caught.value.what
    assert "no backup could be taken" in caught.value.what
    assert caught.value.next.startswith("Install ")
    [found] = served.open().find_obstacles()
    assert (found.code, found.severity) == ("no-clients", "error")


def test_progress_comes_to_its_end(live: Live) -> None:
    database = live.fill().open()
    seen: list[tuple[int, int]] = []
    database.back_up(live.root / "b", VERSION, lambda *both: seen.append(both))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 0


_DUMPING = """
import sys
from pathlib import Path
from migrations_ops.databases.open import open_database
def tell(done, total):
    print("dumping", flush=True)
    sys.stdin.read()
open_database(sys.argv[1], Path()).back_up(Path(sys.argv[2]), "alembic_version", tell)
"""


def tool_of(parent: int, name: str) -> int:
    """The process of a tool below a process of ours."""
    [found] = [
        each
        for each in guard.family(parent)
        if name.encode() in guard.read(each, "cmdline").split(b"\0")[0]
    ]
    return found


@LINUX
@pytest.mark.parametrize("number", [KILL, signal.SIGTERM])
def test_no_dump_outlives_whoever_asked_for_it_nor_tells_its_password(
    served: Live, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.execute(*LARGE[served.engine])
    monkeypatch.setenv("TMPDIR", str(served.root))
    secret = served.on.server.url("x").rpartition("@")[0].rpartition(":")[2].encode()
    with running(_DUMPING, served.url, str(served.root / "b")) as process:
        tool = tool_of(process.pid, TOOLS[served.engine])
        others = guard.family(process.pid)[1:]  # the argument of this test tells it
        assert tool in others
        for each in others:
            assert secret not in guard.read(each, "cmdline")
            assert secret not in guard.read(each, "environ")
        for file in served.root.rglob(SECRETS[served.engine]):
            assert file.stat().st_mode & 0o777 == 0o600
            assert file.parent.stat().st_mode & 0o777 == 0o700
        process.send_signal(number)
        process.wait()
        assert guard.wait_for_end([tool], 60)
    # Not even its password stays.
    wait_for(lambda: not list(served.root.rglob(SECRETS[served.engine])))


def test_an_interrupted_backup_ends_at_once_and_leaves_nothing_behind(
    served: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the rest of a large table is dumped, nor its rows are counted to the end."""
    served.execute(*LARGE[served.engine])
    monkeypatch.setattr("tempfile.tempdir", str(served.root))
    slow = "migrations_ops.databases.postgresql.rows.sums.count_and_sum"
    monkeypatch.setattr(slow, lambda connection, _: connection.execute("SELECT pg_sleep(600)"))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        served.open().back_up(served.root / "b", VERSION, interrupt)
    require_no_trace(served)


def test_a_server_that_dies_meanwhile_leaves_no_trace(
    served: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.execute(*LARGE[served.engine])
    monkeypatch.setattr("tempfile.tempdir", str(served.root))
    with pytest.raises(StepFailed) as caught:
        served.open().back_up(served.root / "b", VERSION, lambda *_: served.on.server.kill())
    assert f"{TOOLS[served.engine]} failed" in caught.value.what
    served.on.server.start()
    require_no_trace(served)


def require_no_trace(served: Live) -> None:
    """No process, no password, no session; a file that is not whole only where a tool writes it."""
    left = [each.name for each in served.root.iterdir()]
    assert left in ([], ["b"] if served.engine == "postgresql" else [])
    if Path("/proc/self").exists():
        names = [guard.read(each, "cmdline") for each in guard.family(os.getpid())]
        assert not [name for name in names if TOOLS[served.engine].encode() in name.split(b"\0")[0]]
    sessions = {
        "postgresql": f"SELECT pid FROM pg_stat_activity WHERE datname = '{served.on.name}'"
        " AND pid <> pg_backend_pid()",
        "mariadb": "SELECT ID FROM information_schema.PROCESSLIST WHERE db = DATABASE()"
        " AND ID <> CONNECTION_ID()",
    }
    wait_for(lambda: not served.execute(sessions[served.engine]))
