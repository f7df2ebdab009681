"""However a task ends, what it shows goes through the one exit for text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from invoke.exceptions import Exit

from migrations_ops.cli import task
from migrations_ops.cli.output.commands import CommandLine


@pytest.mark.parametrize("as_json", [False, True])
def test_an_error_of_our_own_is_shown_like_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    with (
        pytest.raises(Exit) as ended,
        task._console(tmp_path, json=as_json, line=CommandLine()),
    ):
        raise ValueError("\x1b[2J\n::error::mysql://me:s3cr3t@db")
    out, err = capsys.readouterr()
    assert ended.value.code == 1
    assert "ValueError: \\x1b[2J\n\\::error::mysql://me:***@db\n" in err
    assert "An internal error: ValueError: \\x1b[2J\\n::error::mysql://me:***@db." in err
    assert "\x1b" not in err
    assert json.loads(out)["error"]["exit"] == 1 if as_json else not out


def test_a_task_that_ends_by_itself_keeps_its_exit_code(tmp_path: Path) -> None:
    with (
        pytest.raises(Exit) as ended,
        task._console(tmp_path, json=False, line=CommandLine()),
    ):
        raise Exit(code=7)
    assert ended.value.code == 7
