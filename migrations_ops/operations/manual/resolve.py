"""Resolve: a database in which half of a revision stood is said to be whole again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from migrations_ops.analysis.schema_diff import (
    differences,
    in_brief,
    invalid_in_words,
    others_in_words,
)
from migrations_ops.backups.quality import row_of
from migrations_ops.backups.store import Shelf
from migrations_ops.journal.record import Report
from migrations_ops.model.errors import Refused
from migrations_ops.model.results import Backup, Finding, Fingerprint
from migrations_ops.operations.failure.recovery import recover, resolve_half_run
from migrations_ops.operations.locks import hold_locks
from migrations_ops.operations.manual.downgrade import change
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Work
from migrations_ops.operations.state import Standing, require_own, require_readable, stand
from migrations_ops.operations.upgrade import back_up
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.steps.step import orders_for


def resolve_environment(
    project: Project, environment: Environment, report: Report, *, applied: bool
) -> Finished:
    """Take a person's word for how a half applied revision was repaired, as far as it can be seen.

    :param applied: whether the whole revision is there now; else nothing of it is.
    """

    def body(work: Work) -> None:
        project.require_steps(environment)
        with hold_locks([project.database(environment)], "resolve", project.settings.wait):
            if resolve_half_run(work, environment, applied=applied):
                work.record.update(outcome="released")
                return
            recover(work, [environment])
            standing = stand(project, environment)
            require_readable(standing)
            require_own(standing)
            if not standing.look.begun:
                return
            before = None
            if applied:
                _stamp(work, standing)
            else:
                before = _require_as_before(work, standing)
            with work.record.step("resolve", environment.name) as step:
                _note(work, standing, "applied" if applied else "rolled back")
                step.note = _outcome(standing, applied=applied)
            if not applied:
                # Not before: a copy in which half of a revision stands is none to go back to.
                now = back_up(work, standing)
                _tell_rows(work, environment, before, now)
            work.record.update(outcome="released")

    return run_recorded(project, "resolve", environment.name, report, body)


def _outcome(standing: Standing, *, applied: bool) -> str:
    """Where the database stands now, in words."""
    told = []
    for name, direction in standing.look.begun.items():
        is_there = applied is (direction == "upgrade")
        told.append(f"{name} is {'whole' if is_there else 'gone'}")
    return ", ".join(told)


def _stamp(work: Work, standing: Standing) -> None:
    name, direction = list(standing.look.begun.items())[-1]
    to = name if direction == "upgrade" else (standing.history.parents[name] or ("base",))[0]
    wanted = standing.history.resolve(to, standing.look.revisions)
    work.record.update(from_=standing.look.revisions, to=wanted)
    change(work, standing, ["stamp", to], wanted)


@dataclass(frozen=True)
class _Before:
    """What the database was before the revision began, and the backup that tells it."""

    backup: str
    fingerprint: Fingerprint


def _require_as_before(work: Work, standing: Standing) -> _Before | None:
    """Compare the database with its newest backup from before; None where there is none.

    :raises Refused: something of the schema is not as it was before the revision began.
    """
    environment, database = standing.environment, standing.database
    shelf = Shelf.of(work.project.settings, environment)
    good = [backup for backup in shelf.backups() if row_of(backup) == "good"]
    if not good:
        return None
    with work.record.step("compare", environment.name) as step:
        before = _as_it_was(work, standing, good[-1], shelf.fingerprint(good[-1]))
        _, left = database.drop_invalid_indexes()
        now = database.fingerprint(environment.version_table)
        others = database.indexes_of_others()
        found = [*invalid_in_words(left), *differences(before, now, others)]
        if found:
            raise Refused(
                f"{environment.name} is not as it was before the revision began:"
                f" {in_brief(found)}.",
                untouched="Nothing was changed.",
                next="Undo that too, and try again; or put the backup back:"
                f" {Shelf.restore_command(environment.name, good[-1].name)}",
            )
        step.note = "; ".join(["the schema is as it was", *others_in_words(before, now, others)])
    return _Before(good[-1].name, before)


def _tell_rows(
    work: Work, environment: Environment, before: _Before | None, now: Backup | None
) -> None:
    """Tables whose rows are not as they were: nobody can tell who has changed them."""
    if before is None or now is None:
        return
    undo = "if the revision that failed has changed them, undo that before the next upgrade"
    was = before.fingerprint
    has = Shelf.of(work.project.settings, environment).fingerprint(now)
    if not was.sums:
        message = f"the rows of {environment.name} were not compared: {undo}"
        found = [Finding("rows-not-compared", "warning", message, environment.name)]
    else:
        found = [
            Finding(
                "changed-values",
                "warning",
                f"the rows of {table} are not as in {before.backup}: {undo}",
                table,
            )
            for table in was.rows
            if has.sums.get(table) != was.sums.get(table)
        ]
    work.record.add_findings(found)


def _as_it_was(work: Work, standing: Standing, backup: Backup, taken: Fingerprint) -> Fingerprint:
    """What the database was when the revision began: the backup, with the revisions between them.

    :raises Refused: these fail on a copy.
    """
    if set(taken.revisions) == set(standing.look.revisions):
        return taken
    environment = standing.environment
    place = work.scratch(f"resolve{standing.database.suffix}")
    scratch = standing.database.make_scratch(place, Path(backup.file))
    commands = [["upgrade", name] for name in standing.look.revisions]
    child = work.take_step(f"{environment.name}.resolve", environment, commands)
    try:
        for _ in commands:
            run = child.run(orders_for(work.project, environment, instead=scratch), last=False)
            if run.failure or run.refused:
                raise Refused(
                    f"The revisions since {backup.name} fail on a copy of it:"
                    f" {run.failure or run.refused}.",
                    untouched=f"{environment.name} was not touched.",
                    next=f"Put it back: {Shelf.restore_command(environment.name, backup.name)}",
                )
        return scratch.fingerprint(environment.version_table)
    finally:
        child.close()
        scratch.remove()


def _note(work: Work, standing: Standing, how: str) -> None:
    revisions = [{"revision": each} for each in standing.look.begun]
    standing.database.note(
        standing.environment.name,
        {"event": "resolved", "how": how, **work.facts, "revisions": revisions},
    )
