"""A command of the project's own, in a real process: what it reads, and how it ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from migrations_ops.child.protocol import redaction
from migrations_ops.steps.watched_command import run_watched
from migrations_ops.system.variables import base_variables
from tests.support import wait_for


def run(
    folder: Path, code: str, timeout: float | None = None, text: str = ""
) -> tuple[object, str]:
    argv = [sys.executable, "-c", code]
    log = folder / "hook.log"
    return run_watched(argv, base_variables(), folder, log, timeout=timeout, text=text)


def test_it_reads_the_text_and_what_it_prints_goes_to_the_log_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    redaction.keep_secret_texts(["t0psecret"])
    code = "import sys; print(sys.stdin.read()); print('t0psecret', file=sys.stderr); sys.exit(3)"
    assert run(tmp_path, code, text='{"id": "é"}') == (3, "")
    log = tmp_path / "hook.log"
    wait_for(lambda: "***" in log.read_text(encoding="utf-8"))
    assert '{"id": "é"}' in log.read_text(encoding="utf-8")
    assert "t0psecret" not in log.read_text(encoding="utf-8")


def test_a_long_text_that_nobody_reads_blocks_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, "pass", text="x" * 5_000_000) == (0, "")


def test_it_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    _, reason = run(tmp_path, "import time; time.sleep(600)", timeout=0.2, text="x" * 5_000_000)
    assert "it took longer than the 0.2 seconds" in reason


def test_one_that_does_not_exist_is_a_reason(tmp_path: Path) -> None:
    log = tmp_path / "hook.log"
    code, reason = run_watched(["./nobody"], base_variables(), tmp_path, log, timeout=None)
    assert (code, "cannot be started" in reason) == (None, True)
