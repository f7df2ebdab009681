"""Runs any Alembic command as a guarded step, for its output or for its changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from migrations_ops.databases.interface import Database
from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.model.plan import StepName
from migrations_ops.operations.advice import advice_without_database
from migrations_ops.operations.failure.reconcile import advice_after_refusal
from migrations_ops.operations.failure.recovery import recover
from migrations_ops.operations.failure.run_messages import advice_on_run, in_revision
from migrations_ops.operations.manual.change import change, not_understood
from migrations_ops.operations.preflight.state import require_whole
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session, listener
from migrations_ops.operations.state import locate, read_state_without_target
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for

_UNCHANGED = "No database was changed."
# The commands of Alembic that write to the database.
_CHANGING = frozenset({"upgrade", "downgrade", "stamp", "ensure_version"})


def run_alembic(
    project: Project, environment: Environment, arguments: list[str], reporter: Reporter
) -> tuple[Finished, str]:
    """Run any Alembic command as a guarded step; returns what it printed.

    A command that changes the database is preceded by a verified backup.
    """
    printed: list[str] = []

    def body(session: Session) -> None:
        if not changes_database(arguments):
            printed.append(print_alembic(session, environment, arguments))
            return
        project.require_startable(environment)
        with session.locked([environment]):
            recover(session, [environment])
            state = read_state_without_target(project, environment)
            if "stamp" not in arguments:
                require_whole(state)
            output = session.scratch("stdout.txt")
            try:
                change(session, state, arguments, name=StepName.ALEMBIC, stdout=output)
                printed.append(_read(output))
            finally:
                output.unlink(missing_ok=True)
            session.record.update(outcome="done")

    finished = run_recorded(project, "alembic", environment.name, reporter, body)
    return finished, "".join(printed)


def changes_database(arguments: Sequence[str]) -> bool:
    """Whether these arguments of Alembic write to the database."""
    return bool(_CHANGING & set(arguments)) and "--sql" not in arguments


def print_alembic(session: Session, environment: Environment, arguments: list[str]) -> str:
    """Run a command that changes no database, and return what it printed."""
    with _missing_file(session, environment) as scratch:
        return _print(session, environment, arguments, scratch)


@contextmanager
def _missing_file(session: Session, environment: Environment) -> Iterator[Database | None]:
    """An empty database in the place of a file that does not exist, which to open would create;
    None where there is one."""
    database = session.project.database(environment)
    if database.is_server or database.inspect(environment.version_table).exists:
        yield None
        return
    scratch = database.make_scratch(session.scratch(f"empty{database.suffix}"), None)
    try:
        yield scratch
    finally:
        scratch.remove()


def _print(
    session: Session, environment: Environment, arguments: list[str], scratch: Database | None
) -> str:
    output = session.scratch("stdout.txt")
    child = session.prestart.take(environment, StepName.ALEMBIC, (tuple(arguments),))
    try:
        instructions = instructions_for(
            session.project, environment, scratch=scratch, stdout=output
        )
        run = child.run(instructions, listener(session))
        if run.refused:
            raise Refused(
                f"alembic {arguments[0]} on {environment.name} was refused: {run.refused}.",
                untouched="Nothing was written.",
                next=run.next or advice_after_refusal(session, environment),
            )
        if run.misused:
            raise not_understood(environment, arguments, run)
        if run.failure:
            sentence = f"alembic {' '.join(arguments)} on {environment.name} failed"
            raise StepFailed(
                f"{sentence}{in_revision(run)}: {run.failure.removesuffix('.')}.",
                untouched=_UNCHANGED,
                next=_advice(session.project, environment, run),
            )
        if run.differences:
            raise Refused(
                f"The models and {environment.name} differ: {'; '.join(run.differences)}.",
                untouched=_UNCHANGED,
                next='For a revision that fixes it: invoke revision --message "..."',
            )
        return _read(output)
    finally:
        child.close()
        output.unlink(missing_ok=True)


def _advice(project: Project, environment: Environment, run: CommandRun) -> str:
    located = locate(project, environment)
    is_missing = located.database.is_server and not located.exists
    return advice_without_database(located) if is_missing else advice_on_run(run)


def _read(output: Path) -> str:
    return output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
