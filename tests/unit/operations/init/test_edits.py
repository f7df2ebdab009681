"""What init writes keeps all that was there, comments and line ends too."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from migrations_ops.model.errors import Refused
from migrations_ops.operations.init.edits import GITIGNORE, TASKS, Edit, edits_of
from migrations_ops.operations.init.proposal import Proposal
from migrations_ops.project.config_file import OWN_FILE, PYPROJECT

URL = 'sqlite:///a "b".db'
PROPOSAL = Proposal(
    file=PYPROJECT,
    table={"alembic": "alembic.ini", "selector": ""},
    environments={"prod": {"url": URL, "ini_url": True, "variables": {"A": "{url}"}, "x": ["a"]}},
)
NOTHING: dict[str, str | None] = dict.fromkeys((PYPROJECT, OWN_FILE, GITIGNORE, TASKS))
TABLES = """\
[tool.migrations_ops]
alembic = "alembic.ini"
selector = ""

[tool.migrations_ops.environments.prod]
url = "sqlite:///a \\"b\\".db"
ini_url = true
variables = { A = "{url}" }
x = ["a"]
"""


def edits(proposal: Proposal, **texts: str | None) -> dict[str, Edit]:
    names = {"pyproject": PYPROJECT, "own": OWN_FILE, "gitignore": GITIGNORE, "tasks": TASKS}
    found = edits_of(proposal, NOTHING | {names[name]: text for name, text in texts.items()})
    return {each.file: each for each in found}


@pytest.mark.parametrize(
    ("before", "gap"),
    [
        ("", ""),
        ("# mine\n[project]\nname = 'x'  # a name\n", "\n"),
        ("[tool.black]\nline-length = 1", "\n\n"),
        ("[tool]\nx = 1\n", "\n"),
    ],
)
def test_the_tables_follow_what_is_there(before: str, gap: str) -> None:
    made = edits(PROPOSAL, pyproject=before)
    assert list(made) == [PYPROJECT]
    assert made[PYPROJECT].after == before + gap + TABLES


def test_line_ends_of_windows_stay() -> None:
    after = edits(PROPOSAL, pyproject="[project]\r\nname = 'x'\r\n")[PYPROJECT].after
    assert after.count("\n") == after.count("\r\n")


def test_a_file_of_our_own_has_the_same_keys() -> None:
    made = edits(replace(PROPOSAL, file=OWN_FILE))[OWN_FILE]
    assert made.before is None
    assert "[environments.prod]\n" in made.after
    assert tomllib.loads(made.after)["environments"]["prod"]["url"] == URL
    assert made.difference.startswith("--- /dev/null\n+++ migrations_ops.toml\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '[project]\ndependencies = [\n    "alembic",  # why\n    "x",\n]\n',
            '[project]\ndependencies = [\n    "alembic",  # why\n    "x",\n'
            '    "migrations-ops[mariadb]",\n]\n',
        ),
        (
            '[project]\ndependencies = ["alembic"] # all\n',
            '[project]\ndependencies = ["alembic", "migrations-ops[mariadb]"] # all\n',
        ),
        (
            '[tool.poetry.dependencies]\npython = "^3.11"\n',
            '[tool.poetry.dependencies]\npython = "^3.11"\n'
            'migrations-ops = {version = "*", extras = ["mariadb"]}\n',
        ),
    ],
)
def test_the_dependency_is_added_where_the_others_are(before: str, after: str) -> None:
    proposal = replace(PROPOSAL, dependency="migrations-ops[mariadb]")
    made = edits(proposal, pyproject=before)[PYPROJECT]
    assert made.after == f"{after}\n{TABLES}"


@pytest.mark.parametrize("before", ["tool = { black = { x = 1 } }\n", "this is no TOML\n"])
def test_what_cannot_take_the_tables_is_left(before: str) -> None:
    with pytest.raises(Refused, match="without changing the rest"):
        edits(PROPOSAL, pyproject=before)


def test_other_files_get_lines_and_keep_theirs() -> None:
    proposal = replace(PROPOSAL, ignored=("/.migrations_ops/",), tasks=True)
    made = edits(proposal, gitignore="*.pyc", tasks=None)
    lines = made[GITIGNORE].after.splitlines()
    assert lines[:2] == ["*.pyc", ""]
    assert lines[-1] == "/.migrations_ops/"
    compile(made[TASKS].after, TASKS, "exec")
    assert "namespace(__file__)" in made[TASKS].after
    assert TASKS not in edits(proposal, tasks="# theirs")
