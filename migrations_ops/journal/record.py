"""The record of a task: a folder with release.json, written ahead of each step, and the logs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from migrations_ops.journal.marks import RECORD as RECORD
from migrations_ops.journal.marks import Mark, read_record
from migrations_ops.model.errors import ExitCode, OpsError
from migrations_ops.model.findings import Finding
from migrations_ops.model.results import Backup, Outcome, ReleaseResult, RevisionRun, StepResult
from migrations_ops.system.files import flush_folder, local_stamp, now, write_whole

LOOKING = frozenset({"preflight", "verify"})


class Report(Protocol):
    """Whoever shows progress while a task works."""

    def begin(self, step: str, environment: str) -> None:
        """A step begins."""

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        """What the step is doing now."""

    def end(self, result: StepResult, note: str) -> None:
        """The step has ended."""

    def finding(self, finding: Finding) -> None:
        """Something was found."""


@dataclass
class StepNotes:
    """What a step notes while it works, for its result."""

    argv: tuple[str, ...] = ()
    exit: int = 0
    outcome: str = "done"
    note: str = ""
    revisions: tuple[RevisionRun, ...] = ()

    def add_run(self, exit: int | None, revisions: Iterable[RevisionRun]) -> None:
        """Note how an Alembic command ended, and which revisions it ran."""
        self.exit = exit or 0
        self.revisions = (*self.revisions, *revisions)


class Record:
    """What a task has done so far. On disk it is never behind: each step is written ahead."""

    def __init__(self, releases: Path, task: str, environment: str, report: Report) -> None:
        self.task, self.report = task, report
        self._result = ReleaseResult(_free_id(releases), "nothing to do", environment)
        self.folder = releases / self._result.id
        self._finished = False
        self._kept = False
        self._under_way: dict[str, str] | None = None
        self._mark = Mark(releases, self._result.id)
        self._on_disk = False
        self._committed: list[str] = []
        self._commands: list[str] = []

    @property
    def result(self) -> ReleaseResult:
        return self._result

    def update(self, **changes: Any) -> None:
        """Change fields of the result."""
        self._result = replace(self._result, **changes)

    def add_backup(self, backup: Backup) -> None:
        self.update(backups=(*self._result.backups, backup.name))

    def add_findings(self, findings: list[Finding]) -> None:
        for finding in findings:
            self.report.finding(finding)
        self.update(findings=(*self._result.findings, *findings))

    def log(self, name: str) -> Path:
        """The file for what a child prints."""
        return self.folder / f"{name}.log"

    @contextmanager
    def step(self, name: str, environment: str, **about: str) -> Iterator[StepNotes]:
        """One step: written ahead as under way, then with its result, whatever that is.

        :param about: what whoever takes it up after a kill needs to know besides.
        """
        notes = StepNotes()
        # What only looks leaves no record: nothing to do, each hour, would fill a folder.
        self._kept = self._kept or name not in LOOKING
        begun, started = time.monotonic(), now()
        self.report.begin(name, environment)
        self._under_way = {"name": name, "environment": environment, "started": started, **about}
        self._write(ahead=True)
        try:
            yield notes
        except OpsError as error:
            notes.exit = notes.exit or error.exit_code
            notes.outcome = "refused" if error.exit_code == ExitCode.REFUSED else "failed"
            raise
        except KeyboardInterrupt:
            notes.exit, notes.outcome = ExitCode.INTERRUPTED, "interrupted"
            raise
        except BaseException:
            notes.exit, notes.outcome = ExitCode.NEEDS_A_PERSON, "failed"
            raise
        finally:
            seconds = round(time.monotonic() - begun, 3)
            result = StepResult(
                name, environment, notes.argv, started, seconds, notes.exit, notes.outcome,
                notes.revisions,
            )  # fmt: skip
            self.update(steps=(*self._result.steps, result))
            self._under_way = None
            self._write()
            self.report.end(result, notes.note)

    def finish(self, outcome: Outcome, error: OpsError | None = None) -> ReleaseResult:
        """Write the outcome; a record without one is an unfinished release."""
        self.update(outcome=outcome, error=None if error is None else error_document(error))
        self._finished = True
        self._kept = self._kept or error is not None
        finished = self._write(ahead=True)
        self._mark.take_away(finished=finished and not self._commands)
        return self._result

    def note_commit(self, environment: str) -> None:
        """Write down, before it happens, that part of an upgrade is committed on its own.

        Should everything be killed after that, the next task knows that there is something to
        put back, though the revision has not moved.
        """
        if environment not in self._committed:
            self._committed.append(environment)
            self._write(ahead=True)

    def note_commands(self, environment: str) -> None:
        """Write down that the project's own commands begin there: they commit as they like, and
        the revision may have moved long before the last of them has ended."""
        if environment not in self._commands:
            self._commands.append(environment)
            self._write(ahead=True)

    def end_commands(self, environment: str) -> None:
        """They came to their end, or nothing of them is left, or it is left to the next upgrade."""
        self._commands = [name for name in self._commands if name != environment]

    def _write(self, *, ahead: bool = False) -> bool:
        """Write the record; whether it could be written.

        :param ahead: the next thing happens only when this is on the disk, with its name. What
            is merely told of the past needs no such wait.
        """
        if not self._kept:
            return True
        document = {"task": self.task, "process": os.getpid(), **result_document(self._result)}
        if not self._finished:
            document |= {"outcome": None, "under_way": self._under_way}
        if self._committed:
            document["committed"] = self._committed
        if self._commands:
            document["commands"] = self._commands
        try:
            if not self._finished:
                self._mark.put_up()
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / RECORD, document)
            if ahead:
                flush_folder(self.folder)
            if not self._on_disk:
                flush_folder(self.folder.parent)
                self._on_disk = True
        except OSError as error:
            # The database counts, not the report: a full disk must not fail a release.
            self.report.progress(f"the record could not be written: {error.strerror}")
            return False
        return True


def error_document(error: OpsError) -> dict[str, Any]:
    """An error as JSON documents show it."""
    return {
        "exit": int(error.exit_code),
        "what": error.what,
        "untouched": error.untouched,
        "next": error.next,
    }


def result_document(result: ReleaseResult) -> dict[str, Any]:
    """The document of ``release-migration --json`` and of release.json."""
    document = asdict(result)
    error = document.pop("error")
    renamed = {name.rstrip("_"): value for name, value in document.items()}
    return renamed if error is None else renamed | {"error": error}


def _free_id(releases: Path) -> str:
    base = local_stamp()
    candidate, number = base, 1
    while (releases / candidate).exists():
        number += 1
        candidate = f"{base}_{number}"
    return candidate


def read_records(releases: Path) -> Iterator[dict[str, Any]]:
    """The records of the tasks that changed, or wanted to change, a database; newest first."""
    for file in _files(releases):
        document = read_record(file)
        if document is not None:
            yield document


def find_unreadable_records(releases: Path) -> list[Path]:
    """The records that tell nothing: cut short, written over, or not to be read."""
    return [file for file in _files(releases) if read_record(file) is None]


def _files(releases: Path) -> list[Path]:
    return sorted(releases.glob(f"*/{RECORD}"), reverse=True)
