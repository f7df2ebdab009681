"""What the tasks of a release do: each a function of a project and a few words, each recorded."""

from __future__ import annotations

from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.record import Report
from migrations_ops.model.errors import Refused
from migrations_ops.model.findings import Finding
from migrations_ops.model.results import VerifyReport
from migrations_ops.operations.backup import back_up
from migrations_ops.operations.failure.recovery import (
    overrule,
    recover,
    report_resumed_restores,
    settle_taken_up,
)
from migrations_ops.operations.locks import lock_databases
from migrations_ops.operations.preflight.obstacles import require_no_obstacles
from migrations_ops.operations.preflight.presence import (
    committed_by,
    require_present,
    require_worth_keeping,
)
from migrations_ops.operations.preflight.room import require_room
from migrations_ops.operations.preflight.state import require_readable, require_upgradable
from migrations_ops.operations.release import (
    ReleaseOptions,
    promote,
    prune,
    release,
    require_readable_scripts,
    require_runnable,
    require_unedited,
    start_children_ahead,
)
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import locate, read_state
from migrations_ops.operations.verification import require_passed_verify, verify
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def release_all(
    project: Project, options: ReleaseOptions, report: Report, allow: tuple[str, ...]
) -> Finished:
    """The whole path, once."""
    return run_recorded(
        project,
        "release-migration",
        project.settings.serving.name,
        report,
        lambda session: release(session, options),
        allow=allow,
    )


def back_up_environments(
    project: Project, environments: list[Environment], note: str, report: Report
) -> Finished:
    """A verified backup of each environment, then retention.

    One that has to be refused does not keep the others from theirs.
    """

    def body(session: Session) -> None:
        refused: list[Refused] = []
        for environment in environments:
            # Without a look at the scripts: whoever is in trouble with them needs a backup first.
            place = locate(project, environment)
            try:
                require_worth_keeping(project, place)
            except Refused as error:
                refused.append(error)
                continue
            with lock_databases([place.database], session.record.task, project.settings.wait):
                settle_taken_up(session, environment)
                _back_up(session, environment, note)
        if refused:
            raise refused[0]
        session.record.update(outcome="released")

    names = ", ".join(environment.name for environment in environments)
    return run_recorded(project, "backup", names, report, body)


def _back_up(session: Session, environment: Environment, note: str) -> None:
    """What a broken-off task has left half done is kept too, but not among the good ones."""
    doubt = committed_by(session.project, environment)
    backup = back_up(session, locate(session.project, environment), note, doubt)
    if backup is not None and backup.doubt:
        message = f"{backup.name} is kept apart, and is not the latest: {backup.doubt}"
        found = Finding("backup-in-doubt", "warning", message, environment.name)
        session.record.add_findings([found])
    prune(session, [environment])


def upgrade_environment(
    project: Project,
    environment: Environment,
    options: ReleaseOptions,
    report: Report,
    allow: tuple[str, ...],
) -> Finished:
    """Back up and upgrade one environment; a later one of the path passes gate and rehearsal."""

    def body(session: Session) -> None:
        database = project.database(environment)
        with lock_databases([database], session.record.task, project.settings.wait):
            recover(session, [environment])
            with session.record.step("preflight", environment.name) as step:
                state = read_state(project, environment, options.to)
                require_runnable(project, state)
                require_upgradable(state)
                require_present(session, state)
                require_readable_scripts(state)
                require_unedited(session, state)
                if state.pending:
                    require_no_obstacles(session, state)
                require_room(project.settings, [state])
                session.record.update(from_=state.look.revisions, to=state.target)
                count = len(state.pending)
                step.note = f"{count} pending" if count else "at head, nothing to do"
            if state.pending:
                start_children_ahead(session, options, [state])
                promote(session, options, state)
                prune(session, [environment])
                session.record.update(outcome="released")

    task = f"upgrade-{environment.name}"
    return run_recorded(project, task, environment.name, report, body, allow=allow)


def verify_environment(
    project: Project, environment: Environment, report: Report
) -> tuple[Finished, VerifyReport | None]:
    """Check one environment; what it found comes back even when it failed."""
    found: list[VerifyReport] = []

    def body(session: Session) -> None:
        found.append(verify(session, environment))
        require_passed_verify(found[0])

    finished = run_recorded(project, "verify", environment.name, report, body)
    return finished, found[0] if found else None


def restore_environment(
    project: Project, environment: Environment, name: str, report: Report
) -> Finished:
    """Put a backup back, after a safety backup, and prove it."""

    def body(session: Session) -> None:
        database = project.database(environment)
        project.others(environment)
        with lock_databases([database], "restore", project.settings.wait):
            report_resumed_restores(session, environment)
            backup = BackupStore.of(project.settings, environment).find(name)
            session.record.update(
                from_=database.look(environment.version_table).revisions, to=backup.revisions
            )
            restore_and_prove(session, environment, backup)
            overrule(session, environment)
            session.record.update(outcome="released")

    return run_recorded(project, "restore", environment.name, report, body)


def adopt_environment(project: Project, environment: Environment, report: Report) -> Finished:
    """Give a database that was copied a new identity: from now on it is this environment."""

    def body(session: Session) -> None:
        with lock_databases([project.database(environment)], "adopt", project.settings.wait):
            recover(session, [environment])
            place = locate(project, environment)
            require_readable(place)
            was = place.look.environment
            if was == environment.name:
                return
            back_up(session, place)
            with session.record.step("adopt", environment.name) as step:
                place.database.note(environment.name, adopt=True)
                step.note = f"it was {was}" if was else "it had no ledger"
            session.record.update(outcome="released")

    return run_recorded(project, "adopt", environment.name, report, body)
