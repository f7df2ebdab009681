"""Runs one Alembic command that changes a database, after a backup, and checks the resulting
version."""

from __future__ import annotations

from pathlib import Path

from migrations_ops.child.protocol.instructions import Instructions
from migrations_ops.model.errors import ConfigurationError, ExitCode, OpsError
from migrations_ops.model.plan import StepName
from migrations_ops.operations.backup import back_up
from migrations_ops.operations.failure import messages
from migrations_ops.operations.failure.observe import how_it_ended
from migrations_ops.operations.failure.reconcile import FailedRun, undo_failed_run
from migrations_ops.operations.failure.run_messages import revisions_in_words
from migrations_ops.operations.session import Session, listener
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.environments import Environment
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.own_commands import OwnCommandsStep


def change(
    session: Session,
    state: DatabaseState,
    command: list[str],
    *,
    name: StepName,
    wanted: tuple[str, ...] | None = None,
    stdout: Path | None = None,
) -> None:
    """Back up, run one Alembic command, and undo what it did if it fails.

    :param name: the name of the step.
    :param wanted: the version that it should reach; None if unknown.
    :param stdout: a file for its output.
    """
    environment, database = state.environment, state.database
    subject = f"{_what(command, name, wanted)} {environment.name}"
    backup = back_up(session, state)
    child = session.prestart.take(environment, name, (tuple(command),))
    run: CommandRun | None = None
    why = ""
    try:
        with session.record.step(name, environment.name) as step:
            step.argv = child.argv
            if isinstance(child, OwnCommandsStep):
                session.record.begin_commands(environment.name)
            instructions = _instructions(session, environment, stdout)
            run = child.run(instructions, listener(session, environment))
            step.add_run(run.exit, run.revisions)
            step.summary = _summary(run, command, wanted)
            why = run.refused or run.failure or _where_it_ended(state, wanted)
            if why:
                step.outcome, step.summary, step.exit = "failed", why, step.exit or ExitCode.FAILED
        if not why:
            session.record.end_commands(environment.name)
            session.warn_of_ledger(environment, run.ledger_failure)
            return
    except KeyboardInterrupt:
        # Also right after its end: a user who presses Ctrl-C does not want it to continue.
        run, why = child.latest, ""
    except (OpsError, OSError) as error:
        if child.latest is None:
            raise messages.as_step_failed(subject, error) from error
        run, why = child.latest, messages.reason_of(error)
    finally:
        child.close()
    if run is not None and run.misused and not child.has_committed:
        raise not_understood(environment, command, run)
    ended = how_it_ended(child, database, has_committed=child.has_committed)
    raise undo_failed_run(session, state, backup, FailedRun(subject, why, ended, run))


def _what(command: list[str], name: StepName, wanted: tuple[str, ...] | None) -> str:
    """What runs, for a message: ``the downgrade of``, or the command itself."""
    return f"the {name} of" if wanted is not None else " ".join(["alembic", *command, "on"])


def _instructions(session: Session, environment: Environment, stdout: Path | None) -> Instructions:
    entry, allow = session.ledger_facts, session.allowed(environment)
    return instructions_for(
        session.project, environment, ledger_entry=entry, stdout=stdout, allow=allow
    )


def _summary(run: CommandRun, command: list[str], wanted: tuple[str, ...] | None) -> str:
    if wanted is None:
        return " ".join(command)
    return revisions_in_words(run) if run.revisions else ", ".join(wanted)


def _where_it_ended(state: DatabaseState, wanted: tuple[str, ...] | None) -> str:
    """The reason if it reached another version than the wanted one; else empty."""
    now = state.database.inspect(state.environment.version_table).revisions
    if wanted is None or set(now) == set(wanted):
        return ""
    return f"it finished, but the database is at {', '.join(now) or 'base'}"


def not_understood(
    environment: Environment, command: list[str], run: CommandRun
) -> ConfigurationError:
    """The error for arguments that Alembic does not understand."""
    return ConfigurationError(
        f"Alembic does not understand {' '.join(command)!r}: {run.failure}.",
        next=f'Type: invoke alembic --env {environment.name} --args "--help"',
    )
