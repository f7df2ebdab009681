"""Any Alembic command through the safe door: for its output, or for the file that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from migrations_ops.journal.record import Report
from migrations_ops.model.errors import ConfigurationError, Refused, StepFailed
from migrations_ops.model.results import Backup
from migrations_ops.model.text import see_env_py
from migrations_ops.operations.failure.decision import settle
from migrations_ops.operations.failure.messages import in_revision, what_next
from migrations_ops.operations.failure.recovery import recover
from migrations_ops.operations.locks import hold_locks
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Work
from migrations_ops.operations.state import (
    Standing,
    advice,
    cure_of_copy,
    locate,
    require_whole,
    stand,
    told_otherwise,
)
from migrations_ops.operations.upgrade import back_up, listener
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import History, Revision
from migrations_ops.steps.step import orders_for

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

    def body(work: Work) -> None:
        settings = project.settings
        if not changes_database(arguments):
            printed.append(_print_alembic(work, environment, arguments))
            return
        project.require_steps(environment)
        with hold_locks([project.database(environment)], "alembic", settings.wait):
            recover(work, [environment])
            standing = stand(project, environment)
            if "stamp" not in arguments:
                require_whole(standing)
            backup = back_up(work, standing)
            with work.record.step("alembic", environment.name) as step:
                printed.append(_print_alembic(work, environment, arguments, standing, backup))
                step.note = " ".join(arguments)
            work.record.update(outcome="released")

    finished = run_recorded(project, "alembic", environment.name, report, body)
    return finished, "".join(printed)


def changes_database(arguments: Sequence[str]) -> bool:
    """Whether these arguments of Alembic write to the database."""
    return bool(_CHANGING & set(arguments)) and "--sql" not in arguments


def _print_alembic(
    work: Work,
    environment: Environment,
    arguments: list[str],
    standing: Standing | None = None,
    backup: Backup | None = None,
) -> str:
    """Run it, and return what it printed.

    :param standing: where the database stood before a command that changes it.
    :param backup: from before that, to which it is put back if it cannot be rolled back.
    """
    output = work.scratch("stdout.txt")
    child = work.take_step(f"{environment.name}.alembic", environment, [arguments])
    try:
        facts = work.facts if changes_database(arguments) else None
        orders = orders_for(work.project, environment, stdout=output, facts=facts)
        run = child.run(orders, listener(work, environment))
        if run.refused:
            raise Refused(
                f"alembic {arguments[0]} on {environment.name} was refused: {run.refused}.",
                untouched="Nothing was written.",
                next=_next_after_refusal(work, environment),
            )
        if run.misused:
            raise ConfigurationError(
                f"Alembic does not understand {' '.join(arguments)!r}: {run.failure}.",
                next=f'Type: invoke alembic --env {environment.name} --args "--help"',
            )
        if run.failure:
            sentence = f"alembic {' '.join(arguments)} on {environment.name} failed"
            settled = f"{_UNCHANGED}."
            if standing is not None:
                child.close()
                settled = settle(work, standing, backup, sentence, force=child.committed, run=run)
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
        return output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    finally:
        child.close()
        output.unlink(missing_ok=True)


def _next_after_refusal(work: Work, environment: Environment) -> str:
    there = locate(work.project, environment)
    return cure_of_copy(there) if told_otherwise(there) else see_env_py(environment.name)


def write_sql(
    project: Project, environment: Environment, to: str | None, report: Report
) -> tuple[Finished, str]:
    """The SQL of the pending upgrade, without running it."""
    printed: list[str] = []

    def body(work: Work) -> None:
        standing = stand(project, environment, to)
        work.record.update(from_=standing.look.revisions, to=standing.target)
        if not standing.pending:
            return
        current = ",".join(standing.look.revisions) or "base"
        target = ",".join(standing.target)
        span = f"{current}:{target}"
        printed.append(_print_alembic(work, environment, ["upgrade", span, "--sql"]))

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

    def body(work: Work) -> None:
        if autogenerate:
            _require_comparable(stand(project, environment))
        before = set(project.history(environment).revisions)
        arguments = revision_arguments(message, rev_id, autogenerate=autogenerate)
        _print_alembic(work, environment, arguments)
        after: History = Project(project.settings).history(environment)
        written.extend(after.revisions[name] for name in after.revisions if name not in before)

    finished = run_recorded(project, "revision", environment.name, report, body)
    new = written[0] if written else None
    return finished, new, operations_of(new.path) if new else []


def revision_arguments(message: str, rev_id: str | None, *, autogenerate: bool) -> list[str]:
    """The arguments of ``alembic revision``."""
    arguments = ["revision", "-m", message]
    arguments += ["--autogenerate"] if autogenerate else []
    return [*arguments, "--rev-id", rev_id] if rev_id else arguments


def _require_comparable(standing: Standing) -> None:
    """:raises Refused: the models cannot be compared with this database, which is not at head."""
    # The first revision of a project is compared with a database that does not exist yet.
    nothing_yet = standing.state in ("missing", "empty") and not standing.history.revisions
    if standing.state != "at head" and not nothing_yet:
        name, label = standing.environment.name, standing.database.label
        raise Refused(
            f"The models are compared with {name} ({label}), which is {standing.state}.",
            untouched="No file was written.",
            next=f"{advice(standing)}; or add --empty to write the operations yourself.",
        )


def operations_of(file: Path) -> list[str]:
    """What the upgrade of a revision file does, a line each: ``add_column loans due``."""
    import ast

    lines = []
    for function in ast.parse(file.read_bytes()).body:
        if not isinstance(function, ast.FunctionDef) or function.name != "upgrade":
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in ("op", "batch_op"):
                    texts = [
                        str(part.value)
                        for part in node.args
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    ]
                    lines.append((node.lineno, " ".join([node.func.attr, *texts])))
    return [line for _, line in sorted(lines)]
