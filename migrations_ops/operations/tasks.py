"""What the tasks of a release do: each a function of a project and a few words, each recorded."""

from __future__ import annotations

from migrations_ops.backups.store import Shelf
from migrations_ops.journal.record import Report
from migrations_ops.model.errors import Refused
from migrations_ops.model.results import Finding, VerifyReport
from migrations_ops.operations.failure.recovery import (
    overrule,
    recover,
    say_taken_up,
    settle_taken_up,
)
from migrations_ops.operations.locks import hold_locks
from migrations_ops.operations.obstacles import require_no_obstacles
from migrations_ops.operations.presence import committed_by, require_present, require_worth_keeping
from migrations_ops.operations.release import (
    Wish,
    promote,
    prune,
    release,
    require_readable_scripts,
    require_runnable,
    require_unedited,
    start_children_ahead,
)
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.room import require_room
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Work
from migrations_ops.operations.state import locate, require_readable, require_upgradable, stand
from migrations_ops.operations.upgrade import back_up
from migrations_ops.operations.verification import require_passed_verify, verify
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


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
    """A verified backup of each environment, then retention.

    One that has to be refused does not keep the others from theirs.
    """

    def body(work: Work) -> None:
        refused: list[Refused] = []
        for environment in environments:
            # Without a look at the scripts: whoever is in trouble with them needs a backup first.
            place = locate(project, environment)
            try:
                require_worth_keeping(project, place)
            except Refused as error:
                refused.append(error)
                continue
            with hold_locks([place.database], work.record.task, project.settings.wait):
                settle_taken_up(work, environment)
                _back_up(work, environment, note)
        if refused:
            raise refused[0]
        work.record.update(outcome="released")

    names = ", ".join(environment.name for environment in environments)
    return run_recorded(project, "backup", names, report, body)


def _back_up(work: Work, environment: Environment, note: str) -> None:
    """What a broken-off task has left half done is kept too, but not among the good ones."""
    doubt = committed_by(work.project, environment)
    backup = back_up(work, locate(work.project, environment), note, doubt)
    if backup is not None and backup.doubt:
        message = f"{backup.name} is kept apart, and is not the latest: {backup.doubt}"
        found = Finding("backup-in-doubt", "warning", message, environment.name)
        work.record.add_findings([found])
    prune(work, [environment])


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
                require_runnable(project, standing)
                require_upgradable(standing)
                require_present(work, standing)
                require_readable_scripts(standing)
                require_unedited(work, standing)
                if standing.pending:
                    require_no_obstacles(work, standing)
                require_room(project.settings, [standing])
                work.record.update(from_=standing.look.revisions, to=standing.target)
                count = len(standing.pending)
                step.note = f"{count} pending" if count else "at head, nothing to do"
            if standing.pending:
                start_children_ahead(work, wish, [standing])
                promote(work, wish, standing)
                prune(work, [environment])
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


def restore_environment(
    project: Project, environment: Environment, name: str, report: Report
) -> Finished:
    """Put a backup back, after a safety backup, and prove it."""

    def body(work: Work) -> None:
        database = project.database(environment)
        project.others(environment)
        with hold_locks([database], "restore", project.settings.wait):
            say_taken_up(work, environment)
            backup = Shelf.of(project.settings, environment).find(name)
            work.record.update(
                from_=database.look(environment.version_table).revisions, to=backup.revisions
            )
            restore_and_prove(work, environment, backup)
            overrule(work, environment)
            work.record.update(outcome="released")

    return run_recorded(project, "restore", environment.name, report, body)


def adopt_environment(project: Project, environment: Environment, report: Report) -> Finished:
    """Give a database that was copied a new identity: from now on it is this environment."""

    def body(work: Work) -> None:
        with hold_locks([project.database(environment)], "adopt", project.settings.wait):
            recover(work, [environment])
            place = locate(project, environment)
            require_readable(place)
            was = place.look.environment
            if was == environment.name:
                return
            back_up(work, place)
            with work.record.step("adopt", environment.name) as step:
                place.database.note(environment.name, adopt=True)
                step.note = f"it was {was}" if was else "it had no ledger"
            work.record.update(outcome="released")

    return run_recorded(project, "adopt", environment.name, report, body)
