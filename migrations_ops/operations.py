"""What the single tasks do: each a function of a project and a few words, each one recorded."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from migrations_ops.alembic_steps import CommandRun, orders_for
from migrations_ops.backups import Shelf
from migrations_ops.checks import require_passed_verify, verify
from migrations_ops.environments import Environment
from migrations_ops.errors import ExitCode, Interrupted, Refused, StepFailed
from migrations_ops.locks import hold_locks
from migrations_ops.project import Project
from migrations_ops.records import Report
from migrations_ops.recovery import recover
from migrations_ops.release import (
    Wish,
    promote,
    release,
    require_readable_scripts,
    require_unedited,
    unfinished_backups,
)
from migrations_ops.restore import restore_and_prove
from migrations_ops.results import VerifyReport
from migrations_ops.revisions import History
from migrations_ops.runs import Finished, run_recorded
from migrations_ops.status import Standing, require_upgradable, stand
from migrations_ops.upgrade import (
    back_up,
    in_revision,
    listener,
    place,
    revisions_in_words,
    settle,
)  # fmt: skip
from migrations_ops.work import Work


def release_all(project: Project, wish: Wish, report: Report, allow: tuple[str, ...]) -> Finished:
    """The whole path, once."""
    return run_recorded(
        project,
        "release-migration",
        project.settings.serving.name,
        report,
        lambda work: release(work, wish),
        allow=allow,
    )


def back_up_environments(
    project: Project, environments: list[Environment], note: str, report: Report
) -> Finished:
    """A verified backup of each environment, then retention."""

    def body(work: Work) -> None:
        for environment in environments:
            standing = _readable(work, environment)
            with hold_locks([standing.database], work.record.task, project.settings.wait):
                back_up(work, standing, note)
                shelf = Shelf.of(project.settings, environment)
                shelf.prune(needed=unfinished_backups(project.settings.releases))
        work.record.update(outcome="released")

    names = ", ".join(environment.name for environment in environments)
    return run_recorded(project, "backup", names, report, body)


def _readable(work: Work, environment: Environment) -> Standing:
    standing = stand(work.project, environment)
    if not standing.look.exists:
        raise Refused(
            f"{environment.name} has no database yet: {standing.database.label} does not exist.",
            untouched="Nothing was created.",
            next=f"Type: invoke upgrade-{environment.name}",
        )
    if standing.look.trouble:
        raise Refused(
            f"{environment.name} cannot be backed up: {standing.look.trouble}.",
            untouched="Nothing was changed.",
            next="invoke doctor tells more.",
        )
    return standing


def upgrade_environment(
    project: Project,
    environment: Environment,
    wish: Wish,
    report: Report,
    allow: tuple[str, ...],
) -> Finished:
    """Back up and upgrade one environment; a later one of the path passes gate and rehearsal."""

    def body(work: Work) -> None:
        database = project.database(environment)
        with hold_locks([database], work.record.task, project.settings.wait):
            recover(work, [environment])
            with work.record.step("preflight", environment.name) as step:
                standing = stand(project, environment, wish.to)
                project.variables(environment)
                require_upgradable(standing)
                require_readable_scripts(standing)
                require_unedited(work, standing)
                work.record.update(from_=standing.look.revisions, to=standing.target)
                count = len(standing.pending)
                step.note = f"{count} pending" if count else "at head, nothing to do"
            if standing.pending:
                promote(work, wish, standing)
                shelf = Shelf.of(project.settings, environment)
                shelf.prune(needed=unfinished_backups(project.settings.releases))
                work.record.update(outcome="released")

    task = f"upgrade-{environment.name}"
    return run_recorded(project, task, environment.name, report, body, allow=allow)


def verify_environment(
    project: Project, environment: Environment, report: Report
) -> tuple[Finished, VerifyReport | None]:
    """Check one environment; what it found comes back even when it failed."""
    found: list[VerifyReport] = []

    def body(work: Work) -> None:
        found.append(verify(work, environment))
        require_passed_verify(found[0])

    finished = run_recorded(project, "verify", environment.name, report, body)
    return finished, found[0] if found else None


def downgrade_environment(
    project: Project, environment: Environment, to: str, report: Report
) -> Finished:
    """Back up, then take revisions back."""

    def body(work: Work) -> None:
        with hold_locks([project.database(environment)], "downgrade", project.settings.wait):
            standing = _readable(work, environment)
            require_upgradable(standing)
            reverting = standing.history.reverting(standing.look.revisions, to)
            if not reverting:
                return
            wanted = _left_after(standing, [revision.revision for revision in reverting])
            work.record.update(from_=standing.look.revisions, to=wanted)
            _change(work, standing, ["downgrade", to], wanted)

    return run_recorded(project, "downgrade", environment.name, report, body)


def _left_after(standing: Standing, reverted: list[str]) -> tuple[str, ...]:
    """What the version table holds when these revisions are gone."""
    history = standing.history
    left = history.ancestors(standing.look.revisions) - set(reverted)
    inner = {parent for name in left for parent in history.parents[name]}
    return tuple(sorted(left - inner))


def stamp_environment(
    project: Project, environment: Environment, to: str, report: Report
) -> Finished:
    """Put an existing database under migration, if it is what that revision builds."""

    def body(work: Work) -> None:
        with hold_locks([project.database(environment)], "stamp", project.settings.wait):
            standing = _readable(work, environment)
            wanted = standing.history.resolve(to)
            if set(wanted) == set(standing.look.revisions):
                return
            work.record.update(from_=standing.look.revisions, to=wanted)
            _require_built_like(work, standing, to)
            _change(work, standing, ["stamp", to], wanted)

    return run_recorded(project, "stamp", environment.name, report, body)


def _require_built_like(work: Work, standing: Standing, to: str) -> None:
    """Build a scratch database up to that revision and compare the schemas.

    :raises Refused: they differ, or the revisions cannot build one from nothing.
    """
    environment = standing.environment
    scratch = work.scratch(f"stamp{standing.database.suffix}")
    built = standing.database.open_scratch(scratch)
    with work.record.step("compare", environment.name) as step:
        child = work.take_step(f"{environment.name}.stamp-compare", environment, [["upgrade", to]])
        try:
            run = child.run(orders_for(work.project, environment, instead=scratch))
            if run.failure or run.refused:
                raise Refused(
                    f"The revisions up to {to} cannot build an empty database, so that"
                    f" {environment.name} cannot be compared: {run.failure or run.refused}.",
                    untouched=f"{environment.name} was not touched.",
                    next="If you are sure, type: invoke alembic"
                    f' --env {environment.name} --args "stamp {to}"',
                )
            wanted = built.fingerprint(environment.version_table).schema
            has = standing.database.fingerprint(environment.version_table).schema
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
            step.note = "the schema is what that revision builds"
        finally:
            child.close()
            built.remove()


def _change(work: Work, standing: Standing, command: list[str], wanted: tuple[str, ...]) -> None:
    """Back up, run one Alembic command, and prove where it ended."""
    environment = standing.environment
    backup = back_up(work, standing)
    child = work.take_step(f"{environment.name}.{command[0]}", environment, [command])
    run: CommandRun | None = None
    failure = "it was interrupted"
    with suppress(KeyboardInterrupt), work.record.step(command[0], environment.name) as step:
        step.argv = child.argv
        run = child.run(orders_for(work.project, environment), listener(work))
        step.take(run)
        step.note = revisions_in_words(run) if run.revisions else ", ".join(wanted)
        look = standing.database.look(environment.version_table)
        failure = run.refused or run.failure
        if not failure and set(look.revisions) != set(wanted):
            stands = ", ".join(look.revisions) or "base"
            failure = f"it ran to its end, but the database stands at {stands}"
        if failure:
            step.outcome, step.exit = "failed", step.exit or ExitCode.FAILED
    if not failure:
        work.record.update(outcome="released")
        return
    child.close()
    settled = settle(work, standing, backup, f"the {command[0]} of {environment.name} failed")
    sentence = f"The {command[0]} of {environment.name}"
    if run is None:
        raise Interrupted(f"{sentence} was interrupted.", untouched=settled)
    if run.refused:
        raise Refused(f"{sentence} was refused: {run.refused}.", untouched=settled)
    raise StepFailed(
        f"{sentence} failed{in_revision(run)}: {failure}.",
        untouched=settled,
        next=f"Mend it and try again{place(run)}.",
    )


def restore_environment(
    project: Project, environment: Environment, name: str, report: Report
) -> Finished:
    """Put a backup back, after a safety backup, and prove it."""

    def body(work: Work) -> None:
        database = project.database(environment)
        with hold_locks([database], "restore", project.settings.wait):
            backup = Shelf.of(project.settings, environment).find(name)
            work.record.update(
                from_=database.look(environment.version_table).revisions, to=backup.revisions
            )
            restore_and_prove(work, environment, backup)
            work.record.update(outcome="released")

    return run_recorded(project, "restore", environment.name, report, body)


def run_alembic(
    project: Project, environment: Environment, arguments: list[str], report: Report
) -> tuple[Finished, str]:
    """Any Alembic command through the safe door; returns what it printed.

    A command that changes the database is preceded by a verified backup.
    """
    printed: list[str] = []

    def body(work: Work) -> None:
        settings = project.settings
        changes = bool({"upgrade", "downgrade", "stamp"} & set(arguments))
        if not changes or "--sql" in arguments:
            printed.append(_print_alembic(work, environment, arguments))
            return
        with hold_locks([project.database(environment)], "alembic", settings.wait):
            standing = stand(project, environment)
            back_up(work, standing)
            printed.append(_print_alembic(work, environment, arguments))
            work.record.update(outcome="released")

    finished = run_recorded(project, "alembic", environment.name, report, body)
    return finished, "".join(printed)


def _print_alembic(work: Work, environment: Environment, arguments: list[str]) -> str:
    output = work.scratch("stdout.txt")
    child = work.take_step(f"{environment.name}.alembic", environment, [arguments])
    try:
        run = child.run(orders_for(work.project, environment, stdout=output), listener(work))
        if run.refused:
            raise Refused(
                f"alembic {arguments[0]} on {environment.name} was refused: {run.refused}.",
                untouched="Nothing was written.",
            )
        if run.failure:
            raise StepFailed(
                f"alembic {' '.join(arguments)} on {environment.name} failed"
                f"{in_revision(run)}: {run.failure}.",
                untouched="The transaction was rolled back.",
                next=f"Mend it and try again{place(run)}.",
            )
        return output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    finally:
        child.close()
        output.unlink(missing_ok=True)


def write_sql(
    project: Project, environment: Environment, to: str | None, report: Report
) -> tuple[Finished, str]:
    """The SQL of the pending upgrade, without running it."""
    printed: list[str] = []

    def body(work: Work) -> None:
        standing = stand(project, environment, to)
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
) -> tuple[Finished, Path | None, list[str]]:
    """Write a new revision file, compared with the first environment's database.

    :returns: the new file, and the operations that it holds.
    """
    environment = project.settings.path[0]
    written: list[Path] = []

    def body(work: Work) -> None:
        before = set(project.history(environment).revisions)
        arguments = ["revision", "-m", message]
        arguments += ["--autogenerate"] if autogenerate else []
        arguments += ["--rev-id", rev_id] if rev_id else []
        _print_alembic(work, environment, arguments)
        after: History = Project(project.settings).history(environment)
        written.extend(after.revisions[name].path for name in after.revisions if name not in before)

    finished = run_recorded(project, "revision", environment.name, report, body)
    file = written[0] if written else None
    return finished, file, operations_of(file) if file else []


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
