"""doctor finds what a release would stumble over."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import R3, Sandbox, dump


def codes(sandbox: Sandbox, **variables: str) -> tuple[int, dict[str, list[str]]]:
    """The exit code, and the environments or places of each code found."""
    ran = sandbox.invoke("doctor", "--json", cwd=None, **variables)
    found: dict[str, list[str]] = {}
    findings: list[dict[str, Any]] = ran.json["findings"]
    for finding in findings:
        found.setdefault(finding["code"], []).append(finding["where"])
    return ran.code, found


def test_a_sound_project_has_nothing_to_fix(filled: Sandbox) -> None:
    before = dump(filled.prod)
    assert codes(filled) == (0, {"state": ["dev", "prod"]})
    assert dump(filled.prod) == before
    assert not list(filled.folder.glob("data/repom/releases/doctor*"))


@pytest.mark.slow
def test_a_selector_in_the_shell_is_named(filled: Sandbox) -> None:
    assert codes(filled, EXEC_ENV="dev")[1]["selector-set"] == ["EXEC_ENV"]


def test_an_env_py_that_goes_elsewhere_is_named(filled: Sandbox) -> None:
    env = filled.folder / "alembic/env.py"
    env.write_text(env.read_text().replace('os.environ.get("EXEC_ENV", "prod")', '"prod"'))
    code, found = codes(filled)
    assert code == 1
    assert found["elsewhere"] == ["dev"]


@pytest.mark.slow
@pytest.mark.parametrize("template", ["generic", "pyproject"])
def test_what_alembic_init_makes_is_released_after_the_advice_alone(
    template: str, tmp_path: Path
) -> None:
    project = Sandbox(tmp_path)
    assert project.alembic("init", "-t", template, "alembic").code == 0
    tables = "".join(
        f'[tool.migrations_ops.environments.{name}]\nurl = "sqlite:///{name}.db"\n'
        for name in ("dev", "prod")
    )
    file = tmp_path / "pyproject.toml"
    file.write_text(f"{file.read_text() if file.exists() else ''}\n{tables}")
    tasks = "from migrations_ops.tasks import namespace\nns = namespace(__file__)\n"
    project.write("tasks.py", tasks)
    project.write("alembic/versions/r1.py", FIRST)
    for _ in ("dev", "prod"):
        stopped = project.invoke("doctor")
        assert stopped.code == 1
        advised = re.search(r"add to environments\.(\w+) in pyproject\.toml: ([^;]+)", stopped.err)
        assert advised is not None, stopped.err
        release = project.invoke("release-migration")
        assert advised[0] in release.err, release.err
        name, setting = advised.groups()
        url = f'url = "sqlite:///{name}.db"'
        file.write_text(file.read_text().replace(url, f"{url}\n{setting}"))
    assert project.invoke("doctor").code == 0
    assert project.invoke("release-migration").code == 0


FIRST = """
revision, down_revision = "r1", None

def upgrade():
    pass
"""


def test_an_env_py_that_fails_is_named_with_the_place(filled: Sandbox) -> None:
    env = filled.folder / "alembic/env.py"
    env.write_text(f"import no_such_module\n{env.read_text()}")
    code, found = codes(filled)
    assert code == 1
    assert all(place.endswith("env.py:1") for place in found["env-py-fails"])


@pytest.mark.slow
def test_a_revision_that_was_edited_after_it_ran_is_named_unless_it_is_allowed(
    filled: Sandbox,
) -> None:
    assert filled.invoke("upgrade-dev").code == 0
    file = filled.folder / "alembic/versions/r3_note.py"
    file.write_text(f"{file.read_text()}\nEDITED = True\n")
    code, found = codes(filled)
    assert (code, found["edited-revision"]) == (1, [R3])
    text = (filled.folder / "pyproject.toml").read_text()
    url = 'url = "sqlite:///data/repom/db.dev.sqlite3"'
    filled.configure(text.replace(url, f'{url}\nallow = ["edited-revision:{R3}"]'))
    code, found = codes(filled)
    assert (code, found["edited-revision"]) == (0, [R3])


@pytest.mark.slow
def test_an_interpreter_that_is_not_there_is_named(filled: Sandbox) -> None:
    text = (filled.folder / "pyproject.toml").read_text()
    url = 'url = "sqlite:///data/repom/db.sqlite3"'
    filled.configure(text.replace(url, f'{url}\npython = "{sys.prefix}/no/python"'))
    code, found = codes(filled)
    assert code == 1
    assert "prod" in found["unusable"]


@pytest.mark.slow
def test_a_folder_for_backups_that_cannot_be_used_is_named(filled: Sandbox) -> None:
    (filled.folder / "data/repom/backups").write_text("mine")
    code, found = codes(filled)
    assert code == 1
    assert found["unusable"] == ["dev", "prod"]
