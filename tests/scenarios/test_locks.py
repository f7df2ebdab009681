"""One release at a time: who holds a database is named, and the dead hold nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest

from migrations_ops.model.errors import ExitCode, Locked, Refused
from migrations_ops.operations.locks import lock_databases
from tests.contract.databases.support import NOBODY, as_nobody, running, sqlite
from tests.support import R3, Sandbox, dump, query

# Imported before rights are laid down, with which it could not be read any more.
assert filelock

_HOLD = """
import sys
from pathlib import Path
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.operations.locks import lock_databases
databases = [SQLite(Path(name), name) for name in sys.argv[2:]]
with lock_databases(databases, sys.argv[1], 30):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_one_is_shown_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with running(_HOLD, "release-migration", str(path)) as holder:
        with pytest.raises(Locked) as caught, lock_databases([sqlite(path)], "backup", 0.1):
            pytest.fail("two hold one lock")
        error = caught.value
        assert error.exit_code == ExitCode.LOCKED
        assert "release-migration of " in error.what
        assert socket.gethostname() in error.what
        assert f"(process {holder.pid}, since 20" in error.what
        assert "Nothing was started" in error.untouched
        assert error.next


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX matter")
def test_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with running(_HOLD, "release-migration", str(path)) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with lock_databases([sqlite(path)], "backup", 5):
            pass


def test_a_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    database = sqlite(tmp_path / "a.db")
    with pytest.raises(ZeroDivisionError), lock_databases([database], "backup", 0):
        raise ZeroDivisionError
    with lock_databases([database], "backup", 0):
        pass
    assert not list(tmp_path.glob("*-holder"))


def test_every_name_of_a_database_leads_to_one_lock(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "a.db").touch()
    (tmp_path / "link.db").symlink_to(real / "a.db")
    with (
        running(_HOLD, "release-migration", str(real / "a.db")),
        pytest.raises(Locked),
        lock_databases([sqlite(tmp_path / "link.db")], "backup", 0.1),
    ):
        pytest.fail("two hold one lock")


def test_locks_of_several_databases_are_taken_in_one_order_by_everybody(tmp_path: Path) -> None:
    """Taken as given, two that name them the other way round would wait for each other."""
    code = _HOLD.replace("with hold", "for _ in range(60):\n  with hold").replace(
        '    print("held", flush=True)\n    sys.stdin.read()', "      pass"
    )
    names = [str(tmp_path / "a.db"), str(tmp_path / "b.db")]
    code = code.replace("30)", "10)")
    processes = [
        subprocess.Popen([sys.executable, "-c", code, "release", *order])
        for order in (names, names[::-1])
    ]
    assert [process.wait(60) for process in processes] == [0, 0]


def test_a_folder_that_may_not_be_written_is_reported(tmp_path: Path) -> None:
    with as_nobody() as folder:
        folder.chmod(0o500)
        with (
            pytest.raises(Refused, match="cannot be taken: Permission denied") as caught,
            lock_databases([sqlite(folder / "a.db")], "backup", 0),
        ):
            pytest.fail("there is no lock")
        assert caught.value.next


@pytest.mark.skipif(os.name == "nt", reason="limits are a POSIX matter")
def test_a_full_disk_does_not_keep_a_lock_from_being_held(tmp_path: Path) -> None:
    """Who holds it cannot be written down then; that it is held is the system's own knowledge."""
    path = tmp_path / "a.db"
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    with (
        running(full + _HOLD, "release-migration", str(path)),
        pytest.raises(Locked) as caught,
        lock_databases([sqlite(path)], "backup", 0.1),
    ):
        pytest.fail("two hold one lock")
    assert re.match("Another release works on", caught.value.what)


# -- another user, another checkout, another way to the same file ------------------------------


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that everybody may write, made by root; the folders of pytest are private."""
    if not hasattr(os, "setresuid") or os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def nobody() -> Iterator[None]:
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize("there", [True, False])
def test_another_user_who_may_write_the_database_waits_for_its_lock(there: bool) -> None:
    """A database that does not exist yet belongs to whoever may write its folder."""
    with open_folder() as folder:
        path = folder / "a.db"
        if there:
            path.touch()
            path.chmod(0o666)
        with running(_HOLD, "release-migration", str(path)) as holder:
            with (
                nobody(),
                pytest.raises(Locked) as caught,
                lock_databases([sqlite(path)], "b", 0.1),
            ):
                pytest.fail("two hold one lock")
            assert f"release-migration of root on {socket.gethostname()}" in caught.value.what
            assert f"(process {holder.pid}, since 20" in caught.value.what
        with nobody(), lock_databases([sqlite(path)], "backup", 5):
            pass


def test_another_user_who_may_not_write_the_database_is_shown_whose_lock_it_is() -> None:
    with open_folder() as folder:
        path = folder / "a.db"
        path.touch()
        path.chmod(0o640)
        with lock_databases([sqlite(path)], "backup", 0):
            pass
        lock = Path(sqlite(path).lock_order)
        with (
            nobody(),
            pytest.raises(Refused) as caught,
            lock_databases([sqlite(path)], "backup", 0),
        ):
            pytest.fail("nobody may take it")
        sentence = f"The lock {lock}, which belongs to root, cannot be taken: Permission denied."
        assert caught.value.what == sentence


def test_a_lock_that_root_has_taken_belongs_to_the_owner_of_the_database() -> None:
    with open_folder() as folder:
        path = folder / "a.db"
        path.touch()
        path.chmod(0o600)
        os.chown(path, NOBODY, NOBODY)
        with lock_databases([sqlite(path)], "backup", 0):
            pass
        with nobody(), lock_databases([sqlite(path)], "backup", 0):
            pass


def test_the_folder_of_a_database_that_is_to_come_is_made_for_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.db"
    with lock_databases([sqlite(path)], "release-migration", 0):
        assert not path.exists()


TASKS = (
    "release-migration", "upgrade-prod", "backup --env prod", "adopt --env prod --yes",
    "downgrade --env prod --yes", "stamp --env prod --to base --yes",
    "restore --env prod --backup latest --yes",
)  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_every_task_of_another_checkout_waits_for_the_same_database(
    filled: Sandbox, tmp_path: Path
) -> None:
    """Its configuration lies elsewhere, and reaches the file through a link."""
    assert filled.invoke("backup").code == 0
    other = tmp_path / "other"
    shutil.copytree(filled.folder, other)
    checkout = Sandbox(other)
    checkout.prod.unlink()
    checkout.prod.symlink_to(filled.prod)
    text = (other / "pyproject.toml").read_text()
    checkout.configure(text.replace("wait = 1", "wait = 0"))
    before = dump(filled.prod)
    with running(_HOLD, "upgrade-prod", str(filled.prod)) as holder:
        for task in TASKS:
            ran = checkout.invoke("-r", str(other), *task.split(), cwd=tmp_path)
            assert ran.code == 5, (task, ran.err)
            assert f"(process {holder.pid}, since 20" in ran.err, task
            assert socket.gethostname() in ran.err, task
    assert dump(filled.prod) == before


WRITER = """
import itertools, sqlite3, sys, time
live = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=3)
told = open(sys.argv[2], "a")
for number in itertools.count():
    live.execute("UPDATE parents SET name = ? WHERE id = 1", (str(number),))
    told.write("x")
    told.flush()
    if not number:
        print("writing", flush=True)
    time.sleep(0.01)
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_the_application_writes_on_while_a_release_waits_copies_and_rehearses(
    filled: Sandbox, mode: str
) -> None:
    """It would fail where SQLite kept it waiting for longer than three seconds."""
    query(filled.prod, f"PRAGMA journal_mode={mode}")
    filled.add_revision("r4", R3, "    import time\n    time.sleep(0.5)")
    journal = filled.folder / "told"
    # What was committed when a step was first seen under way, and when it was last seen.
    during: dict[str, tuple[int, int]] = {}
    with running(WRITER, str(filled.prod), str(journal)) as writer:
        with running(_HOLD, "backup", str(filled.prod)):
            begun = journal.stat().st_size
            assert filled.invoke("upgrade-prod").code == 5
            assert journal.stat().st_size > begun
        release = filled.start("release-migration")
        while release.poll() is None:
            for file in (filled.folder / "data/repom/releases").glob("*/release.json"):
                step = (json.loads(file.read_text()).get("under_way") or {}).get("name", "")
                size = journal.stat().st_size
                during[step] = (during.get(step, (size, size))[0], size)
            time.sleep(0.02)
        _, err = release.communicate()
        assert release.returncode == 0, err
        assert writer.poll() is None, "the writer was locked out"
    first, last = during["rehearse"]
    assert last > first
