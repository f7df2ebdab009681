"""Runs the body of a task under a record, and turns whatever stops it into an outcome."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from migrations_ops.child.protocol.redaction import redacted
from migrations_ops.journal.old_records import prune_records
from migrations_ops.journal.recorder import Recorder, Reporter
from migrations_ops.journal.unfinished import find_interrupted
from migrations_ops.model.errors import (
    ExitCode,
    Interrupted,
    Memory,
    NeedsAPerson,
    OpsError,
    StepFailed,
)
from migrations_ops.model.outcome import Outcome, ReleaseResult
from migrations_ops.model.plan import CHANGING
from migrations_ops.model.text import os_error_in_words
from migrations_ops.operations.hooks import run_last_hook
from migrations_ops.operations.prune import prune_after_failure
from migrations_ops.operations.session import Session, open_session
from migrations_ops.project.project import Project
from migrations_ops.system.files import make_folder, open_own
from migrations_ops.system.provenance import provenance
from migrations_ops.system.signals import is_interrupt


@dataclass(frozen=True)
class Finished:
    """A task that has ended: its record, and what stopped it, if anything did."""

    result: ReleaseResult
    error: OpsError | None = None


def run_recorded(
    project: Project,
    task: str,
    environment: str,
    reporter: Reporter,
    body: Callable[[Session], None],
    *,
    allow: tuple[str, ...] = (),
    hooks: bool = False,
) -> Finished:
    """Run a task's body. Its errors are returned, not raised, together with the record of what was
    done.

    :param environment: the environment that the task is about, for the record.
    :param allow: finding codes that this run accepts.
    :param hooks: whether a hook of the project runs at its end.
    """
    record = Recorder(project.settings.releases, task, environment, reporter)
    record.update(by=provenance(project.settings.root))
    error: OpsError | None = None
    try:
        with open_session(project, record, allow) as session:
            error = _run(session, task, body)
    except KeyboardInterrupt:
        error = error or _interrupted_at_the_end(task)
    for database in project.opened_databases():
        record.add_findings(database.find_stuck_copies())
    outcome = record.result.outcome if error is None else _outcome(record, error)
    if isinstance(error, NeedsAPerson):
        _remember(project, record, error)

    def close() -> Finished:
        result = record.finish(outcome, error)
        if error is not None:
            prune_after_failure(project, result)
        prune_records(project.settings.releases, project.settings.backups)
        if hooks:
            # Last, with everything unlocked, ended and recorded: it may run any task.
            run_last_hook(project.settings, record)
        return Finished(record.result, error)

    try:
        return close()
    except KeyboardInterrupt:
        # Only the first one raises: this time it finishes.
        error = error or _interrupted_at_the_end(task)
        return close()


def _remember(project: Project, record: Recorder, error: NeedsAPerson) -> None:
    """Let the record remind later tasks of a database that needs a person.

    What nobody has decided about, the next task inspects.
    """
    if error.memory in (Memory.DATABASE, Memory.EVIDENCE):
        return
    known = _reminded_of(project)
    left = [each for each in error.unresolved if each.environment not in known]
    if error.memory is Memory.RECORD:
        record.update(unresolved=tuple(left))
        known |= {each.environment for each in left}
        left = []
    names = dict.fromkeys([*(each.environment for each in left), *_changed_in(record)])
    record.update(unfinished=tuple(name for name in names if name not in known))


def _reminded_of(project: Project) -> set[str]:
    """The environments of which an earlier record reminds already: it knows more."""
    older = find_interrupted(project.settings.releases)
    return {name for each in older for name in each.left_open}


def _changed_in(record: Recorder) -> list[str]:
    """The environments that were changed, and neither verified nor put back since."""
    changed: dict[str, None] = {}
    for step in record.result.steps:
        if step.outcome in ("passed", "proved equal"):
            changed.pop(step.environment, None)
        elif step.name in CHANGING:
            changed[step.environment] = None
    return list(changed)


def _run(session: Session, task: str, body: Callable[[Session], None]) -> OpsError | None:
    record = session.record
    try:
        body(session)
    except OpsError as stopped:
        return stopped
    except KeyboardInterrupt:
        return _interrupted(session, task)
    except OSError as failed:
        kind = NeedsAPerson if _changed_in(record) else StepFailed
        return kind(
            f"{task} failed{_during(record)}: {os_error_in_words(failed)}.",
            untouched=_untouched(session.project, record),
            next="Fix that and try again.",
        )
    except Exception as failed:
        if is_interrupt(failed):
            return _interrupted(session, task)
        return _internal_error(record, task, failed)
    return None


def _interrupted(session: Session, task: str) -> Interrupted:
    record = session.record
    return Interrupted(
        f"{task} was interrupted{_during(record)}.",
        untouched=_untouched(session.project, record),
        next="Run the same command again to continue.",
    )


def _untouched(project: Project, record: Recorder) -> str:
    """What is untouched after an error that no step has dealt with; the next task inspects what is
    not."""
    changed = _changed_in(record)
    if not changed:
        return "Every database is as it was before that step."
    known = _reminded_of(project)
    record.update(unfinished=tuple(name for name in changed if name not in known))
    return f"{' and '.join(changed)} may have changed: the next task inspects that first."


def _interrupted_at_the_end(task: str) -> Interrupted:
    return Interrupted(
        f"{task} was interrupted after it had finished.",
        untouched="Its work is done and recorded.",
        next="Type: invoke status-all",
    )


def _during(record: Recorder) -> str:
    steps = record.result.steps
    return f" during {steps[-1].name} of {steps[-1].environment}" if steps else ""


def _outcome(record: Recorder, error: OpsError) -> Outcome:
    match error.exit_code:
        case ExitCode.FAILED:
            restored = any(step.outcome == "proved equal" for step in record.result.steps)
            return "failed, restored" if restored else "failed, unchanged"
        case ExitCode.NEEDS_A_PERSON:
            return "failed, needs a person"
        case ExitCode.INTERRUPTED:
            return "interrupted"
    return "refused"


def _internal_error(record: Recorder, task: str, failed: Exception) -> OpsError:
    """An internal error: the traceback goes to a file, for a bug report."""
    file = record.folder / "traceback.txt"
    with suppress(OSError):
        make_folder(record.folder)
        with os.fdopen(open_own(file, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8") as stream:
            stream.write(redacted("".join(traceback.format_exception(failed))))
    reason = f"{type(failed).__name__}: {failed}"
    return NeedsAPerson(
        f"{task} stopped with an internal error{_during(record)}: {reason}.",
        untouched="To list the backups that it took: invoke backups",
        next=f"Type: invoke status-all; and please report {file}",
    )
