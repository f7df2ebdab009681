"""Stamp: puts an existing database under migration, if it is what a revision builds."""

from __future__ import annotations

from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.errors import Refused
from migrations_ops.model.plan import StepName
from migrations_ops.operations.advice import advice_on_destination
from migrations_ops.operations.failure.recovery import recover
from migrations_ops.operations.failure.run_messages import advice_on_run
from migrations_ops.operations.manual.change import change
from migrations_ops.operations.preflight.long_ids import require_fitting
from migrations_ops.operations.preflight.state import (
    require_own,
    require_readable,
)
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state_without_target
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for


def stamp_environment(
    project: Project, environment: Environment, to: str, reporter: Reporter
) -> Finished:
    """Put an existing database under migration, if it is what that revision builds."""

    def body(session: Session) -> None:
        project.require_startable(environment)
        with session.locked([environment]):
            recover(session, [environment])
            state = read_state_without_target(project, environment)
            require_readable(state)
            require_own(state)
            wanted = state.history.resolve(to)
            if sorted(wanted) == sorted(state.inspection.revisions):
                return
            session.record.update(from_=state.inspection.revisions, to=wanted)
            require_fitting(session, state, [state.history.revisions[each] for each in wanted])
            _require_built_like(session, state, to)
            gone = state.history.unknown(state.inspection.revisions)
            # Alembic looks up each row before it takes it away, unless they all go first.
            purge = ["--purge"] if gone or state.overlap else []
            change(session, state, ["stamp", *purge, to], name=StepName.STAMP, wanted=wanted)
            session.record.update(outcome="stamped")
            _record_gone(session, state)

    return run_recorded(project, "stamp", environment.name, reporter, body)


def _record_gone(session: Session, state: DatabaseState) -> None:
    """After a squash, the stamp replaces the revisions that ran and no longer have a script."""
    ledger, history = state.ledger(), state.history
    gone = [name for name in ledger.ran if name not in history.revisions]
    if not gone or not history.complete or not history.unknown(state.inspection.revisions):
        return
    revisions = [{"revision": each, "source_hash": ledger.ran[each]} for each in gone]
    session.add_to_ledger(state.environment, "unstamp", revisions)


def _require_built_like(session: Session, state: DatabaseState, to: str) -> None:
    """Build a scratch database up to that revision and compare the schemas.

    :raises Refused: they differ, or the revisions cannot build one from nothing.
    """
    environment = state.environment
    file = session.scratch(f"stamp{state.database.suffix}")
    built = state.database.make_scratch(file, None)
    with session.record.step(StepName.COMPARE, environment.name) as step:
        child = session.prestart.take(environment, StepName.COMPARE, (("upgrade", to),))
        try:
            run = child.run(instructions_for(session.project, environment, scratch=built))
            if run.failure or run.refused:
                raise Refused(
                    f"The revisions up to {to} "
                    f"cannot build a database from nothing, so {environment.name} cannot be"
                    f" compared: {run.failure or run.refused}.",
                    untouched=f"{environment.name} was not touched.",
                    next=_without_comparing(session.project, environment, to, run),
                )
            wanted = built.fingerprint(environment.version_table).schema
            has = state.database.fingerprint(environment.version_table).schema
            if state.inspection.shared:  # what else is there may belong to another project
                has = {key: has[key] for key in wanted if key in has}
            differing = sorted(
                dict.fromkeys(key for key, _ in set(wanted.items()) ^ set(has.items()))
            )
            if differing:
                more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
                raise Refused(
                    f"{environment.name} is not what {to} builds; these differ:"
                    f" {', '.join(differing[:5])}{more}.",
                    untouched=f"{environment.name} was not touched.",
                    next="Stamp the revision that describes it, or change the database first.",
                )
            step.summary = "the schema is what that revision builds"
        finally:
            child.close()
            built.remove()


def _without_comparing(project: Project, environment: Environment, to: str, run: CommandRun) -> str:
    """How to stamp without the comparison; not offered if this machine was unable to compare."""
    if run.refused:
        return advice_on_destination(project, environment)
    advice = advice_on_run(run)
    if not advice.startswith("Fix it"):
        return advice
    return f'{advice} If you are sure: invoke alembic --env {environment.name} --args "stamp {to}"'
