"""Tasks that cannot go well, and what they have to say."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support import Ran, Sandbox, dump

RELEASE = "release-migration --json"
STATUS = "status-all --json"
VERIFY = "verify --env prod --json"


_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


def content(file: Path) -> Any:
    """What is in a database; in whatever else has its name, the bytes."""
    if not file.is_file():
        return file.exists()
    try:
        return dump(file)
    except sqlite3.Error:
        return file.read_bytes()


def suffer(
    sandbox: Sandbox,
    task: str,
    code: int,
    *words: str,
    may_change: Path | None = None,
    variables: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> Ran:
    """Run a task that cannot go well, and hold what it says against the contract.

    :param may_change: a database that the task is allowed to have changed before it stopped.
    :param limit: no file may grow beyond so many bytes: a disk that fills up while it is used.
    """
    files = [file for file in (sandbox.dev, sandbox.prod) if file != may_change]
    before = [content(file) for file in files]
    argv = [sys.executable, "-m", "invoke", *task.split()]
    if limit is not None:
        argv = [sys.executable, "-c", _LIMITED, str(limit), *argv]
    ran = sandbox.run(*argv, cwd=None, **(variables or {}))
    assert [content(file) for file in files] == before
    assert ran.code == code, (ran.out, ran.err)
    assert "Traceback" not in ran.out + ran.err
    what, *more = error_lines(ran.err)
    for word in words:
        assert word in what, ran.err
    assert len(more) == 2, f"what is untouched, and what to do next: {ran.err}"
    if "--json" in task:
        document = ran.json
        if "passed" in document:
            assert document["passed"] is False
        else:
            assert document["error"] == {
                "exit": code, "what": what, "untouched": more[0], "next": more[1],
            }  # fmt: skip
    else:
        assert ran.out == ""
    return ran


def error_lines(err: str) -> list[str]:
    """The sentence that ends a task, and the lines that belong to it."""
    lines = err.splitlines()
    start = max(number for number, line in enumerate(lines) if line.startswith("✗ "))
    return [lines[start].removeprefix("✗ "), *(line.strip() for line in lines[start + 1 :])]


def row(ran: Ran, name: str = "prod") -> dict[str, Any]:
    """What status-all says of one environment."""
    rows: list[dict[str, Any]] = ran.json["environments"]
    return next(each for each in rows if each["name"] == name)
