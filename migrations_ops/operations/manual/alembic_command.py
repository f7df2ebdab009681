"""Any Alembic command through the safe door: for its output, or for the file that it writes."""

from __future__ import annotations

from collections.abc import Sequence

from migrations_ops.journal.recorder import Report
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import ConfigurationError, Refused, StepFailed
from migrations_ops.model.plan import StepName
from migrations_ops.model.text import see_env_py
from migrations_ops.operations.advice import advice, cure_of_copy
from migrations_ops.operations.backup import back_up
from migrations_ops.operations.failure.decision import settle
from migrations_ops.operations.failure.messages import in_revision, what_next
from migrations_ops.operations.failure.recovery import recover
from migrations_ops.operations.locks import lock_databases
from migrations_ops.operations.preflight.state import require_whole
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session, listener
from migrations_ops.operations.state import DatabaseState, locate, other_identity, read_state
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.source import list_operations
from migrations_ops.steps.instructions import instructions_for

_UNCHANGED = "No database was changed"
# The commands of Alembic that write to the database.
_CHANGING = frozenset({"upgrade", "downgrade", "stamp", "ensure_version"})


def run_alembic(
    project: Project, environment: Environment, arguments: list[str], report: Report
) -> tuple[Finished, str]:
    """Any Alembic command through the safe door; returns what it printed.

    A command that changes the database is preceded by a verified backup.
    """
    printed: list[str] = []

    def body(session: Session) -> None:
        settings = project.settings
        if not changes_database(arguments):
            printed.append(_print_alembic(session, environment, arguments))
            return
        project.require_steps(environment)
        with lock_databases([project.database(environment)], "alembic", settings.wait):
            recover(session, [environment])
            state = read_state(project, environment)
            if "stamp" not in arguments:
                require_whole(state)
            backup = back_up(session, state)
            with session.record.step(StepName.ALEMBIC, environment.name) as step:
                printed.append(_print_alembic(session, environment, arguments, state, backup))
                step.note = " ".join(arguments)
            session.record.update(outcome="done")

    finished = run_recorded(project, "alembic", environment.name, report, body)
    return finished, "".join(printed)


def changes_database(arguments: Sequence[str]) -> bool:
    """Whether these arguments of Alembic write to the database."""
    return bool(_CHANGING & set(arguments)) and "--sql" not in arguments


def _print_alembic(
    session: Session,
    environment: Environment,
    arguments: list[str],
    state: DatabaseState | None = None,
    backup: Backup | None = None,
) -> str:
    """Run it, and return what it printed.

    :param standing: where the database stood before a command that changes it.
    :param backup: from before that, to which it is put back if it cannot be rolled back.
    """
    output = session.scratch("stdout.txt")
    child = session.prestart.take(f"{environment.name}.alembic", environment, (tuple(arguments),))
    try:
        facts = session.facts if changes_database(arguments) else None
        instructions = instructions_for(session.project, environment, stdout=output, facts=facts)
        run = child.run(instructions, listener(session, environment))
        if run.refused:
            raise Refused(
                f"alembic {arguments[0]} on {environment.name} was refused: {run.refused}.",
                untouched="Nothing was written.",
                next=_next_after_refusal(session, environment),
            )
        if run.misused:
            raise ConfigurationError(
                f"Alembic does not understand {' '.join(arguments)!r}: {run.failure}.",
                next=f'Type: invoke alembic --env {environment.name} --args "--help"',
            )
        if run.failure:
            sentence = f"alembic {' '.join(arguments)} on {environment.name} failed"
            settled = f"{_UNCHANGED}."
            if state is not None:
                child.close()
                settled = settle(session, state, backup, sentence, force=child.committed, run=run)
            raise StepFailed(
                f"{sentence}{in_revision(run)}: {run.failure.removesuffix('.')}.",
                untouched=settled,
                next=what_next(run),
            )
        if run.differences:
            raise Refused(
                f"The models and {environment.name} differ: {'; '.join(run.differences)}.",
                untouched=f"{_UNCHANGED}.",
                next='For a revision that mends it: invoke revision --message "..."',
            )
        session.warn_of_ledger(environment, run.ledger_failure)
        return output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    finally:
        child.close()
        output.unlink(missing_ok=True)


def _next_after_refusal(session: Session, environment: Environment) -> str:
    there = locate(session.project, environment)
    return cure_of_copy(there) if other_identity(there) else see_env_py(environment.name)


def write_sql(
    project: Project, environment: Environment, to: str | None, report: Report
) -> tuple[Finished, str]:
    """The SQL of the pending upgrade, without running it."""
    printed: list[str] = []

    def body(session: Session) -> None:
        state = read_state(project, environment, to)
        session.record.update(from_=state.look.revisions, to=state.target)
        if not state.pending:
            return
        current = ",".join(state.look.revisions) or "base"
        target = ",".join(state.target)
        span = f"{current}:{target}"
        printed.append(_print_alembic(session, environment, ["upgrade", span, "--sql"]))

    finished = run_recorded(project, f"upgrade-{environment.name}", environment.name, report, body)
    return finished, "".join(printed)


def create_revision(
    project: Project,
    message: str,
    report: Report,
    *,
    autogenerate: bool,
    rev_id: str | None,
) -> tuple[Finished, Revision | None, list[str]]:
    """Write a new revision file, compared with the first environment's database.

    :returns: the new revision, and the operations that it holds.
    """
    environment = project.settings.path[0]
    written: list[Revision] = []

    def body(session: Session) -> None:
        if autogenerate:
            _require_comparable(read_state(project, environment))
        before = set(project.history(environment).revisions)
        arguments = revision_arguments(message, rev_id, autogenerate=autogenerate)
        _print_alembic(session, environment, arguments)
        after: History = Project(project.settings).history(environment)
        written.extend(after.revisions[name] for name in after.revisions if name not in before)

    finished = run_recorded(project, "revision", environment.name, report, body)
    new = written[0] if written else None
    return finished, new, list_operations(new.path) if new else []


def revision_arguments(message: str, rev_id: str | None, *, autogenerate: bool) -> list[str]:
    """The arguments of ``alembic revision``."""
    arguments = ["revision", "-m", message]
    arguments += ["--autogenerate"] if autogenerate else []
    return [*arguments, "--rev-id", rev_id] if rev_id else arguments


def _require_comparable(state: DatabaseState) -> None:
    """:raises Refused: the models cannot be compared with this database, which is not at head."""
    # The first revision of a project is compared with a database that does not exist yet.
    nothing_yet = state.kind in ("missing", "empty") and not state.history.revisions
    if state.kind != "at head" and not nothing_yet:
        name, label = state.environment.name, state.database.label
        raise Refused(
            f"The models are compared with {name} ({label}), which is {state.kind}.",
            untouched="No file was written.",
            next=f"{advice(state)}; or add --empty to write the operations yourself.",
        )
