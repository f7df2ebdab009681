"""Scripts that must be executed to be read are asked of Alembic, in a process of its own."""

from __future__ import annotations

import pytest

from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.project.project import Project
from tests.contract.child.steps import R4, everything
from tests.support import R3, Sandbox

# A revision that says who it is only when it runs.
COMPUTED = '''"""Computed."""
import sqlite3

revision = "".join({revision})
down_revision = "{down}"
branch_labels = ("shop",)
{more}

def upgrade() -> None:
    pass
'''


def write_script(sandbox: Sandbox, more: str = "") -> None:
    script = COMPUTED.format(revision=list(R4), down=R3, more=more)
    sandbox.write(f"alembic/versions/{R4}.py", script)


def test_a_computed_revision_is_read_as_alembic_loads_it(filled: Sandbox) -> None:
    write_script(filled)
    project = Project.read(filled.folder)
    history = project.history(project.settings.environment("dev"))
    found = history.revisions[R4]
    assert (found.down, found.labels, found.message) == ((R3,), ("shop",), "Computed.")
    assert found.path.samefile(filled.folder / f"alembic/versions/{R4}.py")
    assert history.heads == (R4,)


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("raise LookupError('no settings')", "LookupError: no settings"),
        ("import sys; sys.exit(3)", "sys.exit(3)"),
        ("import os; os._exit(64)", "before Alembic had"),
        ("sqlite3.connect('data/repom/db.sqlite3')", "env.py opened the database of prod"),
    ],
)
def test_a_script_that_cannot_be_loaded_is_named(filled: Sandbox, code: str, what: str) -> None:
    before = everything(filled)
    write_script(filled, code)
    project = Project.read(filled.folder)
    with pytest.raises(Refused) as caught:
        project.history(project.settings.environment("dev"))
    assert what in caught.value.what
    assert caught.value.next.startswith(("Fix", "See the log"))
    assert everything(filled) == before


def test_an_interpreter_that_cannot_be_started_is_named(filled: Sandbox) -> None:
    write_script(filled)
    text = (filled.folder / "pyproject.toml").read_text(encoding="utf-8")
    prod = "[tool.migrations_ops.environments.prod]"
    filled.configure(text.replace(prod, f'python = "no-such-interpreter"\n\n{prod}'))
    project = Project.read(filled.folder)
    with pytest.raises(ConfigurationError, match="no-such-interpreter"):
        project.history(project.settings.environment("dev"))
