"""What has to survive a power cut is on the disk, in the order that the way back needs.

Nobody can pull a plug in a test; the calls that put a file on the disk are looked at instead.
"""

from __future__ import annotations

import re
import shutil
import sys

import pytest

from tests.support import Sandbox

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed here")

# fsync(3</folder/file>) = 0 and rename("/a", "/b") = 0; a line may also break off in between.
CALL = re.compile(r"(fsync|fdatasync)\(\d+<([^>]*)>|(rename)\w*\(.*?\"([^\"]+)\".*?\"([^\"]+)\"")
Calls = list[tuple[str, str]]


def trace(sandbox: Sandbox, *arguments: str) -> Calls:
    """The flushes (``on disk``) and renames (``named``) of a task and its children, in order."""
    assert STRACE is not None
    log = sandbox.folder / "strace.log"
    calls = "trace=fsync,fdatasync,/^rename"
    argv = [STRACE, "-f", "-y", "-s", "4096", "-e", calls, "-e", "signal=none", "-o", str(log)]
    ran = sandbox.run(*argv, sys.executable, "-m", "invoke", *arguments)
    if "ptrace" in ran.err and "not permitted" in ran.err:
        pytest.skip("no process may be traced here")
    assert ran.code == 0, ran.err
    found: Calls = []
    for line in log.read_text().splitlines():
        match = CALL.search(line)
        if match and match[1]:
            found.append(("on disk", short(match[2], sandbox)))
        elif match:
            assert match[4].startswith(match[5]), "a partial file is renamed to its own name"
            found.append(("named", short(match[5], sandbox)))
    return found


def short(path: str, sandbox: Sandbox) -> str:
    """Without what differs from run to run."""
    path = path.removeprefix(f"{sandbox.folder.resolve()}/data/repom/").replace(" (deleted)", "")
    path = re.sub(r"(\.json|\.html|\.sqlite3)\.[\w.-]*part$", r"\1.part", path)
    return re.sub(r"\d{8}_\d{6}(_\d+)?", "STAMP", path)


def in_order(calls: Calls, *wanted: tuple[str, str]) -> int:
    """Where in the calls the last of these is, each being looked for after the one before it."""
    position = -1
    for call in wanted:
        assert call in calls[position + 1 :], (call, calls[position + 1 :])
        position = calls.index(call, position + 1)
    return position


RECORD = "releases/STAMP/release.json"


def test_the_record_and_the_backup_are_on_the_disk_before_the_database_is_changed(
    filled: Sandbox,
) -> None:
    calls = trace(filled, "upgrade-dev")
    recorded = in_order(
        calls,
        ("on disk", "releases/.unfinished"),
        ("on disk", f"{RECORD}.part"),
        ("named", RECORD),
        ("on disk", "releases/STAMP"),
        ("on disk", "releases"),
    )
    backup = "backups/db.dev_STAMP.sqlite3"
    saved = in_order(
        calls,
        ("on disk", f"{backup}.part"),
        ("on disk", "backups/db.dev_STAMP.json.part"),
        ("named", "backups/db.dev_STAMP.json"),
        ("named", backup),
        ("on disk", "backups"),
    )
    changed = calls.index(("on disk", "db.dev.sqlite3"))
    assert recorded < saved < changed
    # The step is written ahead: once more between the backup and the change.
    ahead = [("on disk", f"{RECORD}.part"), ("named", RECORD), ("on disk", "releases/STAMP")]
    assert in_order(calls[saved:changed], *ahead) >= 0
    # And once more after it, with the outcome.
    assert in_order(calls[changed:], *ahead) >= 0


@pytest.mark.slow
def test_a_restore_is_recorded_and_its_safety_backup_kept_before_it_changes_anything(
    filled: Sandbox,
) -> None:
    assert filled.invoke("backup").code == 0
    (filled.folder / "strace.log").unlink(missing_ok=True)
    calls = trace(filled, "restore", "--env", "prod", "--backup", "latest", "--yes")
    recorded = in_order(calls, ("on disk", f"{RECORD}.part"), ("on disk", "releases/STAMP"))
    kept = in_order(
        calls,
        ("on disk", "backups/db_STAMP.sqlite3.part"),
        ("named", "backups/db_STAMP.sqlite3"),
        ("on disk", "backups"),
    )
    changed = calls.index(("on disk", "db.sqlite3"))
    assert recorded < kept < changed


def test_no_file_is_named_before_its_content_is_on_the_disk(filled: Sandbox) -> None:
    calls = trace(filled, "upgrade-dev")
    # Else nothing would be found, and nothing be wrong.
    assert {what for what, _ in calls} == {"on disk", "named"}
    for number, (what, name) in enumerate(calls):
        # Not who holds a lock, which is a courtesy, nor what was read of the scripts, a cache.
        if what == "named" and name.startswith(("releases/STAMP", "releases/evidence", "backups")):
            assert ("on disk", f"{name}.part") in calls[:number], name
