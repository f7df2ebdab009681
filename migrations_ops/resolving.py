"""Resolve: a database in which half of a revision stood is said to be whole again."""

from __future__ import annotations

from migrations_ops.backups import Shelf
from migrations_ops.environments import Environment
from migrations_ops.errors import Refused
from migrations_ops.half_applied import differences, in_brief
from migrations_ops.locks import hold_locks
from migrations_ops.moves import change
from migrations_ops.project import Project
from migrations_ops.records import Report
from migrations_ops.recovery import recover
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
            if applied:
                _stamp(work, standing)
            else:
                _require_as_before(work, standing)
                back_up(work, standing)
            with work.record.step("resolve", environment.name) as step:
                _note(work, standing, "applied" if applied else "rolled back")
                step.note = f"{', '.join(standing.look.begun)} is {_fate(applied)}"
            work.record.update(outcome="released")

    return run_recorded(project, "resolve", environment.name, report, body)


def _fate(applied: bool) -> str:
    return "whole" if applied else "gone"


def _stamp(work: Work, standing: Standing) -> None:
    begun = standing.look.begun
    wanted = standing.history.resolve(begun[-1], standing.look.revisions)
    work.record.update(from_=standing.look.revisions, to=wanted)
    change(work, standing, ["stamp", begun[-1]], wanted)


def _require_as_before(work: Work, standing: Standing) -> None:
    """:raises Refused: something is not as it was in the newest backup from before."""
    environment, database = standing.environment, standing.database
    shelf = Shelf.of(work.project.settings, environment)
    before = [
        each for each in shelf.backups() if set(each.revisions) == set(standing.look.revisions)
    ]
    if not before:
        return  # there is nothing to compare it with
    now = database.fingerprint(environment.version_table)
    found = differences(shelf.fingerprint(before[-1]), now)
    if found:
        raise Refused(
            f"{environment.name} is not as it was in {before[-1].name}: {in_brief(found)}.",
            untouched="Nothing was changed.",
            next="Undo that too, and try again; or put the backup back:"
            f" {Shelf.restore_command(environment.name, before[-1].name)}",
        )


def _note(work: Work, standing: Standing, how: str) -> None:
    revisions = [{"revision": each} for each in standing.look.begun]
    standing.database.note(
        standing.environment.name,
        {"event": "resolved", "how": how, **work.facts, "revisions": revisions},
    )
