"""Commands of the project's own that were killed are never taken for done."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal.marks import mark_of
from migrations_ops.journal.record import write_record
from migrations_ops.operations.advice import advice
from migrations_ops.operations.manual.resolve import resolve_environment
from migrations_ops.operations.state import read_state
from tests.records import task_record
from tests.scenarios.in_process import project_of
from tests.scenarios.test_commands import TASKS, VERSION, Project
from tests.support import R2, Sandbox, dump, query, wait_for

# Whole releases that are killed; test_commands.py has the commands themselves.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="sends signals of POSIX"),
]

# Two commands, of which the first moves the version. Neither can run again upon its own half.
TOOL = """
import os, sqlite3, sys, time
from pathlib import Path

part, file = sys.argv[1], os.environ["APP_DATABASE"].partition(":///")[2]


def stop(place):
    sign = Path("stop")
    if sign.exists() and sign.read_text() == f"{Path(file).name} {place}":
        Path("stopped").touch()
        time.sleep(60)


stop(f"before {part}")
database = sqlite3.connect(file, isolation_level=None)
if part == "first":
    database.execute("UPDATE items SET done = done + 1")
    stop("rows")
    database.execute("CREATE TABLE early (id INTEGER PRIMARY KEY)")
    database.execute("UPDATE alembic_version SET version_num = 'two'")
    stop("middle")
    database.execute("CREATE TABLE late (id INTEGER PRIMARY KEY)")
else:
    database.execute("CREATE TABLE last AS SELECT id FROM items")
stop(f"after {part}")
"""

MORE = """
variables = { APP_DATABASE = "{url}" }
heads = ["two"]
allow = ["changed-values"]
"""
# Where the others are put: the tests below.
PLACES = ["rows", "after second"]


def command(part: str) -> list[str]:
    return [sys.executable, "tool.py", part]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "app")
    made.write("tasks.py", TASKS)
    made.write("tool.py", TOOL)
    for file in (made.dev, made.prod):
        fill(file)
    made.write_configuration([command("first"), command("second")], more=MORE)
    return made


def fill(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    query(file, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    query(file, "INSERT INTO alembic_version VALUES ('one')")
    query(file, "CREATE TABLE items (id INTEGER PRIMARY KEY, done INTEGER DEFAULT 0)")
    query(file, "INSERT INTO items (id) VALUES (1), (2), (3)")


def kill(project: Project, place: str, *, task: str = "release-migration") -> None:
    """Kill a task when the commands have come to that place."""
    project.write("stop", place)
    with project.start(*shlex.split(task)) as process:
        wait_for((project.folder / "stopped").exists)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    for name in ("stop", "stopped"):
        (project.folder / name).unlink()


def require_upgraded(file: Path) -> None:
    """Each command ran to its end, and once."""
    assert query(file, VERSION) == [("two",)]
    assert query(file, "SELECT DISTINCT done FROM items") == [(1,)]
    assert query(file, "SELECT count(*) FROM late") == [(0,)]
    assert query(file, "SELECT count(*) FROM last") == [(3,)]


@pytest.mark.parametrize("place", PLACES)
def test_next_release_puts_back_what_killed_commands_left_and_runs_them_again(
    project: Project, place: str
) -> None:
    kill(project, f"prod.db {place}")
    at_head = query(project.prod, VERSION) == [("two",)]
    assert at_head == (place != "rows")

    status = project.invoke("status-all", "--json")
    [dev, prod] = status.json["environments"]
    assert (dev["state"], dev["dirty"]) == ("at head", False)
    assert (prod["state"], prod["dirty"]) == (("dirty", True) if at_head else ("behind", False))
    assert project.invoke("status-all", "--check").code == 1
    verified = project.invoke("verify", "--env", "prod", "--json")
    assert verified.code == 1, verified.err
    [found] = [each for each in verified.json["findings"] if each["severity"] == "error"]
    assert found["code"] == ("dirty" if at_head else "not-at-head")
    if at_head:
        assert "did not finish" in prod["trouble"]
        assert "did not finish" in found["message"]
        assert project.invoke("release-migration", "--plan").code == 1

    again = project.invoke("release-migration", "--json")
    assert (again.code, again.json["outcome"]) == (0, "released"), again.err
    done = [(step["name"], step["outcome"]) for step in again.json["steps"]]
    assert done.index(("restore", "proved equal")) < done.index(("upgrade", "done"))
    for file in (project.dev, project.prod):
        require_upgraded(file)
    assert project.invoke("status-all", "--check").err == ""
    assert project.invoke("verify", "--env", "prod").code == 0
    assert project.invoke("release-migration", "--json").json["outcome"] == "nothing to do"


def test_killed_commands_of_the_first_environment_run_again_too(project: Project) -> None:
    kill(project, "dev.db before second", task="upgrade-dev")
    assert project.invoke("verify", "--env", "dev").code == 1
    ran = project.invoke("upgrade-dev")
    assert ran.code == 0, ran.err
    require_upgraded(project.dev)


def test_commands_that_any_command_of_alembic_runs_are_never_taken_for_done_either(
    project: Project,
) -> None:
    kill(project, "dev.db before second", task="alembic --env dev --args 'upgrade head'")
    [dev, _] = project.invoke("status-all", "--json").json["environments"]
    assert (dev["state"], dev["dirty"]) == ("dirty", True)
    ran = project.invoke("upgrade-dev")
    assert ran.code == 0, ran.err
    require_upgraded(project.dev)


def test_commands_that_wrote_nothing_before_the_kill_leave_nothing_to_put_back(
    project: Project,
) -> None:
    for file in (project.dev, project.prod):
        os.utime(file, (1, 1))  # no backup trusts a file that was written a moment ago
    kill(project, "prod.db before first")
    again = project.invoke("release-migration", "--json")
    assert again.code == 0, again.err
    assert "restore" not in [step["name"] for step in again.json["steps"]]
    require_upgraded(project.prod)


REVISION = """revision, down_revision = {!r}, {!r}


def upgrade():
    pass
"""


def test_commands_count_as_killed_also_when_alembic_takes_their_place(project: Project) -> None:
    kill(project, "prod.db before second")
    project.write("alembic.ini", "[alembic]\nscript_location = alembic\n")
    project.write("alembic/env.py", "")
    project.write("alembic/versions/one.py", REVISION.format("one", None))
    project.write("alembic/versions/two.py", REVISION.format("two", "one"))
    file = project.folder / "migrations_ops.toml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("commands")]
    file.write_text("\n".join(lines))
    [dev, prod] = project.invoke("status-all", "--json").json["environments"]
    assert (dev["state"], prod["state"]) == ("at head", "dirty")


def test_backup_of_a_half_is_none_to_go_back_to(project: Project) -> None:
    before = dump(project.prod)
    kill(project, "prod.db before second")
    ran = project.invoke("backup", "--env", "prod")
    assert ran.code == 0, ran.err
    assert "is suspect, and never the latest" in ran.err
    ran = project.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert ran.code == 0, ran.err
    assert dump(project.prod) == before
    [_, prod] = project.invoke("status-all", "--json").json["environments"]
    assert (prod["state"], prod["dirty"]) == ("behind", False)


def test_new_database_of_killed_commands_is_left_to_a_person(project: Project) -> None:
    project.prod.unlink()
    tool = (project.folder / "tool.py").read_text()
    schema = "\n    database.execute('CREATE TABLE IF NOT EXISTS items (id, done)')"
    versions = (
        "\n    database.execute('CREATE TABLE IF NOT EXISTS alembic_version (version_num)')"
        "\n    database.execute(\"INSERT INTO alembic_version SELECT 'one'"
        ' WHERE NOT EXISTS (SELECT 1 FROM alembic_version)")'
    )
    project.write(
        "tool.py", tool.replace('if part == "first":', f'if part == "first":{schema}{versions}')
    )
    kill(project, "prod.db before second")
    for _ in range(2):
        ran = project.invoke("release-migration", "--json")
        assert ran.code == 4, ran.err
        assert "there is no backup from before" in ran.json["error"]["what"]
        assert "delete it" in ran.json["error"]["next"]
        assert project.invoke("verify", "--env", "prod").code == 1
    project.prod.unlink()
    ran = project.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert query(project.prod, "SELECT count(*) FROM last") == [(0,)]


def test_resolve_takes_the_word_of_who_brought_the_commands_to_their_end(project: Project) -> None:
    kill(project, "prod.db before second")
    refused = project.invoke("resolve", "--env", "prod", "--rolled-back", "--json")
    assert refused.code == 1, refused.err
    assert "differs from its state before its commands started" in refused.json["error"]["what"]
    assert query(project.prod, "SELECT count(*) FROM early") == [(0,)]
    done = project.run(*command("second"), APP_DATABASE=f"sqlite:///{project.prod}")
    assert done.code == 0, done.err
    ran = project.invoke("resolve", "--env", "prod", "--applied")
    assert ran.code == 0, ran.err
    assert "prod is no longer dirty" in ran.out
    assert project.invoke("status-all", "--check").code == 0
    assert project.invoke("verify", "--env", "prod").code == 0
    again = project.invoke("release-migration", "--json")
    assert (again.code, again.json["outcome"]) == (0, "nothing to do"), again.err


def test_resolve_believes_no_end_of_commands_while_the_version_has_not_moved(
    project: Project,
) -> None:
    kill(project, "prod.db rows")
    ran = project.invoke("resolve", "--env", "prod", "--applied", "--json")
    assert ran.code == 1, ran.err
    assert "is at one" in ran.json["error"]["what"]
    # The schema is as it was, and who has undone the rows says so.
    query(project.prod, "UPDATE items SET done = 0")
    ran = project.invoke("resolve", "--env", "prod", "--rolled-back", "--json")
    assert ran.code == 0, ran.err
    assert [each["code"] for each in ran.json["findings"]] == ["rows-not-compared"]
    again = project.invoke("release-migration", "--json")
    assert again.code == 0, again.err
    assert "restore" not in [step["name"] for step in again.json["steps"]]
    require_upgraded(project.prod)


def test_resolve_goes_by_the_target_of_the_task_that_was_killed(filled: Sandbox) -> None:
    """It ran with --to: the commands did finish, though the database is not at head."""
    project = project_of(filled)
    releases = project.settings.releases
    steps = [("upgrade", "prod", "failed")]
    record = task_record(
        "20260101_000000", None, steps=steps, commands=("prod",), targets={"prod": (R2,)}
    )
    write_record(releases, record)
    mark_of(releases, record.id).parent.mkdir()
    mark_of(releases, record.id).touch()
    prod = project.settings.environment("prod")
    state = read_state(project, prod)
    assert (state.kind, state.pending) == ("dirty", ())
    assert f"invoke upgrade-prod --to {R2};" in advice(state)
    finished = resolve_environment(project, prod, Lines(), applied=True)
    assert (finished.error, finished.result.outcome) == (None, "resolved")
    assert read_state(project, prod).kind == "behind"
