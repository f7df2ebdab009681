"""Promise 1: nothing in the shell decides.

The env.py of these tests believes everything that it is told: by a URL in the environment, by a
``.env`` file, by the selector. Beside the project lies a decoy, a copy of it, with databases that
are just as ready to be upgraded. It must not change, whatever the shell holds.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.child.steps import FAILING, R4, everything, revision_of, run_child, write_env
from tests.support import R2, R3, Ran, Sandbox

BELIEVING = """
import json
dotenv = Path(".env")
if dotenv.exists():
    for line in dotenv.read_text().splitlines():
        key, _, value = line.partition("=")
        os.environ.setdefault(key, value)
Path(__file__).with_name("seen.json").write_text(json.dumps({
    "variables": dict(os.environ), "path": sys.path, "directory": os.getcwd(), "argv": sys.argv,
}))
url = os.environ.get("DATABASE_URL") or url
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    migrate(connection)
"""

# What runs in whatever process Python or a shell starts with these variables.
POISON = "import os, sys\nopen({marker!r}, 'a').write(f'{{sys.orig_argv}}\\n')\n"


@dataclass(frozen=True)
class Place:
    """The project, the decoy beside it, and what the hostile variables point to."""

    project: Sandbox
    decoy: Sandbox
    poisoned: Path

    def hostile(self) -> dict[str, str]:
        """Every variable of the promise, pointing at the decoy."""
        decoy = self.decoy.prod.as_posix()
        modules = str(self.poisoned.parent / "modules")
        script = str(self.poisoned.parent / "script")
        return {
            "EXEC_ENV": "prod",
            "DATABASE_URL": f"sqlite:///{decoy}",
            "SQLALCHEMY_DATABASE_URL": f"sqlite:///{decoy}",
            "ALEMBIC_CONFIG": str(self.decoy.folder / "alembic.ini"),
            "PGHOST": "decoy",
            "PGSERVICE": "decoy",
            "PGOPTIONS": "-c search_path=decoy",
            "MYSQL_HOST": "decoy",
            "MYSQL_TCP_PORT": "1",
            "MYSQL_PWD": "decoy",
            "PYTHONPATH": modules,
            "PYTHONSTARTUP": script,
            "PYTHONINSPECT": "",
            "PYTHONOPTIMIZE": "1",
            "BASH_ENV": script,
            "ENV": script,
            "INVOKE_RUN_WARN": "1",
            "INVOKE_RUN_DRY": "1",
            "INVOKE_RUN_SHELL": script,
            "INVOKE_RUN_ECHO": "1",
            "INVOKE_RUN_PTY": "1",
            "INVOKE_RUN_HIDE": "both",
            "INVOKE_TASKS_DEDUPE": "1",
            "INVOKE_TASKS_AUTO_DASH_NAMES": "0",
            "INVOKE_TASKS_COLLECTION_NAME": "decoy",
            "INVOKE_TASKS_SEARCH_ROOT": str(self.decoy.folder),
            "INVOKE_TASKS_EXECUTOR_CLASS": "decoy.Executor",
            "INVOKE_TIMEOUTS_COMMAND": "1",
            "INVOKE_DEBUG": "1",
        }

    def seen(self) -> dict[str, object]:
        """What env.py saw around itself."""
        text = (self.project.folder / "alembic/seen.json").read_text(encoding="utf-8")
        seen: dict[str, object] = json.loads(text)
        return seen


class Started(Sandbox):
    """A project whose tasks are never forked: how Python starts decides what it imports."""

    def invoke(self, *arguments: str, cwd: Path | None = None, **variables: str) -> Ran:
        return self.run(sys.executable, "-m", "invoke", *arguments, cwd=cwd, **variables)


@pytest.fixture
def place(filled: Sandbox, tmp_path: Path) -> Place:
    write_env(filled, BELIEVING)
    shutil.copytree(filled.folder, tmp_path / "decoy")
    poisoned = tmp_path / "poisoned"
    modules = tmp_path / "modules"
    modules.mkdir()
    poison = POISON.format(marker=str(poisoned))
    for name in ("sitecustomize", "usercustomize", "alembic", "sqlalchemy", "env", "decoy"):
        (modules / f"{name}.py").write_text(poison, encoding="utf-8")
    (tmp_path / "script").write_text(f"echo bash >> {poisoned}\n", encoding="utf-8")
    return Place(Started(filled.folder), Sandbox(tmp_path / "decoy"), poisoned)


VARIABLES = sorted(Place(Sandbox(Path()), Sandbox(Path()), Path("x/y")).hostile())
OTHERS = [name for name in VARIABLES if not name.startswith("INVOKE_")]


def require_no_child_was_poisoned(place: Place) -> None:
    """Python's own start with PYTHONPATH is beyond us; whatever we start is not."""
    if place.poisoned.exists():
        poisoned = place.poisoned.read_text(encoding="utf-8").splitlines()
        assert [line for line in poisoned if "'invoke'" not in line] == []


def require_released(place: Place, ran: Ran, *files: Path) -> None:
    assert ran.code == 0, ran.err
    assert [revision_of(file) for file in files] == [R3] * len(files)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_variable_does_not_decide(place: Place, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, prod = everything(place.decoy), everything(place.project)[1]
    monkeypatch.setenv(name, place.hostile()[name])
    run = run_child(place.project)
    assert (run.refused, run.failure, revision_of(place.project.dev)) == ("", "", R3)
    assert everything(place.decoy) == before
    assert everything(place.project)[1] == prod
    variables = place.seen()["variables"]
    assert isinstance(variables, dict)
    assert variables["EXEC_ENV"] == "dev"
    assert name == "EXEC_ENV" or name not in variables
    assert "decoy" not in json.dumps(variables)
    assert not place.poisoned.exists()


def test_all_variables_together_do_not_decide(place: Place) -> None:
    before = everything(place.decoy)
    ran = place.project.invoke("release-migration", "--json", cwd=None, **place.hostile())
    require_released(place, ran, place.project.dev, place.project.prod)
    assert ran.json["outcome"] == "released"
    assert everything(place.decoy) == before
    seen = place.seen()
    assert isinstance(seen["variables"], dict)
    assert set(place.hostile()) & set(seen["variables"]) == {"EXEC_ENV"}
    assert "decoy" not in json.dumps(seen)
    assert seen["directory"] == str(place.project.folder)
    require_no_child_was_poisoned(place)


def test_same_variables_do_lead_plain_alembic_astray(place: Place) -> None:
    """So that the tests above can fail: by hand, one of them is enough."""
    url = place.hostile()["DATABASE_URL"]
    ran = place.project.alembic("upgrade", "head", EXEC_ENV="dev", DATABASE_URL=url)
    assert ran.code == 0, ran.err
    assert revision_of(place.decoy.prod) == R3
    assert revision_of(place.project.dev) == R2


def test_release_says_what_the_shell_would_have_done(place: Place) -> None:
    ran = place.project.invoke("status-all", "--json", EXEC_ENV="dev")
    assert ran.json["selector"]["shell_value"] == "dev"


# -- Invoke's own variables -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [("INVOKE_RUN_WARN", "1"), ("INVOKE_RUN_DRY", "1"), ("INVOKE_RUN_DRY", "false")],
)
def test_failure_stays_a_failure_and_stops_the_chain(place: Place, name: str, value: str) -> None:
    place.project.add_revision(R4, R3, FAILING)
    before = everything(place.project)
    ran = place.project.invoke("upgrade-dev", "status-all", cwd=None, **{name: value})
    assert ran.code == 3
    assert ran.out == ""
    assert everything(place.project) == before


@pytest.mark.parametrize("value", ["1", "0"])
def test_repeated_task_is_run_again(place: Place, value: str) -> None:
    ran = place.project.invoke(
        "db-version", "--env", "dev", "db-version", "--env", "dev", INVOKE_TASKS_DEDUPE=value
    )
    assert ran.code == 0, ran.err
    assert ran.out.count(R2) == 2


def test_value_that_invoke_cannot_read_starts_nothing(place: Place) -> None:
    before = everything(place.project)
    ran = place.project.invoke("release-migration", INVOKE_RUN_WATCHERS="x")
    assert ran.code != 0
    assert everything(place.project) == before


def test_runtime_configuration_of_invoke_is_refused(place: Place) -> None:
    """It could have made Invoke load the decoy's tasks: those then refuse in their turn."""
    file = place.decoy.write(
        "runtime.json", json.dumps({"tasks": {"search_root": str(place.decoy.folder)}})
    )
    before = everything(place.decoy) + everything(place.project)
    ran = place.project.invoke("release-migration", "--json", INVOKE_RUNTIME_CONFIG=str(file))
    assert ran.code == 2, ran.err
    assert "INVOKE_RUNTIME_CONFIG" in ran.json["error"]["what"]
    assert "Traceback" not in ran.err
    assert everything(place.decoy) + everything(place.project) == before


# -- the working directory --------------------------------------------------------------------


def test_working_directory_does_not_decide(place: Place) -> None:
    """A folder with an ini, a configuration, modules and a .env of its own."""
    folder = place.project.folder / "inner"
    folder.mkdir()
    decoy = place.decoy.folder.as_posix()
    for name in ("dev", "prod"):
        (folder / "pyproject.toml").open("a").write(
            f"[tool.migrations_ops.environments.{name}]\n"
            f'url = "sqlite:///{decoy}/data/repom/db.sqlite3"\n'
        )
    (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {decoy}/alembic\n")
    (folder / "migrations_ops.toml").write_text(f'alembic = "{decoy}/alembic.ini"\n')
    (folder / ".env").write_text(f"DATABASE_URL=sqlite:///{decoy}/data/repom/db.sqlite3\n")
    for module in ("alembic", "sqlalchemy", "models", "env"):
        (folder / f"{module}.py").write_text(POISON.format(marker=str(place.poisoned)))
    before = everything(place.decoy)
    ran = place.project.invoke("release-migration", cwd=folder)
    require_released(place, ran, place.project.dev, place.project.prod)
    assert everything(place.decoy) == before
    assert not place.poisoned.exists()
    assert str(folder) not in json.dumps(place.seen())
    assert [file.name for file in folder.rglob("*") if file.is_dir()] == []


@pytest.mark.slow
def test_modules_beside_the_ini_do_not_replace_alembic(place: Place) -> None:
    """Python puts the folder of a script, or the working directory, first on its path."""
    for module in ("alembic", "sqlalchemy", "sitecustomize", "events"):
        place.project.write(f"{module}.py", POISON.format(marker=str(place.poisoned)))
    # The folder of env.py's scripts is called alembic as well: the module would win over it.
    ran = place.project.run(sys.executable, "-P", "-m", "invoke", "upgrade-dev", PYTHONSAFEPATH="1")
    require_released(place, ran, place.project.dev)
    assert not place.poisoned.exists()
    assert str(place.project.folder) not in place.seen()["path"]  # type: ignore[operator]


def test_dotenv_that_leads_env_astray_is_refused(place: Place) -> None:
    """Where env.py itself reads the file of its own project, the child proves where it is."""
    place.project.write(".env", f"DATABASE_URL=sqlite:///{place.decoy.prod.as_posix()}\n")
    before = everything(place.decoy) + everything(place.project)
    ran = place.project.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert str(place.decoy.prod) in ran.json["error"]["what"]
    assert everything(place.decoy) + everything(place.project) == before


@pytest.mark.slow
def test_dotenv_that_names_the_selector_does_not_decide(place: Place) -> None:
    place.project.write(".env", "EXEC_ENV=prod\n")
    prod = everything(place.project)[1]
    require_released(place, place.project.invoke("upgrade-dev"), place.project.dev)
    assert everything(place.project)[1] == prod


@pytest.mark.skipif(os.name == "nt", reason="the programs are scripts of a POSIX shell")
def test_programs_found_first_on_the_path_are_not_ours(place: Place) -> None:
    folder = place.poisoned.parent / "bin"
    folder.mkdir()
    for name in ("python", "python3", "alembic", "invoke", "sqlite3", "sh", "bash", "git", "env"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {place.poisoned}\nexit 1\n")
        (folder / name).chmod(0o755)
    ran = place.project.invoke("release-migration", PATH=f"{folder}{os.pathsep}/usr/bin")
    require_released(place, ran, place.project.dev, place.project.prod)
    assert not place.poisoned.exists()


# -- what a project does need -----------------------------------------------------------------


@pytest.mark.slow
def test_variable_is_let_through_where_it_is_named(place: Place) -> None:
    text = (place.project.folder / "pyproject.toml").read_text(encoding="utf-8")
    prod = "[tool.migrations_ops.environments.prod]"
    place.project.configure(text.replace(prod, f'pass = ["TOKEN"]\n\n{prod}'))
    ran = place.project.invoke("upgrade-dev", TOKEN="let through", OTHER="kept out")
    require_released(place, ran, place.project.dev)
    variables = place.seen()["variables"]
    assert isinstance(variables, dict)
    assert variables["TOKEN"] == "let through"
    assert "OTHER" not in variables
