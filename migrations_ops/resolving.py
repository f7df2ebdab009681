"""Resolve: a database in which half of a revision stood is said to be whole again."""

from __future__ import annotations

from pathlib import Path

from migrations_ops.alembic_steps import orders_for
from migrations_ops.backups import Shelf
from migrations_ops.doubts import row_of
from migrations_ops.environments import Environment
from migrations_ops.errors import Refused
from migrations_ops.half_applied import differences, in_brief
from migrations_ops.locks import hold_locks
from migrations_ops.moves import change
from migrations_ops.project import Project
from migrations_ops.records import Report
from migrations_ops.recovery import recover
from migrations_ops.results import Backup, Fingerprint
from migrations_ops.runs import Finished, run_recorded
from migrations_ops.status import Standing, require_own, require_readable, stand
from migrations_ops.upgrade import back_up
from migrations_ops.work import Work


def resolve_environment(
    project: Project, environment: Environment, report: Report, *, applied: bool
) -> Finished:
    """Take a person's word for how a half applied revision was repaired, as far as it can be seen.

    :param applied: whether the whole revision is there now; else nothing of it is.
    """

    def body(work: Work) -> None:
        project.require_steps(environment)
        with hold_locks([project.database(environment)], "resolve", project.settings.wait):
            recover(work, [environment])
            standing = stand(project, environment)
            require_readable(standing)
            require_own(standing)
            if not standing.look.begun:
                return
            unlike = ""
            if applied:
                _stamp(work, standing)
            else:
                unlike = _require_as_before(work, standing)
            with work.record.step("resolve", environment.name) as step:
                _note(work, standing, "applied" if applied else "rolled back")
                step.note = f"{', '.join(standing.look.begun)} is {_fate(applied)}{unlike}"
            work.record.update(outcome="released")

    return run_recorded(project, "resolve", environment.name, report, body)


def _fate(applied: bool) -> str:
    return "whole" if applied else "gone"


def _stamp(work: Work, standing: Standing) -> None:
    name, direction = list(standing.look.begun.items())[-1]
    to = name if direction == "upgrade" else (standing.history.parents[name] or ("base",))[0]
    wanted = standing.history.resolve(to, standing.look.revisions)
    work.record.update(from_=standing.look.revisions, to=wanted)
    change(work, standing, ["stamp", to], wanted)


def _require_as_before(work: Work, standing: Standing) -> str:
    """Compare the database with its newest backup from before, and back it up as it is now.

    :returns: which rows differ, in words: the application may have changed them, or the revision.
    :raises Refused: something of the schema is not as it was before the revision began.
    """
    environment, database = standing.environment, standing.database
    shelf = Shelf.of(work.project.settings, environment)
    good = [backup for backup in shelf.backups() if row_of(backup) == "good"]
    if not good:
        back_up(work, standing)
        return ""  # there is nothing to compare it with
    with work.record.step("compare", environment.name) as step:
        before = _as_it_was(work, standing, good[-1], shelf.fingerprint(good[-1]))
        found = differences(before, database.fingerprint(environment.version_table))
        if found:
            raise Refused(
                f"{environment.name} is not as it was before the revision began:"
                f" {in_brief(found)}.",
                untouched="Nothing was changed.",
                next="Undo that too, and try again; or put the backup back:"
                f" {Shelf.restore_command(environment.name, good[-1].name)}",
            )
        step.note = "the schema is as it was"
    now = back_up(work, standing)
    assert now is not None, "there is a database, and half a revision in it"
    return _unlike(before, shelf.fingerprint(now), good[-1].name)


def _unlike(before: Fingerprint, now: Fingerprint, backup: str) -> str:
    """Tables whose rows are not as they were, in words."""
    if not before.sums:
        return "; rows were not compared: undo what it did to them before the next upgrade"
    names = [name for name in before.rows if now.sums.get(name) != before.sums.get(name)]
    if not names:
        return ""
    return (
        f"; not as in {backup} are the rows of {in_brief(names)}: if it was that revision which"
        " changed them, undo that before the next upgrade"
    )


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
