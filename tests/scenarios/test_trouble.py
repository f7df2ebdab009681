"""Bad input and trouble: the right exit code, one clear sentence, databases as they were."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.contract.databases.support import held, immutable
from tests.disks import small_disk
from tests.support import R2, R3, Ran, Sandbox, dump, query

RELEASE = "release-migration --json"
STATUS = "status-all --json"
VERIFY = "verify --env prod --json"


_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


def content(file: Path) -> Any:
    """What is in a database; in whatever else has its name, the bytes."""
    if not file.is_file():
        return file.exists()
    try:
        return dump(file)
    except sqlite3.Error:
        return file.read_bytes()


def suffer(
    sandbox: Sandbox,
    task: str,
    code: int,
    *words: str,
    may_change: Path | None = None,
    variables: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> Ran:
    """Run a task that cannot go well, and hold what it says against the contract.

    :param may_change: a database that the task is allowed to have changed before it stopped.
    :param limit: no file may grow beyond so many bytes: a disk that fills up while it is used.
    """
    files = [file for file in (sandbox.dev, sandbox.prod) if file != may_change]
    before = [content(file) for file in files]
    argv = [sys.executable, "-m", "invoke", *task.split()]
    if limit is not None:
        argv = [sys.executable, "-c", _LIMITED, str(limit), *argv]
    ran = sandbox.run(*argv, cwd=None, **(variables or {}))
    assert [content(file) for file in files] == before
    assert ran.code == code, (ran.out, ran.err)
    assert "Traceback" not in ran.out + ran.err
    what, *more = error_lines(ran.err)
    for word in words:
        assert word in what, ran.err
    assert len(more) == 2, f"what is untouched, and what to do next: {ran.err}"
    if "--json" in task:
        document = ran.json
        if "passed" in document:
            assert document["passed"] is False
        else:
            assert document["error"] == {
                "exit": code, "what": what, "untouched": more[0], "next": more[1],
            }  # fmt: skip
    else:
        assert ran.out == ""
    return ran


def error_lines(err: str) -> list[str]:
    """The sentence that ends a task, and the lines that belong to it."""
    lines = err.splitlines()
    start = max(number for number, line in enumerate(lines) if line.startswith("✗ "))
    return [lines[start].removeprefix("✗ "), *(line.strip() for line in lines[start + 1 :])]


def row(ran: Ran, name: str = "prod") -> dict[str, Any]:
    """What status-all says of one environment."""
    rows: list[dict[str, Any]] = ran.json["environments"]
    return next(each for each in rows if each["name"] == name)


# -- the command line and the configuration ---------------------------------------------------

DEV = '[tool.migrations_ops.environments.dev]\nurl = "sqlite:///data/repom/db.dev.sqlite3"\n'
PROD = '[tool.migrations_ops.environments.prod]\nurl = "sqlite:///data/repom/db.sqlite3"\n'
EVERY = (
    RELEASE, "release-migration", STATUS, "status-all", "backup", "upgrade-dev --json",
    "verify --json", "doctor --json",
)  # fmt: skip


@pytest.mark.parametrize("task", ["status --json", "verify --json", "backup", "history --json"])
def test_an_unknown_environment_is_told_with_the_nearest_name(filled: Sandbox, task: str) -> None:
    suffer(filled, f"{task} --env prd", 2, "'prd'", "did you mean 'prod'?")


# tests/unit/project/test_settings.py has each mistake; here two, at which every task stops.
CONFIGURATIONS = {
    "unknown key of an environment": (
        f"{DEV}{PROD}protcted = true",
        ["environments.prod.protcted", "did you mean 'protected'?"],
    ),
    "malformed TOML": (f"{DEV}{PROD}timeout = = 3", ["not valid TOML", "line 5"]),
}


@pytest.mark.slow
@pytest.mark.parametrize(("text", "words"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_configuration_that_is_not_understood_stops_every_task(
    filled: Sandbox, text: str, words: list[str]
) -> None:
    filled.configure(text)
    tasks = EVERY if "TOML" in words[0] else (RELEASE, STATUS, "upgrade-dev")
    for task in tasks:
        suffer(filled, task, 2, *words)
    assert not (filled.folder / "data/repom/backups").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "variables", "words"),
    [
        ('{ variable = "PROD_URL" }', {}, "PROD_URL, which holds the URL of prod, is not set"),
        (
            '"sqlite:///data/repom/db.sqlite3"\npass = ["SECRET"]',
            {"SECRET": " "},
            "SECRET, which prod passes on, is empty",
        ),
        ('"postgres://u:hunter2@h/d"', {}, "No engine of migrations_ops reads 'postgres' URLs"),
        ('"sqlite+pysqlcipher://:pa55word@/a.db"', {}, "names no database file"),
    ],
    ids=["URL not set", "passed variable empty", "no engine", "no plain file"],
)
def test_a_url_or_variable_that_is_missing_stops_the_release_before_anything_starts(
    filled: Sandbox, url: str, variables: dict[str, str], words: str
) -> None:
    filled.configure(DEV + PROD.replace('"sqlite:///data/repom/db.sqlite3"', url))
    ran = suffer(filled, RELEASE, 2, words, variables=variables)
    assert "hunter2" not in ran.out + ran.err
    assert "pa55word" not in ran.out + ran.err
    assert "back up" not in ran.err
    if "pass" not in url:
        suffer(filled, "backup", 2, words, variables=variables)
        suffer(filled, STATUS, 2, words, variables=variables)
    suffer(filled, "upgrade-prod", 2, words, variables=variables)


def test_two_environments_with_one_database_are_refused(filled: Sandbox) -> None:
    (filled.folder / "link.sqlite3").symlink_to(filled.prod)
    filled.configure(DEV.replace("data/repom/db.dev.sqlite3", "link.sqlite3") + PROD)
    words = "dev and prod are the same database"
    for task in (RELEASE, STATUS, "upgrade-dev --json", "downgrade --env dev", "verify --json"):
        ran = suffer(filled, task, 2, words)
        assert "back up" not in ran.err


@pytest.mark.slow
def test_a_project_without_alembic_ini_can_still_be_backed_up(filled: Sandbox) -> None:
    (filled.folder / "alembic.ini").unlink()
    for task in (RELEASE, STATUS, "upgrade-dev", VERIFY, "history --json"):
        suffer(filled, task, 2, "There is no alembic.ini in")
    ran = filled.invoke("backup")
    assert ran.code == 0, ran.err
    assert dump(Path(ran.out.strip())) == dump(filled.prod)


# -- the scripts ------------------------------------------------------------------------------


def _two_heads(sandbox: Sandbox) -> None:
    sandbox.add_revision("r4", R2, "    pass")


def _syntax_error(sandbox: Sandbox) -> None:
    sandbox.add_revision("r4", R3, "    x = = 1")


def _circle(sandbox: Sandbox) -> None:
    sandbox.add_revision("r4", "r5", "    pass")
    sandbox.add_revision("r5", "r4", "    pass")


# tests/unit/revisions has each sentence.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (_two_heads, ["2 heads", R3, "r4"]),
        (_syntax_error, ["Revision r4 is not valid Python"]),
        (_circle, ["run in a circle"]),
    ],
)
def test_scripts_that_make_no_history_are_refused_and_do_not_keep_from_a_backup(
    filled: Sandbox, prepare: Callable[[Sandbox], None], words: list[str]
) -> None:
    prepare(filled)
    for task in (RELEASE, "upgrade-dev"):
        ran = suffer(filled, task, 1, *words)
        assert "back up" not in ran.err
    saved = filled.invoke("backup")
    assert saved.code == 0, saved.err


@pytest.mark.slow
def test_a_status_of_two_heads_tells_them_and_where_the_databases_stand(filled: Sandbox) -> None:
    _two_heads(filled)
    ran = filled.invoke("status-all", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["heads"] == [R3, "r4"]
    assert row(ran)["current"] == [R2]
    assert "2 heads" in row(ran)["trouble"]


# -- the database -----------------------------------------------------------------------------


def _directory(sandbox: Sandbox) -> None:
    sandbox.prod.unlink()
    sandbox.prod.mkdir()


def _junk(sandbox: Sandbox) -> None:
    sandbox.prod.write_bytes(b"this is no database at all\n" * 500)


def _truncated(sandbox: Sandbox) -> None:
    os.truncate(sandbox.prod, 4096 * 3)


def _ahead(sandbox: Sandbox) -> None:
    query(sandbox.prod, "UPDATE alembic_version SET version_num = 'zzzz'")


def _unversioned(sandbox: Sandbox) -> None:
    query(sandbox.prod, "DROP TABLE alembic_version")


def _leftover(sandbox: Sandbox) -> None:
    query(sandbox.prod, "CREATE TABLE _alembic_tmp_parents (id INTEGER)")


DATABASES: dict[str, tuple[Callable[[Sandbox], None], str, str, bool]] = {
    "a directory": (_directory, "unreachable", "is a directory", False),
    "no database": (_junk, "unreachable", "is no SQLite database", False),
    "truncated": (_truncated, "unreachable", "is damaged", False),
    "ahead": (_ahead, "ahead", "the scripts do not have zzzz", True),
    "unversioned": (_unversioned, "unversioned", "", True),
    "leftover": (_leftover, "behind", "_alembic_tmp_parents", True),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepare", "state", "words", "can_be_saved"), DATABASES.values(), ids=DATABASES
)
def test_a_database_in_no_state_to_be_upgraded_stops_the_release_before_dev_is_touched(
    filled: Sandbox,
    prepare: Callable[[Sandbox], None],
    state: str,
    words: str,
    can_be_saved: bool,
) -> None:
    prepare(filled)
    for task in (RELEASE, "upgrade-prod"):
        ran = suffer(filled, task, 1, "prod", words)
        assert "back up" not in ran.err
    ran = suffer(filled, VERIFY, 1, "prod")
    assert words in ran.out

    status = filled.invoke("status-all", "--json")
    assert status.code == 0, status.err
    assert row(status)["state"] == state
    assert row(status, "dev")["state"] == "behind"
    assert row(status)["dirty"] is (state == "behind")
    if state != "behind":
        assert words in row(status).get("trouble", "")

    if can_be_saved:
        assert filled.invoke("backup").code == 0
    else:
        suffer(filled, "backup", 1, words)
        assert list((filled.folder / "data/repom/backups").glob("*")) == []


def test_a_database_whose_tail_is_missing_is_refused_and_not_backed_up(filled: Sandbox) -> None:
    """The schema lies at the beginning: a look alone finds nothing."""
    os.truncate(filled.prod, filled.prod.stat().st_size - 100)
    ran = suffer(filled, RELEASE, 1, "db.sqlite3 is cut short")
    assert "back up" not in ran.err
    suffer(filled, "backup", 3, "The backup could not be verified", "is damaged: ")
    assert list((filled.folder / "data/repom/backups").glob("*.sqlite3")) == []


@pytest.mark.slow
@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_database_that_is_missing_or_empty_is_made_by_the_release(
    filled: Sandbox, state: str
) -> None:
    filled.prod.unlink()
    if state == "empty":
        filled.prod.touch()
    else:
        suffer(filled, "backup", 1, "prod has no database yet")
        suffer(filled, "downgrade --env prod --yes --json", 1, "prod has no database yet")
    suffer(filled, VERIFY, 1, f"is {state}: 3 revisions pending")
    status = filled.invoke("status-all", "--json")
    assert row(status)["state"] == state
    ran = filled.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.slow
def test_a_failed_release_leaves_a_missing_database_missing(filled: Sandbox) -> None:
    filled.prod.unlink()
    # It passes on dev and in the rehearsal, and fails where the real file is.
    filled.add_revision(
        "r4",
        R3,
        "    file = op.get_bind().exec_driver_sql('PRAGMA database_list').fetchone()[2]\n"
        "    if file.endswith('/db.sqlite3'):\n"
        "        raise RuntimeError('not here')",
    )
    suffer(filled, RELEASE, 3, "RuntimeError: not here", may_change=filled.dev)
    assert not filled.prod.exists()


@pytest.mark.slow
def test_a_locked_database_is_waited_for_and_then_left_alone(filled: Sandbox) -> None:
    tasks = (RELEASE, VERIFY, "backup", STATUS)
    with held(filled.prod, "BEGIN EXCLUSIVE"), ThreadPoolExecutor(len(tasks)) as pool:
        before = filled.prod.read_bytes()
        ran_all = pool.map(lambda task: filled.invoke(*task.split()), tasks)
        runs = dict(zip(tasks, ran_all, strict=True))
        assert filled.prod.read_bytes() == before
    for task, ran in runs.items():
        assert ran.code == (0 if task == STATUS else 1), (task, ran.err)
        assert "is locked by another process" in ran.out + ran.err
        assert "Traceback" not in ran.out + ran.err
    assert "locked" in runs[RELEASE].json["error"]["what"]
    assert "Let the other process finish" in runs[RELEASE].json["error"]["next"]
    assert row(runs[STATUS])["state"] == "unreachable"
    assert runs[VERIFY].json["passed"] is False
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R2,)]


@pytest.mark.slow
def test_a_read_only_database_is_refused_and_can_be_backed_up(filled: Sandbox) -> None:
    with immutable(filled.prod):
        for task in (RELEASE, "release-migration"):
            suffer(filled, task, 1, "may not be written")
        saved = filled.invoke("backup")
        assert saved.code == 0, saved.err
        assert row(filled.invoke("status-all", "--json"))["state"] == "behind"


# -- the disk ---------------------------------------------------------------------------------

MEGABYTE = 1_000_000
posix = pytest.mark.skipif(os.name == "nt", reason="limits are a POSIX matter")


def swell(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as live:
        live.execute("CREATE TABLE ballast (bytes BLOB)")
        live.execute("INSERT INTO ballast VALUES (zeroblob(?))", (2 * MEGABYTE,))


@pytest.mark.slow
@posix
def test_a_disk_that_fills_up_during_the_backup_leaves_no_backup(filled: Sandbox) -> None:
    swell(filled.prod)
    words = "The backup of prod failed"
    suffer(filled, "backup", 3, words, limit=MEGABYTE)
    ran = suffer(filled, RELEASE, 3, words, limit=MEGABYTE, may_change=filled.dev)
    assert ran.json["outcome"] == "failed, unchanged"
    left = [each.name for each in (filled.folder / "data/repom/backups").iterdir()]
    assert not [name for name in left if not name.startswith("db.dev_")]
    # The next one, with room, goes through.
    again = filled.invoke("release-migration")
    assert again.code == 0, again.err


@posix
def test_a_disk_that_fills_up_during_the_upgrade_leaves_the_database_as_it_was(
    filled: Sandbox,
) -> None:
    filled.add_revision(
        "r4",
        R3,
        '    op.execute("CREATE TABLE big (bytes BLOB)")\n'
        f'    op.execute("INSERT INTO big VALUES (zeroblob({3 * MEGABYTE}))")',
    )
    suffer(filled, "upgrade-dev --json", 3, "The upgrade of dev failed", limit=MEGABYTE)
    assert filled.invoke("upgrade-dev").code == 0


@pytest.mark.slow
def test_a_disk_without_room_for_the_backup_is_told_before_dev_is_touched(
    filled: Sandbox,
) -> None:
    swell(filled.prod)
    with small_disk(filled.folder / "data/repom/backups", "1m"):
        ran = suffer(filled, RELEASE, 1, "2.0 MB for the backup of prod")
        assert "back up" not in ran.err
        suffer(filled, "backup", 3, "needs 2.0 MB")


@pytest.mark.slow
def test_a_full_disk_under_the_records_does_not_fail_an_upgrade(filled: Sandbox) -> None:
    releases = filled.folder / "data/repom/releases"
    with small_disk(releases, "4k"):
        with pytest.raises(OSError, match="No space"):
            (releases / "full").write_bytes(b"x" * MEGABYTE)
        ran = filled.invoke("upgrade-dev", "--json")
        assert ran.code == 0, ran.err
        assert ran.json["outcome"] == "released"
        assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.slow
def test_records_that_cannot_be_kept_do_not_fail_an_upgrade(filled: Sandbox) -> None:
    """As on a full disk, wherever the tests run: the folder for records is a file."""
    (filled.folder / "data/repom/releases").write_text("mine")
    ran = filled.invoke("upgrade-dev", "--json")
    assert ran.code == 0, ran.err
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R3,)]
    # What dev has passed could not be noted: the gate stays closed, and nothing breaks.
    suffer(filled, "upgrade-prod --json", 1, "prod takes only what has passed dev")
    assert filled.invoke("status-all").code == 0


@pytest.mark.slow
def test_a_folder_for_backups_that_is_a_file_is_told_before_anything_is_touched(
    filled: Sandbox,
) -> None:
    (filled.folder / "data/repom/backups").write_text("mine")
    for task, code in ((RELEASE, 1), ("backup", 3), ("downgrade --env dev --json", 3)):
        suffer(filled, task, code, "The folder for backups", "is a file")
    assert (filled.folder / "data/repom/backups").read_text() == "mine"


# -- backups and protection -------------------------------------------------------------------


@pytest.mark.parametrize(
    "task",
    [
        "restore --env prod --backup latest",
        "downgrade --env prod --to -1",
        f"stamp --env prod --to {R3}",
    ],
)
def test_a_protected_environment_is_left_alone_where_nobody_can_be_asked(
    filled: Sandbox, task: str
) -> None:
    assert filled.invoke("backup").code == 0
    query(filled.prod, "DELETE FROM children WHERE id = 1")
    ran = suffer(filled, f"{task} --json", 1, "prod is protected, and nobody can be asked")
    assert "--yes" in ran.err
    suffer(filled, task, 1, "prod is protected")


def test_bare_alembic_on_a_protected_environment_is_left_alone_too(filled: Sandbox) -> None:
    before = dump(filled.prod)
    ran = filled.invoke("alembic", "--env", "prod", "--args", "downgrade base")
    assert ran.code == 1
    assert "prod is protected" in ran.err
    assert dump(filled.prod) == before


@pytest.mark.slow
def test_a_backup_that_does_not_exist_is_a_mistyped_name(filled: Sandbox) -> None:
    suffer(filled, "restore --env prod --backup latest --yes --json", 1, "prod has no backup in")
    assert filled.invoke("backup").code == 0
    task = "restore --env prod --backup nope --yes --json"
    suffer(filled, task, 2, "prod has no backup 'nope'; the newest are: db_")


def test_a_damaged_backup_is_never_restored(filled: Sandbox) -> None:
    file = Path(filled.invoke("backup").out.strip())
    data = bytearray(file.read_bytes())
    data[-20] ^= 0xFF
    file.write_bytes(data)
    task = "restore --env prod --backup latest --yes --json"
    suffer(filled, task, 1, f"The backup {file.name} is damaged", "SHA-256")


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("restore --env dev --json", "restore needs --backup"),
        ("restore --backup latest --json", "restore needs --env"),
        ("downgrade --json", "downgrade needs --env"),
        ("stamp --json", "stamp needs --env"),
        ("alembic --env dev", "alembic needs --args"),
        ("revision --json", "revision needs --message"),
        ("upgrade-dev --to nowhere --json", "'nowhere'"),
        ("release-migration --to r --json", "'r'"),
    ],
)
def test_what_is_left_out_or_mistyped_is_told(filled: Sandbox, task: str, words: str) -> None:
    suffer(filled, task, 2, words)


# -- another release --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_release_is_told_who_is_at_work(filled: Sandbox) -> None:
    filled.add_revision(
        "r4",
        R3,
        "    import pathlib, time\n"
        "    pathlib.Path('begun').touch()\n"
        "    while not pathlib.Path('go').exists():\n"
        "        time.sleep(0.02)",
    )
    first = filled.start("release-migration", "--json")
    try:
        while not (filled.folder / "begun").exists():
            assert first.poll() is None, first.communicate()
            time.sleep(0.02)
        for task in (RELEASE, "upgrade-dev", "restore --env dev --backup latest --json"):
            ran = filled.invoke(*task.split())
            assert ran.code == 5, ran.err
            what = error_lines(ran.err)[0]
            assert "release-migration of " in what
            assert f"(process {first.pid}, since " in what
            assert "Traceback" not in ran.err
            if "--json" in task:
                assert ran.json["error"]["exit"] == 5
        assert filled.invoke("status-all").code == 0
    finally:
        (filled.folder / "go").touch()
        out, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert json.loads(out)["outcome"] == "released"
