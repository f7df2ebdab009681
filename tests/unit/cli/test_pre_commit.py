"""The hook for pre-commit runs a command that there is."""

from __future__ import annotations

import shlex
import tomllib

from invoke.vendor import yaml

from tests.documents import flags_of_tasks
from tests.support import REPOSITORY


def test_the_hook_runs_the_console_script_with_a_flag_that_it_has() -> None:
    text = (REPOSITORY / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    [hook] = yaml.safe_load(text)  # type: ignore[no-untyped-call]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    script, task, flag = shlex.split(hook["entry"])
    assert script in project["scripts"]
    assert flag.removeprefix("--") in {each.name for each in flags_of_tasks()[task]}
    # pre-commit would add the names of the files that changed, which no task takes.
    assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    assert hook["id"] in (REPOSITORY / "docs/tasks.md").read_text(encoding="utf-8")
