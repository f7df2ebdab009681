"""What is no plan is not released, and no advice leads to a file that somebody has written."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.cli.plan import PlanOutput, _write
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.operations.plan.plan_file import read_plan

SETTINGS: Any = SimpleNamespace(last=SimpleNamespace(name="prod"))
LONG = "a" * 300


def advised(file: Path) -> tuple[str, Path]:
    """What is said of a file that holds no plan, and the file that is advised instead."""
    with pytest.raises(ConfigurationError) as raised:
        read_plan(file, SETTINGS)
    words = shlex.split(raised.value.next)
    assert words[:-1] == ["Make", "one:", "invoke", "plan", "--env", "prod", "--output"]
    return raised.value.what, Path(words[-1])


@pytest.mark.parametrize("name", ["notes.md", "notes.json", "plan", "a b.json"])
def test_file_that_is_no_plan_is_not_to_be_replaced(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("mine")
    what, other = advised(file)
    assert what == f"The plan {file} is not a plan in JSON."
    assert other.parent == tmp_path
    assert other.suffix == ".json"
    assert not other.exists()
    PlanOutput.of(None, str(other), json=False)
    other.write_text("mine, too")
    assert advised(file)[1] not in (file, other)


def test_plan_that_is_missing_is_made_under_its_name(tmp_path: Path) -> None:
    assert advised(tmp_path / "p.json") == (
        f"The plan {tmp_path / 'p.json'} does not exist.",
        tmp_path / "p.json",
    )
    # By another ending it would not be JSON.
    assert advised(tmp_path / "p.txt")[1] == tmp_path / "p.json"


@pytest.mark.parametrize("name", [LONG, "b/" * 3000, "nowhere/p.json", "a\nb" + LONG])
def test_name_that_no_file_can_have_is_not_advised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    what, other = advised(tmp_path / name)
    assert other in (Path("plan.json"), tmp_path / "plan.json")
    assert len(what) < 200


@pytest.mark.parametrize("name", [LONG, "a" * 250, "b/" * 3000 + "c"])
def test_plan_is_not_measured_for_a_name_that_is_too_long(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"too long|no folder") as raised:
        PlanOutput.of(None, str(tmp_path / name), json=False)
    assert len(str(raised.value)) < 400


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_plan_replaces_nothing_but_a_plan(tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(link)
    for name, what in ((link, "a symbolic link"), (tmp_path, "a directory")):
        with pytest.raises(Refused, match=f"exists and is {what}"):
            PlanOutput.of(None, str(name), json=False)
    PlanOutput.of(None, str(file), json=False)
    file.write_text("somebody else's, meanwhile")
    with pytest.raises(Refused, match="is not a plan"):
        _write(file, "Plan of prod")
    assert file.read_text() == "somebody else's, meanwhile"


def test_a_script_in_another_form_is_refused_and_not_left_out() -> None:
    assert PlanOutput.of("sql", None, json=False, sql=True).form == "sql"
    assert PlanOutput.of(None, None, json=False, sql=True).form == "sql"
    with pytest.raises(ConfigurationError, match="'html'"):
        PlanOutput.of("html", None, json=False, sql=True)
