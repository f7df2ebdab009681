"""One release at a time: who holds a database is named, and the dead hold nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from migrations_ops.errors import ExitCode, Locked, Refused
from migrations_ops.locks import hold_locks
from tests.databases.support import as_nobody, running, sqlite

# Imported before rights are laid down, with which it could not be read any more.
assert filelock

_HOLD = """
import sys
from pathlib import Path
from migrations_ops.databases.sqlite import SQLite
from migrations_ops.locks import hold_locks
databases = [SQLite(Path(name), name) for name in sys.argv[2:]]
with hold_locks(databases, sys.argv[1], 30):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_one_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with running(_HOLD, "release-migration", str(path)) as holder:
        with pytest.raises(Locked) as caught, hold_locks([sqlite(path)], "backup", 0.1):
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
        with hold_locks([sqlite(path)], "backup", 5):
            pass


def test_a_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    database = sqlite(tmp_path / "a.db")
    with pytest.raises(ZeroDivisionError), hold_locks([database], "backup", 0):
        raise ZeroDivisionError
    with hold_locks([database], "backup", 0):
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
        hold_locks([sqlite(tmp_path / "link.db")], "backup", 0.1),
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


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    with as_nobody() as folder:
        folder.chmod(0o500)
        with (
            pytest.raises(Refused, match="cannot be taken: Permission denied") as caught,
            hold_locks([sqlite(folder / "a.db")], "backup", 0),
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
        hold_locks([sqlite(path)], "backup", 0.1),
    ):
        pytest.fail("two hold one lock")
    assert re.match("Another release works on", caught.value.what)
