"""Keeps the record of the running task, written ahead of each step, and shows its progress."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from migrations_ops.journal.ids import ids_in, new_id
from migrations_ops.journal.marks import Mark, marked
from migrations_ops.journal.record import RECORD, TaskRecord, UnderWay, write_record
from migrations_ops.journal.reserve import Reserve
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import ExitCode, OpsError
from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import ErrorReport, HookRun, Outcome, RevisionRun, StepResult
from migrations_ops.model.plan import StepName
from migrations_ops.system.files import flush_folder, now

# The steps that change nothing. A task of only these leaves no record unless it fails: an hourly
# verify would fill a folder.
READ_ONLY = frozenset({StepName.PREFLIGHT, StepName.VERIFY})


# No space is left, or no more of the user's quota.
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_SEVERITIES = ("error", "warning", "note")
# How often another id is chosen, if other tasks take it first.
_ATTEMPTS = 100


class Reporter(Protocol):
    """Shows progress while a task works."""

    def begin(self, step: str, environment: str) -> None:
        """A step begins."""

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        """What the step is doing now."""

    def expect(self, seconds: float) -> None:
        """How long the step will probably take."""

    def say(self, line: str) -> None:
        """Something to know at once."""

    def end(self, result: StepResult, summary: str) -> None:
        """The step has ended."""

    def finding(self, finding: Finding) -> None:
        """A check found something."""


@dataclass
class RunningStep:
    """Collects what a step reports while it runs, for its result."""

    argv: tuple[str, ...] = ()
    exit: int = 0
    outcome: str = "done"
    summary: str = ""
    revisions: tuple[RevisionRun, ...] = ()

    def add_run(self, exit: int | None, revisions: Iterable[RevisionRun]) -> None:
        """Add how an Alembic command ended, and which revisions it ran."""
        self.exit = exit or 0
        self.revisions = (*self.revisions, *revisions)


class Recorder:
    """Records what a task does. The record on disk is never behind: each step is written before it
    starts.

    ``result`` is what the task did so far; on disk it has no outcome until the task has ended.
    """

    def __init__(self, releases: Path, task: str, environment: str, reporter: Reporter) -> None:
        self.task, self.reporter = task, reporter
        self.result = TaskRecord(
            id=new_id(_used_ids(releases)),
            outcome="nothing to do",
            environment=environment,
            from_=(),
            to=(),
            steps=(),
            backups=(),
            findings=(),
            task=task,
            process=os.getpid(),
        )
        self.folder = releases / self.result.id
        self._finished = False
        self._is_recorded = False
        self._mark = Mark(releases, self.result.id)
        self._claimed = False
        self._reserve = Reserve(self.folder)
        self._on_disk = False

    def update(self, **changes: Any) -> None:
        """Change fields of the result."""
        self.result = replace(self.result, **changes)

    def add_backup(self, backup: Backup) -> None:
        if backup.name not in self.result.backups:
            self.update(backups=(*self.result.backups, backup.name))

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Add findings, and show them, what stops the task first."""
        findings = sorted(findings, key=lambda each: _SEVERITIES.index(each.severity))
        for finding in findings:
            self.reporter.finding(finding)
        self.update(findings=(*self.result.findings, *findings))

    def log(self, name: str) -> Path:
        """The file for what a child prints."""
        return self.folder / f"{name}.log"

    @contextmanager
    def step(
        self, name: StepName, environment: str, backup: str | None = None
    ) -> Iterator[RunningStep]:
        """One step: written as running before it starts, then with its result.

        :param backup: what a restore restores: after a kill, the task that finishes it needs this.
        """
        running = RunningStep()
        self._is_recorded = self._is_recorded or name not in READ_ONLY
        begun, started = time.monotonic(), now()
        self.reporter.begin(name, environment)
        self.update(under_way=UnderWay(name, environment, started, backup))
        self._write(ahead=True)
        try:
            yield running
        except OpsError as error:
            running.exit = running.exit or error.exit_code
            running.outcome = "refused" if error.exit_code == ExitCode.REFUSED else "failed"
            raise
        except KeyboardInterrupt:
            running.exit, running.outcome = ExitCode.INTERRUPTED, "interrupted"
            raise
        except BaseException:
            running.exit, running.outcome = ExitCode.NEEDS_A_PERSON, "failed"
            raise
        finally:
            seconds = round(time.monotonic() - begun, 3)
            result = StepResult(
                name, environment, running.argv, started, seconds, running.exit, running.outcome,
                running.revisions,
            )  # fmt: skip
            self.update(steps=(*self.result.steps, result), under_way=None)
            self._write()
            self.reporter.end(result, running.summary)

    def finish(self, outcome: Outcome | None, error: OpsError | None = None) -> TaskRecord:
        """Write the outcome; a record without one is an unfinished release."""
        self.update(outcome=outcome, error=None if error is None else ErrorReport.of(error))
        self._finished = True
        self._is_recorded = self._is_recorded or error is not None
        finished = self._write(ahead=True)
        self._mark.close_mark(finished=finished and not self.result.is_open)
        self._reserve.release()
        return self.result

    def record_partial_commit(self, environment: str) -> None:
        """Record, before it happens, that part of an upgrade is committed on its own.

        If everything is killed after that, the next task knows that there is something to restore,
        although the revision has not changed.

        :raises OSError: it cannot be recorded; then it must not happen.
        """
        if environment not in self.result.committed:
            self.update(committed=(*self.result.committed, environment))
            try:
                self._write_now()
            except OSError:
                self.update(committed=self.result.committed[:-1])
                raise

    def begin_commands(self, environment: str) -> None:
        """Record that the project's own commands start there: they can commit at any time, and the
        revision may have changed long before the last command ends.

        :raises OSError: it cannot be recorded; then they must not start.
        """
        if environment not in self.result.commands:
            self.update(commands=(*self.result.commands, environment))
            try:
                self._write_now()
            except OSError:
                self.end_commands(environment)
                raise

    def end_commands(self, environment: str) -> None:
        """Record that the commands finished, were undone, or are left to the next upgrade."""
        self.update(commands=tuple(each for each in self.result.commands if each != environment))

    def add_hook(self, run: HookRun) -> None:
        """Record a hook that has run, also after the end of the task."""
        self.update(hooks=(*self.result.hooks, run))
        self._write()

    @property
    def shown(self) -> TaskRecord:
        """The record as it is on disk: without an outcome until the task has ended."""
        return self.result if self._finished else replace(self.result, outcome=None)

    def _claim(self) -> None:
        """Make the id this task's own: another one that began in the same second may have it.

        :raises OSError: no mark can be created.
        """
        for _ in range(_ATTEMPTS):
            with suppress(FileExistsError):
                self._mark.create_mark()
                if not os.path.lexists(self.folder / RECORD):
                    self._claimed = True
                    return
                self._mark.close_mark(finished=True)  # the other one has ended already
            releases = self.folder.parent
            self.update(id=new_id(_used_ids(releases)))
            self.folder = releases / self.result.id
            self._mark = Mark(releases, self.result.id)
        raise FileExistsError(errno.EEXIST, "every id is taken")

    def _write(self, *, ahead: bool = False) -> bool:
        """Write the record; whether it could be written.

        :param ahead: whether to wait until it is on the disk under its name before continuing. A
            record that only describes the past needs no such wait.
        """
        if not self._is_recorded:
            return True
        try:
            self._write_now(ahead=ahead)
        except OSError as error:
            # The database counts, not the report: a full disk must not fail a release.
            self.reporter.progress(f"the record could not be written: {error.strerror}")
            return False
        return True

    def _write_now(self, *, ahead: bool = True) -> None:
        """:raises OSError: it cannot be written."""
        try:
            self._write_once(ahead=ahead)
        except OSError as error:
            if error.errno not in _FULL or not self._reserve.release():
                raise
            self._write_once(ahead=ahead)

    def _write_once(self, *, ahead: bool) -> None:
        if not self._finished and not self._claimed:
            self._claim()
        write_record(self.folder.parent, self.shown)
        if ahead:
            flush_folder(self.folder)
        if not self._on_disk:
            flush_folder(self.folder.parent)
            self._on_disk = True
            self._reserve = Reserve(self.folder)
            self._reserve.take()


def _used_ids(releases: Path) -> list[str]:
    return [*ids_in(releases), *marked(releases)]
