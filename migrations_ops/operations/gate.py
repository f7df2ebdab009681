"""The gate: a later environment accepts only revisions that passed the earlier ones unchanged."""

from __future__ import annotations

from collections.abc import Iterable

from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.errors import Refused
from migrations_ops.operations.edited_advice import advice_to_redo
from migrations_ops.operations.edited_revisions import find_edited, put_after, split_ancestors
from migrations_ops.operations.state import DatabaseState, read_state_without_target
from migrations_ops.operations.ways_back import redo_leads_on
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import is_unedited
from migrations_ops.revisions.source import has_downgrade


def require_evidence(
    project: Project, environment: Environment, pending: Iterable[Revision], to: str = ""
) -> None:
    """Let pending revisions through to an environment, or refuse with what must pass first.

    :param to: a chosen target, as ``DatabaseState.to_flag``.
    :raises Refused: a revision has not passed an earlier environment in its current form.
    """
    evidence = Evidence(project.settings.releases)
    revisions = list(pending)
    for earlier in project.settings.before(environment):
        passed = evidence.passed(earlier)
        missing = [
            revision.revision
            for revision in revisions
            if not is_unedited(revision, passed.get(revision.revision, "none"))
        ]
        stamped = project.database(earlier).ledger(earlier.version_table).stamped
        never_ran = [name for name in missing if name in stamped]
        if never_ran:
            raise Refused(
                f"{', '.join(never_ran)} was stamped in {earlier.name} and never ran there.",
                untouched=f"{environment.name} was not touched.",
                next=f"Go back before the stamp (invoke backups --env {earlier.name}), and upgrade"
                f" {earlier.name} instead.",
            )
        if missing:
            _require_run(project, earlier, environment, missing, to)
            obstacle = evidence.find_obstacle()
            first = (
                f"Nothing can be recorded, as {obstacle}. Fix that, then type"
                if obstacle
                else "Type"
            )
            raise Refused(
                f"{environment.name} accepts only what has passed {earlier.name}, and"
                f" {', '.join(missing)} has not, in its current form.",
                untouched=f"{environment.name} was not touched.",
                next=f"{first}: invoke {_calls(project, earlier, environment, to)}",
            )


def _calls(project: Project, earlier: Environment, environment: Environment, to: str) -> str:
    """The tasks by which an environment passes what a later one needs, and that has it."""
    if not to:
        verify = f"verify --env {earlier.name}"
        return f"upgrade-{earlier.name} {verify} upgrade-{environment.name}"
    # verify knows no other target than the configured one.
    if environment is project.settings.last:
        return f"release-migration{to}"
    return f"upgrade-{earlier.name}{to} upgrade-{environment.name}{to}"


def _require_run(
    project: Project,
    earlier: Environment,
    environment: Environment,
    missing: Iterable[str],
    to: str,
) -> None:
    """:raises Refused: a revision was put before what an earlier environment has run, or has run
    there in another form: no upgrade will run it there, whatever is allowed there."""
    state = read_state_without_target(project, earlier)
    if state.history.unknown(state.inspection.revisions):
        return
    holes = split_ancestors(state, state.ledger())[1]
    skipped = [name for name in holes if name in {*missing}]
    if skipped:
        raise Refused(
            f"{environment.name} accepts only what has passed {earlier.name}, and"
            f" {', '.join(skipped)} never ran there: it stands before what had.",
            untouched=f"{environment.name} was not touched.",
            next=_run_there(project, state, skipped, environment, to),
        )
    edited = [each.where for each in find_edited(state) if each.where in {*missing}]
    if edited and redo_leads_on(project):
        raise Refused(
            f"{environment.name} accepts only what has passed {earlier.name}, and"
            f" {', '.join(edited)} has run there in another form.",
            untouched=f"{environment.name} was not touched.",
            next=advice_to_redo(earlier.name, to),
        )


def _run_there(
    project: Project,
    state: DatabaseState,
    skipped: list[str],
    environment: Environment,
    to: str,
) -> str:
    """What lets a database run revisions that were put before what it has run."""
    name, history = state.environment.name, state.history
    if redo_leads_on(project):
        return advice_to_redo(name, to)
    after = put_after(history, skipped)
    below = history.revisions[skipped[0]].down
    if len(below) > 1 or not all(has_downgrade(history.revisions[each]) for each in skipped):
        return after
    # It was allowed, since what it does is there.
    return (
        f"If what {', '.join(skipped)} does is there, take {name} back, and run it: invoke"
        f" downgrade --env {name} --to {(*below, 'base')[0]}"
        f" {_calls(project, state.environment, environment, to)}; if not:"
        f" {after[0].lower()}{after[1:]}"
    )
