"""What an earlier task left when it was killed: looked at, finished or undone, and recorded."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from migrations_ops.backups import Shelf
from migrations_ops.checks import first_error, verify
from migrations_ops.environments import Environment
from migrations_ops.errors import NeedsAPerson, StepFailed
from migrations_ops.files import read_json, write_whole
from migrations_ops.records import RECORD, read_records
from migrations_ops.restore import restore_and_prove
from migrations_ops.results import Backup
from migrations_ops.status import stand
from migrations_ops.work import Work


def recover(work: Work, environments: list[Environment]) -> None:
    """Close the unfinished records of these environments. Their locks must be held: whoever
    wrote such a record is gone.

    What the engine rolled back by itself needs nothing. An environment that was upgraded, but
    not verified any more, is verified now, and put back if it does not pass.

    :raises StepFailed: it did not pass, and was restored.
    :raises NeedsAPerson: it did not pass, and there is no backup to put back.
    """
    names = {environment.name: environment for environment in environments}
    for document in list(read_records(work.project.settings.releases)):
        touched = [name for name in _touched(document) if name in names]
        if document.get("outcome") is not None or not touched:
            continue
        with work.record.step("recover", ", ".join(touched)) as step:
            step.note = f"{document['task']} {document['id']} was broken off{_during(document)}"
        for name in touched:
            _finish_or_undo(work, names[name], document)
        _close(work, document)


def _touched(document: dict[str, Any]) -> list[str]:
    steps = [*document.get("steps", ()), document.get("under_way") or {}]
    changing = ("upgrade", "downgrade", "stamp", "restore", "verify", "back up", "rehearse")
    return list(
        dict.fromkeys(step["environment"] for step in steps if step.get("name") in changing)
    )


def _during(document: dict[str, Any]) -> str:
    step = document.get("under_way")
    return f" during {step['name']} of {step['environment']}" if step else ""


def _finish_or_undo(work: Work, environment: Environment, document: dict[str, Any]) -> None:
    standing = stand(work.project, environment)
    if set(standing.look.revisions) != set(document.get("to", ())) or standing.state != "at head":
        _undo_what_was_committed(work, environment, document)
        return
    report = verify(work, environment)
    if report.passed:
        return
    backup = _backup_of(work, environment, document)
    if backup is None:
        raise NeedsAPerson(
            f"{environment.name} was upgraded by {document['id']}, which was broken off, and does"
            f" not pass verify: {first_error(report)}.",
            untouched="It was not touched now.",
            next=f"See its backups: invoke backups --env {environment.name}",
        )
    if environment is work.project.settings.path[0]:
        return
    kept = restore_and_prove(work, environment, backup)
    _close(work, document)
    raise StepFailed(
        f"{environment.name} was upgraded by {document['id']}, which was broken off, and did not"
        f" pass verify: {first_error(report)}.",
        untouched=f"{environment.name} was restored from {backup.name} and proved equal to it;"
        f" {kept}.",
        next="Mend what verify names, and release again.",
    )


def _undo_what_was_committed(
    work: Work, environment: Environment, document: dict[str, Any]
) -> None:
    """Put back what an upgrade, broken off, had committed: nothing else rolls that back.

    :raises NeedsAPerson: there is no backup to put back.
    """
    backup = _backup_of(work, environment, document)
    if environment.name in document.get("committed", ()):
        if backup is None:
            raise NeedsAPerson(
                f"{document['id']} was broken off after it had committed a part of the upgrade of"
                f" {environment.name}, and there is no backup from before.",
                untouched="It was not touched now.",
                next=f"Look at it: invoke verify --env {environment.name}",
            )
        restore_and_prove(work, environment, backup)
        return
    under_way = document.get("under_way") or {}
    at_work = (under_way.get("name"), under_way.get("environment"))
    if environment.commands and backup is not None and at_work == ("upgrade", environment.name):
        before = Shelf.of(work.project.settings, environment).fingerprint(backup)
        now = work.project.database(environment).fingerprint(environment.version_table)
        if not now.structure_equals(before):
            restore_and_prove(work, environment, backup)


def _backup_of(work: Work, environment: Environment, document: dict[str, Any]) -> Backup | None:
    """The first backup of that environment that the task took: the one from before the upgrade."""
    named = document.get("backups", ())
    backups = Shelf.of(work.project.settings, environment).backups()
    return next((backup for backup in backups if backup.name in named), None)


def _close(work: Work, document: dict[str, Any]) -> None:
    """Give the record an outcome, and take away the scratch files beside it."""
    folder = work.project.settings.releases / document["id"]
    current = read_json(folder / RECORD) or document
    write_whole(folder / RECORD, current | {"outcome": "interrupted", "under_way": None})
    for pattern in ("rehearsal*", "stamp*", "*.part"):
        for leftover in folder.glob(pattern):
            with suppress(OSError):
                leftover.unlink()
