"""One tasks.py for several projects: each namespace works on its own project alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.support import R2, R3, Sandbox, query

TASKS = """\
from pathlib import Path

from invoke import Collection
from migrations_ops.tasks import namespace

here = Path(__file__).parent
ns = Collection()
"""
ROW = "SELECT version_num FROM alembic_version"


@pytest.fixture
def root(filled: Sandbox, tmp_path: Path) -> Sandbox:
    """A folder with two projects and one tasks.py; b has staging besides, first of its path."""
    made = Sandbox(tmp_path / "root")
    for name in ("a", "b"):
        shutil.copytree(filled.folder, made.folder / name)
    configuration = (made.folder / "b/pyproject.toml").read_text()
    url = 'url = "sqlite:///data/repom/db.staging.sqlite3"'
    head, dev = configuration.split("[tool.migrations_ops.environments.dev]")
    made.write(
        "b/pyproject.toml",
        f"{head}[tool.migrations_ops.environments.staging]\n{url}\n\n"
        f"[tool.migrations_ops.environments.dev]{dev}",
    )
    collect(made, a="a", b="b")
    return made


def collect(root: Sandbox, **folders: str) -> None:
    """Write the root's tasks.py: a collection for each name, made from the folder's tasks.py."""
    lines = (
        f"ns.add_collection(namespace(str(here / {folder!r} / 'tasks.py')), name={name!r})\n"
        for name, folder in folders.items()
    )
    root.write("tasks.py", TASKS + "".join(lines))


def project(root: Sandbox, name: str) -> Sandbox:
    return Sandbox(root.folder / name)


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a project but the compiled ones, with its bytes."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


@pytest.mark.parametrize(
    ("released", "other"), [pytest.param("a", "b", marks=pytest.mark.slow), ("b", "a")]
)
def test_a_release_touches_its_own_project_alone(root: Sandbox, released: str, other: str) -> None:
    # Whichever is made last must not decide.
    collect(root, **{released: released, other: other})
    before = files(root.folder / other)
    ran = root.invoke(f"{released}.release-migration")
    assert ran.code == 0, ran.err
    assert query(project(root, released).dev, ROW) == [(R3,)]
    assert query(project(root, released).prod, ROW) == [(R3,)]
    assert files(root.folder / other) == before


@pytest.mark.slow
def test_a_hint_names_the_task_as_it_has_to_be_typed_there(root: Sandbox) -> None:
    stopped = root.invoke("a.status-all", "--check")
    assert "Type: invoke a.release-migration" in stopped.err
    both = root.invoke("b.status-all", "a.status-all", "--check", "--json")
    assert "invoke a.release-migration" in both.err
    assert root.invoke("a.release-migration").code == 0


@pytest.mark.slow
def test_each_namespace_has_the_upgrade_tasks_of_its_own_configuration(root: Sandbox) -> None:
    listed = root.invoke("--list").out
    assert "\n  b.upgrade-staging " in listed
    assert "a.upgrade-staging" not in listed
    for name in ("a.upgrade-dev", "a.upgrade-prod", "b.upgrade-dev", "b.upgrade-prod"):
        assert f"\n  {name} " in listed
    # dev is the first of a's path, and in b it comes after staging.
    assert "rehearse" not in root.invoke("--help", "a.upgrade-dev").out
    assert "rehearse" in root.invoke("--help", "b.upgrade-dev").out
    unknown = root.invoke("a.upgrade-staging")
    assert unknown.code == 1
    assert "upgrade-staging" in unknown.err
    before = files(root.folder / "a")
    upgraded = root.invoke("b.upgrade-staging")
    assert upgraded.code == 0, upgraded.err
    staging = root.folder / "b/data/repom/db.staging.sqlite3"
    assert query(staging, ROW) == [(R3,)]
    assert files(root.folder / "a") == before


@pytest.mark.slow
def test_one_chain_goes_from_project_to_project(root: Sandbox) -> None:
    ran = root.invoke("a.backup", "b.backup", "a.upgrade-dev", "b.status-all")
    assert ran.code == 0, ran.err
    assert "staging" in ran.out
    for name in ("a", "b"):
        backups = root.folder / name / "data/repom/backups"
        assert str(backups) in ran.out
        assert len(list(backups.glob("db_*.sqlite3"))) == 1
    assert query(project(root, "a").dev, ROW) == [(R3,)]
    assert query(project(root, "b").dev, ROW) == [(R2,)]


@pytest.mark.slow
def test_one_project_may_be_there_twice_and_deeper(root: Sandbox) -> None:
    collect(root, a="a", again="a")
    deeper = "deep = Collection('deep')\n"
    deeper += "deep.add_collection(namespace(str(here / 'b/tasks.py')), name='b')\n"
    file = root.folder / "tasks.py"
    root.write("tasks.py", f"{file.read_text()}{deeper}ns.add_collection(deep)\n")
    before = files(root.folder / "b")
    ran = root.invoke("a.upgrade-dev", "again.upgrade-prod")
    assert ran.code == 0, ran.err
    assert query(project(root, "a").prod, ROW) == [(R3,)]
    assert files(root.folder / "b") == before
    helped = root.invoke("--help", "again.restore").out
    assert "-e STRING, --env=STRING   the environment (no default)" in helped
    assert root.invoke("deep.b.upgrade-staging").code == 0
    assert "[Release] Back up staging, upgrade it, verify." in root.invoke("--list").out


@pytest.mark.slow
def test_an_empty_flag_is_refused_in_each_namespace(root: Sandbox) -> None:
    for name in ("a", "b"):
        ran = root.invoke(f"{name}.status", "--env", "", "--json")
        assert ran.code == 2
        assert ran.json["error"]["what"] == "--env is empty."


@pytest.mark.slow
def test_a_task_is_called_from_a_task_of_ones_own(root: Sandbox) -> None:
    """Flags may be given by position there; what is empty is refused all the same."""
    own = (
        "from invoke import task\n"
        "@task\ndef mine(c, env):\n    ns.collections['a']['status'](c, env, check=True)\n"
        "ns.add_task(mine)\n"
    )
    root.write("tasks.py", (root.folder / "tasks.py").read_text() + own)
    ran = root.invoke("mine", "dev")
    assert ran.code == 1
    assert "Not at head: dev." in ran.err
    empty = root.invoke("mine", "")
    assert empty.code == 2
    assert "--env is empty." in empty.err


def test_a_relative_path_is_relative_to_the_file_that_names_it(root: Sandbox) -> None:
    """Where Invoke is called from decides nothing: there is another a below."""
    relative = "ns.add_collection(namespace('a/tasks.py'), name='a')\n"
    root.write("tasks.py", TASKS + relative)
    below = root.folder / "below"
    shutil.copytree(root.folder / "a", below / "a")
    before = files(below)
    ran = root.invoke("a.upgrade-dev", cwd=below)
    assert ran.code == 0, ran.err
    assert query(project(root, "a").dev, ROW) == [(R3,)]
    assert files(below) == before


def test_the_list_loads_what_a_task_needs_of_no_project(root: Sandbox) -> None:
    listed = root.run(sys.executable, "-X", "importtime", "-m", "invoke", "--list")
    loaded = {line.rpartition("|")[2].strip() for line in listed.err.splitlines()}
    assert "migrations_ops.project.config_file" in loaded
    assert (
        not {
            "sqlalchemy",
            "alembic",
            "migrations_ops.cli.console",
            "migrations_ops.project.project",
        }
        & loaded
    )
