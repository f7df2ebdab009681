"""A standard stream that is closed, full or not read to its end changes nothing of the work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support import R3, Ran, Sandbox, query

VERSION = "SELECT version_num FROM alembic_version"
CLOSED = (">&-", "2>&-", ">&- 2>&- <&-")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="streams are closed by a POSIX shell")


def shell(sandbox: Sandbox, line: str, **variables: str) -> Ran:
    """A line for the shell, in which ``invoke`` is the one of these tests."""
    call = f'invoke() {{ "{sys.executable}" -m invoke "$@"; }}\n{line}'
    return sandbox.run("sh", "-c", call, cwd=None, **variables)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["status-all", "history", "status-all --json", "verify"])
def test_a_closed_stream_is_no_failure(filled: Sandbox, task: str) -> None:
    plain = shell(filled, f"invoke {task}")
    for closed in CLOSED:
        ran = shell(filled, f"invoke {task} {closed}")
        assert ran.code == plain.code, closed
        assert "Traceback" not in ran.err
        if ">&-" not in closed.split():
            assert ran.out == plain.out


@pytest.mark.parametrize("closed", CLOSED)
def test_a_release_with_closed_streams_is_done(filled: Sandbox, closed: str) -> None:
    ran = shell(filled, f"invoke release-migration {closed}")
    assert ran.code == 0, ran.err
    for file in (filled.dev, filled.prod):
        assert query(file, VERSION) == [(R3,)]
        # What was meant for the terminal is not written into the file that got its number.
        assert query(file, "PRAGMA integrity_check") == [("ok",)]


def test_a_reader_that_has_seen_enough_does_not_make_a_release_a_refusal(filled: Sandbox) -> None:
    line = "{ invoke release-migration 2>&1; echo $? > code; } | head -1"
    assert shell(filled, line).code == 0
    assert (filled.folder / "code").read_text() == "0\n"
    assert query(filled.prod, VERSION) == [(R3,)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has this device")
@pytest.mark.parametrize(
    "task", ["status-all --json", "verify --json", "status-all", "upgrade-dev"]
)
def test_a_full_disk_behind_standard_output_is_reported(filled: Sandbox, task: str) -> None:
    expected = 1 if task.startswith("verify") else 0
    ran = shell(filled, f"invoke {task} > /dev/full")
    assert ran.code == expected, ran.err
    assert "The result could not be written: No space left on device." in ran.err
    assert "Traceback" not in ran.err
    assert "Exception ignored" not in ran.err


def test_a_path_that_the_locale_cannot_show_goes_out_as_the_bytes_that_it_is(
    filled: Sandbox, tmp_path: Path
) -> None:
    folder = tmp_path / "店"
    filled.folder.rename(folder)
    moved = Sandbox(folder)
    query(moved.dev, "UPDATE alembic_version SET version_num = 'fffffffffff0'")
    ran = shell(moved, "invoke release-migration", LC_ALL="C", PYTHONUTF8="0")
    assert "\\udc" not in ran.err
    (folder / "alembic.ini").unlink()
    ran = shell(moved, "invoke status-all", LC_ALL="C", PYTHONUTF8="0")
    assert f"There is no alembic.ini in {folder}" in ran.out
    as_json = shell(moved, "invoke status-all --json", LC_ALL="C", PYTHONUTF8="0")
    assert as_json.json["environments"]
