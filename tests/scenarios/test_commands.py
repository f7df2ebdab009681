"""The project's own commands in the place of Alembic's upgrade."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.revisions.stated_history import StatedHistory
from migrations_ops.steps.own_commands import url_of_copy
from tests.servers import guard
from tests.support import Sandbox, dump, query, wait_for

VERSION = "SELECT version_num FROM alembic_version"
TASKS = "from migrations_ops.tasks import namespace\n\nns = namespace(__file__)\n"

# What a project's own tool may be: it commits as it goes, and nobody is inside of it.
TOOL = """
import os, sqlite3, subprocess, sys, time

url, mode = os.environ["APP_DATABASE"], sys.argv[1]
file = url.partition(":///")[2]
print("migrating", url)
if mode == "stray":
    file = os.path.abspath("data/prod.db")
database = sqlite3.connect(file, isolation_level=None)
database.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT)")
if mode == "hang":
    # A process of its own, which must not outlive the step either.
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open("beside", "w") as stream:
        stream.write(str(other.pid))
    os.rename("beside", "hanging")
    time.sleep(600)
if mode == "rows":
    database.execute("DROP TABLE notes")
    database.execute("DELETE FROM items")
    sys.exit("the schema is what it was, the rows are not")
if mode == "half":
    sys.exit("half way")
if mode == "old data" and database.execute("SELECT count(*) FROM items").fetchone()[0] > 5:
    sys.exit(7)
if mode != "first":
    database.execute("UPDATE alembic_version SET version_num = 'two'")
sys.exit(4 if mode == "four" else 0)
"""


class Project(Sandbox):
    """A project that has a tool of its own, and no Alembic scripts that anybody could read."""

    @property
    def dev(self) -> Path:
        return self.folder / "data/dev.db"

    @property
    def prod(self) -> Path:
        return self.folder / "data/prod.db"

    def write_configuration(self, dev: Any, prod: Any = None, more: str = "") -> None:
        """``dev`` and ``prod`` are their lists of commands; ``more`` goes to both."""
        lines = ['backups = "data/backups"']
        for name, commands in (("dev", dev), ("prod", dev if prod is None else prod)):
            lines += [
                f"[environments.{name}]",
                f'url = "sqlite+aiosqlite:///data/{name}.db"',
                f"commands = {commands if isinstance(commands, str) else toml(commands)}",
                more or 'variables = { APP_DATABASE = "{url}" }\nheads = ["two"]',
            ]
        self.write("migrations_ops.toml", "\n".join(lines))


def toml(commands: list[Any]) -> str:
    parts = []
    for command in commands:
        if isinstance(command, dict):
            parts.append(
                f"{{ argv = {json.dumps(command['argv'])}, success = {command['success']} }}"
            )
        else:
            parts.append(json.dumps(command))
    return f"[{', '.join(parts)}]"


def tool(mode: str) -> list[str]:
    return [sys.executable, "tool.py", mode]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "app")
    made.write("tasks.py", TASKS)
    made.write("tool.py", TOOL)
    for file, rows in ((made.dev, 3), (made.prod, 9)):
        file.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            connection.execute("INSERT INTO alembic_version VALUES ('one')")
            connection.execute("CREATE TABLE items (id INTEGER PRIMARY KEY)")
            connection.executemany("INSERT INTO items VALUES (?)", [(n,) for n in range(rows)])
    return made


def test_commands_whose_record_could_not_be_written_do_not_begin(project: Project) -> None:
    """Killed without a record, they would be taken for never begun, and run twice."""
    project.write_configuration([tool("work")])
    (project.folder / "data/releases").write_text("")
    before = dump(project.dev)
    ran = project.invoke("upgrade-dev", "--json")
    assert ran.code == 1, ran.err
    assert "The release could not be recorded" in ran.json["error"]["what"]
    assert dump(project.dev) == before


def test_release_runs_the_commands_and_needs_no_scripts_of_alembic(project: Project) -> None:
    project.write_configuration([tool("work")])
    before = dump(project.prod)

    ran = project.invoke("release-migration", "--json", APP_DATABASE="sqlite:///elsewhere.db")

    assert ran.code == 0, ran.err
    assert (ran.json["outcome"], ran.json["to"]) == ("released", ["two"])
    steps = {(step["name"], step["environment"]): step for step in ran.json["steps"]}
    for name, environment in (("upgrade", "dev"), ("rehearse", "prod"), ("upgrade", "prod")):
        assert steps[name, environment]["argv"] == tool("work")
    assert "the way back is the backup" in ran.err
    assert query(project.dev, VERSION) == query(project.prod, VERSION) == [("two",)]
    backup = project.folder / "data/backups" / ran.json["backups"][-1]
    assert dump(backup) == before
    # The URL came as the configuration has it, with its driver; the shell's had no say.
    logs = list(project.folder.glob("data/releases/*/prod.*.log"))
    printed = {log.name: log.read_text().strip() for log in logs}
    assert printed["prod.upgrade.log"] == f"migrating sqlite+aiosqlite:///{project.prod}"
    assert printed["prod.rehearse.log"].endswith("/rehearsal.sqlite3")
    assert not (project.folder / "elsewhere.db").exists()

    assert project.invoke("status-all", "--check").code == 0
    assert project.invoke("verify", "--env", "prod").code == 0
    again = project.invoke("release-migration", "--json")
    assert (again.code, again.json["outcome"]) == (0, "nothing to do"), again.err


@pytest.mark.slow
def test_commands_run_in_their_order_and_with_their_own_codes_of_success(project: Project) -> None:
    project.write_configuration([tool("first"), {"argv": tool("four"), "success": [0, 4]}])
    ran = project.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["steps"][2]["argv"] == [*tool("first"), "&&", *tool("four")]
    assert "2 commands of its own" in ran.err
    assert query(project.prod, VERSION) == [("two",)]


def test_commands_of_dev_that_reach_prod_are_an_alarm_with_its_way_back(project: Project) -> None:
    project.write_configuration([tool("stray")], [tool("work")])
    dev, prod = dump(project.dev), dump(project.prod)
    ran = project.invoke("release-migration", "--json")
    assert ran.code == 4, ran.err
    error = ran.json["error"]
    assert "the commands of dev changed prod" in error["what"].replace(
        "The commands", "the commands"
    )
    assert dump(project.dev) == dev
    assert dump(project.prod) != prod
    back = re.search(r"invoke (restore --env prod --backup \S+ --yes)", error["next"])
    assert back is not None, error
    assert project.invoke(*back[1].split()).code == 0
    assert dump(project.prod) == prod


@pytest.mark.slow
def test_a_program_beside_the_interpreter_is_found_without_the_path(project: Project) -> None:
    beside = Path(sys.executable).parent / "alembic"
    assert beside.exists()
    project.write_configuration([["alembic", "--help"]])
    ran = project.invoke("upgrade-dev", "--json", PATH="/usr/bin:/bin")
    assert "the commands finished, but the database is at one" in ran.json["error"]["what"]


@pytest.mark.parametrize(
    ("commands", "says"),
    [
        ([tool("half"), tool("work")], "python ended with exit code 1"),
        ([tool("rows")], "python ended with exit code 1"),
        ([tool("first")], "the commands finished, but the database is at one"),
        pytest.param([tool("four")], "python ended with exit code 4", marks=pytest.mark.slow),
        pytest.param(
            [["no-such-tool"]], "no-such-tool: it cannot be started", marks=pytest.mark.slow
        ),
    ],
    ids=["fails half way", "fails after rows", "version not moved", "code of failure", "missing"],
)
def test_failed_commands_leave_the_database_as_it_was(
    project: Project, commands: list[list[str]], says: str
) -> None:
    project.write_configuration(commands)
    dev, prod = dump(project.dev), dump(project.prod)

    ran = project.invoke("release-migration", "--json")

    assert ran.code == 3, ran.err
    assert says.replace("python", sys.executable) in ran.json["error"]["what"]
    assert ran.json["outcome"] in ("failed, unchanged", "failed, restored")
    assert "Traceback" not in ran.err
    assert dump(project.dev) == dev
    assert dump(project.prod) == prod


def test_commands_that_fail_on_production_alone_are_stopped_by_the_rehearsal(
    project: Project,
) -> None:
    project.write_configuration([tool("old data")])
    before = dump(project.prod)
    ran = project.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert "The rehearsal on a copy of prod failed" in ran.json["error"]["what"]
    assert "exit code 7" in ran.json["error"]["what"]
    assert "prod.rehearse.log" in ran.json["error"]["next"]
    assert dump(project.prod) == before


def test_rehearsal_that_reaches_the_real_database_is_undone(project: Project) -> None:
    """A command that takes its variable and goes elsewhere cannot be held, only found out."""
    project.write_configuration([tool("work")], [tool("stray")])
    before = dump(project.prod)
    ran = project.invoke("release-migration", "--json")
    assert ran.code == 3, ran.err
    assert ran.json["outcome"] == "failed, restored"
    assert "The rehearsal of prod reached the real database" in ran.json["error"]["what"]
    assert "proved equal" in ran.json["error"]["untouched"]
    assert dump(project.prod) == before


@pytest.mark.parametrize(
    ("commands", "more", "says"),
    [
        ([tool("work")], 'variables = { APP_DATABASE = "fixed" }\nheads = ["two"]',
         "No variable passes the URL of prod to its commands"),
        ([[*tool("work"), "{url}"]], "", "{url} in an argument"),
        ('["tool", "work"]', "", "commands of environments.dev"),
        ('[{ argv = ["tool"], success = "0" }]', "", "commands of environments.dev"),
        ("[[]]", "", "commands of environments.dev"),
    ],
    ids=["no variable", "url in argv", "flat", "success", "empty"],
)  # fmt: skip
def test_commands_that_cannot_be_run_safely_are_refused_at_once(
    project: Project, commands: Any, more: str, says: str
) -> None:
    project.write_configuration(commands, more=more)
    before = dump(project.prod)
    ran = project.invoke("release-migration", "--json")
    assert ran.code == 2, ran.err
    assert says in ran.json["error"]["what"]
    assert not (project.folder / "data/backups").exists()
    assert dump(project.prod) == before


@pytest.mark.slow
def test_variable_that_holds_the_url_itself_leads_to_the_copy_too(project: Project) -> None:
    """A URL that somebody wrote out twice, or that is passed on from the shell."""
    more = 'variables = {{ APP_DATABASE = "sqlite+aiosqlite:///data/{}.db" }}\nheads = ["two"]'
    project.write_configuration([tool("work")], more="@")
    text = (project.folder / "migrations_ops.toml").read_text()
    first, second = text.split("@", 1)
    text = first + more.format("dev") + second.replace("@", more.format("prod"))
    project.write("migrations_ops.toml", text)
    ran = project.invoke("release-migration")
    assert ran.code == 0, ran.err
    log = next(project.folder.glob("data/releases/*/prod.rehearse.log"))
    assert log.read_text().strip().endswith("/rehearsal.sqlite3")


@pytest.mark.slow
def test_command_that_takes_too_long_is_killed_with_all_that_it_started(project: Project) -> None:
    project.write_configuration(
        [tool("hang")],
        more='variables = { APP_DATABASE = "{url}" }\nheads = ["two"]\ntimeout = 2.0',
    )
    before = dump(project.dev)
    ran = project.invoke("upgrade-dev", "--json")
    assert ran.code == 3, ran.err
    assert "longer than the 2 seconds" in ran.json["error"]["what"]
    assert dump(project.dev) == before
    assert guard.wait_for_end([int((project.folder / "hanging").read_text())], 60)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends signals of POSIX")
@pytest.mark.parametrize("sign", ["SIGKILL", "SIGINT"])
def test_killed_task_takes_its_command_along(project: Project, sign: str) -> None:
    project.write_configuration([tool("hang")])
    before = dump(project.dev)
    with project.start("upgrade-dev") as task:
        wait_for((project.folder / "hanging").exists)
        os.kill(task.pid, getattr(signal, sign))
        task.communicate(timeout=60)
        code = task.returncode
    if sign == "SIGINT":
        assert code == 130
    assert (dump(project.dev) == before) == (sign == "SIGINT")
    assert guard.wait_for_end([int((project.folder / "hanging").read_text())], 60)
    # What the next task finds, it puts back before it goes on.
    project.write_configuration([tool("half")])
    ran = project.invoke("upgrade-dev", "--json")
    assert ran.code == 3, ran.err
    assert dump(project.dev) == before


@pytest.mark.slow
def test_scripts_of_the_configured_interpreter_come_first(project: Project) -> None:
    """As in an activated virtual environment, so that its commands need no path."""
    folder = project.folder / "venv/bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    script = project.write("venv/bin/app-migrate", f"#!{sys.executable}\n{TOOL}")
    script.chmod(0o755)
    project.write_configuration(
        [["app-migrate", "work"]],
        more='variables = { APP_DATABASE = "{url}" }\nheads = ["two"]\npython = "venv/bin/python"',
    )
    ran = project.invoke("release-migration")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("url", "copied"),
    [
        ("sqlite:////srv/a.db", "sqlite:////srv/copy.db"),
        ("sqlite+aiosqlite:////srv/a.db?timeout=5", "sqlite+aiosqlite:////srv/copy.db?timeout=5"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="has paths of POSIX")
def test_url_of_a_copy_keeps_driver_and_options(url: str, copied: str) -> None:
    assert url_of_copy(url, "/srv/copy.db", None) == copied


def test_stated_heads_tell_whether_a_database_is_at_head_and_no_more() -> None:
    history = StatedHistory.stating(["b", "a"])
    assert history.effective_heads == ("a", "b")
    assert history.resolve("head") == ("a", "b")
    assert history.resolve("b") == ("b",)
    assert [each.revision for each in history.pending(["old"], "heads")] == ["a", "b"]
    assert history.pending(["b", "a"], "heads") == ()
    assert history.unknown(["old"]) == ()
    assert history.lead_to(["old"], ["a", "b"])
