"""Runs a command of the project's own under a watchdog, which ends it when this process dies."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from migrations_ops.project.interpreters import running_python
from migrations_ops.system import process


def run_watched(
    argv: Sequence[str],
    variables: Mapping[str, str],
    directory: Path,
    log: Path,
    *,
    timeout: float | None,
    text: str = "",
) -> tuple[int | None, str]:
    """Run a command to its end; what it prints goes to the log, without secrets.

    :param timeout: how long it may take, in seconds; None for any time.
    :param text: what it can read from its standard input.
    :returns: its exit code, and why it was not started or did not end by itself.
    """
    python = [str(running_python()), "-I", "-X", "utf8", str(process.WATCHDOG)]
    watchdog = process.start(python, variables, directory, log)
    try:
        program = find_program(argv[0], variables, directory) or argv[0]
        order = {"argv": [program, *argv[1:]], "timeout": timeout, "input": text}
        watchdog.say(json.dumps(order))
        answers = [json.loads(line) for line in watchdog.lines()]
    finally:
        watchdog.stop()
    killed: dict[str, Any] = {"exit": None, "reason": "its watchdog was killed"}
    answer = answers[0] if answers else killed
    return answer["exit"], answer.get("reason", "")


def find_program(name: str, variables: Mapping[str, str], directory: Path) -> str | None:
    """The file of a program, as the command finds it; None if there is none.

    It is looked up along the command's own PATH; Windows would search ours instead, and only for
    ``.exe``. A relative path counts from the command's folder, on every platform.
    """
    from shutil import which

    if os.path.dirname(name):
        return which(str(directory / name))
    return which(name, path=variables.get("PATH", os.defpath))


def ended(code: int | None) -> str:
    """How a command ended that was not successful, in words."""
    if code is not None and code < 0:
        return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
