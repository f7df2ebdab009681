"""Runs the hooks of a release: ``before`` its first change, and ``after`` or ``failed`` at its end.

A hook that fails is a warning: what it was to do is not worth a release, nor its way back.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from migrations_ops.child.protocol.redaction import redacted_document
from migrations_ops.journal.record import record_document
from migrations_ops.journal.recorder import READ_ONLY, Recorder
from migrations_ops.model.findings import HOOK_FAILED
from migrations_ops.model.outcome import HookOutcome, HookRun, StepResult
from migrations_ops.project.hooks import Moment
from migrations_ops.project.interpreters import running_python
from migrations_ops.project.settings import Settings
from migrations_ops.steps.watched_command import ended, run_watched
from migrations_ops.system.files import now
from migrations_ops.system.variables import base_variables


def run_first_hook(settings: Settings, record: Recorder) -> None:
    """Run ``before``, unless it has run already."""
    _run_hook(settings, record, "before")


def run_last_hook(settings: Settings, record: Recorder) -> None:
    """Run ``after`` a release that has arrived, or ``failed``.

    Neither runs after a release that had nothing to do, or that was refused before it did anything:
    one that waited in vain for another must not end a maintenance that the other has begun.
    """
    result = record.result
    if result.outcome == "released":
        _run_hook(settings, record, "after")
    elif result.error is not None and (
        result.hooks or any(step.name not in READ_ONLY for step in result.steps)
    ):
        _run_hook(settings, record, "failed")


def _run_hook(settings: Settings, record: Recorder, moment: Moment) -> None:
    argv = settings.hooks.argv(moment)
    if not argv or any(each.name == moment for each in record.result.hooks):
        return
    record.reporter.begin("hook", moment)
    log, started, begun = record.log(f"hook-{moment}"), now(), time.monotonic()
    code, reason = None, "was interrupted"
    outcome: HookOutcome = "interrupted"
    try:
        code, reason = _run(settings, argv, log, record)
        outcome = "failed" if reason else "done"
    finally:
        seconds = round(time.monotonic() - begun, 3)
        if reason:
            found = HOOK_FAILED.found(moment, command=argv[0], reason=reason, log=log)
            record.add_findings([found])
        record.add_hook(HookRun(moment, argv, started, seconds, code, outcome))
        shown = StepResult("hook", moment, argv, started, seconds, code or 0, outcome)
        record.reporter.end(shown, argv[0])


def _run(
    settings: Settings, argv: Sequence[str], log: Path, record: Recorder
) -> tuple[int | None, str]:
    """Run the command of a hook; returns its exit code, and why it failed, if it did."""
    hooks = settings.hooks
    passed = {name: os.environ.get(name, "") for name in hooks.passed_variables}
    if missing := [name for name, value in passed.items() if not value.strip()]:
        return None, f"was not started: the variable {missing[0]} of hooks.pass is not set"
    code, reason = run_watched(
        argv,
        hook_variables() | passed,
        settings.root,
        log,
        timeout=hooks.timeout,
        text=json.dumps(redacted_document(record_document(record.shown))),
    )
    if reason:
        return code, f"failed: {reason}"
    return code, ended(code) if code else ""


def hook_variables() -> dict[str, str]:
    """The variables of each hook, without those that the configuration passes on.

    What is installed beside our own interpreter, Invoke for instance, comes last in its PATH.
    """
    variables = base_variables()
    folders = [variables.get("PATH", os.defpath), str(running_python().parent)]
    return variables | {"PATH": os.pathsep.join(folders)}
