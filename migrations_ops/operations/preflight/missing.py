"""Refuses to recreate silently a protected database that has disappeared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from migrations_ops.backups.quality import is_empty
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import DatabaseFile
from migrations_ops.journal.evidence import FILE, Evidence
from migrations_ops.journal.record import read_records
from migrations_ops.model.allowed import MISSING, Consent
from migrations_ops.model.errors import Refused
from migrations_ops.model.outcome import DONE
from migrations_ops.model.plan import StepName
from migrations_ops.model.status import State
from migrations_ops.operations.preflight.lookalikes import find_lookalike
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.project.settings import Settings


def require_present(session: Session, state: DatabaseState) -> None:
    """Refuse to recreate silently a protected database that has disappeared.

    :raises Refused: it is missing or empty, and has backups or other traces; ``missing-database``
        allows it.
    """
    environment = state.environment
    if (
        not environment.protected
        or state.kind not in ("missing", "empty")
        or state.inspection.tables
    ):
        return
    if Consent(MISSING) in session.allowed(environment):
        return
    trace, way = _find_trace(
        session.project.settings, environment, state.database.label, state.kind
    )
    name = environment.name
    if not trace and (found := find_lookalike(session.project, state)):
        raise Refused(
            f"{name} ({state.database.label}) is {state.kind}, and {found}.",
            untouched="No database was touched.",
            next=f"If that is {name}, correct url in environments.{name}; or, to create a new one:"
            f" --allow {MISSING}",
        )
    if trace:
        raise Refused(
            f"{name} ({state.database.label}) is {state.kind}, and {trace}.",
            untouched="No database was touched.",
            next=f"{way}; or, to create a new one: --allow {MISSING}",
        )


def require_folders(session: Session, environments: Iterable[Environment]) -> None:
    """Refuse to make the folder of a protected database where another environment has a database:
    its URL may be mistyped. Before the lock, which lies in that folder and would make it.

    :raises Refused: it does not exist; ``missing-database`` allows it.
    """
    for environment in environments:
        database = session.project.database(environment)
        if (
            environment.protected
            and isinstance(database, DatabaseFile)
            and not database.folder.exists()
            and Consent(MISSING) not in session.allowed(environment)
            and _another_exists(session.project, environment)
            # What shows that it existed has a better answer; see require_present.
            and not _find_trace(session.project.settings, environment, database.label, "missing")[0]
        ):
            name = environment.name
            raise Refused(
                f"{name} ({database.label}) is missing, and so is the folder {database.folder}.",
                untouched="No database was touched, and no folder was made.",
                next=f"Correct url in environments.{name}; or, to create it there: --allow"
                f" {MISSING}",
            )


def _another_exists(project: Project, environment: Environment) -> bool:
    """Whether the project is not new."""
    return any(
        project.database(each).inspect(each.version_table).exists
        for each in project.settings.path_of(environment)
        if each.name != environment.name and project.knows_url(each)
    )


def _find_trace(
    settings: Settings, environment: Environment, label: str, kind: State
) -> tuple[str, str]:
    """A trace that shows that a database existed, and how to restore it; else empty."""
    store = BackupStore.of(settings, environment)
    sidecars = store.sidecars()
    # On a server it may have been made empty: a release that failed then left a copy of nothing.
    was_always_empty = kind == "empty" and bool(sidecars) and all(map(is_empty, sidecars))
    way = "" if was_always_empty else store.way_back()
    if way:
        newest = store.latest_sidecar() or sidecars[-1]
        if newest.database not in ("", label):
            # A restore would create a second, older database there.
            return (
                f"its backups are of {newest.database}: the newest is {newest.name}",
                f"Correct url in environments.{environment.name}; or, if the database has moved,"
                f" restore it: {way}",
            )
        return f"there are backups of it: the newest is {newest.name}", f"Restore it: {way}"
    if sidecars and not was_always_empty:
        return (
            f"there are backups of it, and none can be restored: {sidecars[-1].doubt}",
            f"Bring {sidecars[-1].name} back as it was, or {label} itself, and try again",
        )
    strays = store.strays()
    if strays:
        file, why = strays[-1]
        return (
            f"{file} looks like a backup of it, but {why}",
            f"If it is the right one, copy {store.folder / file} to {label} and type:"
            f" invoke verify --env {environment.name}",
        )
    trace = _find_in_journal(settings.releases, environment, by_backups=not was_always_empty)
    return trace, f"If it was moved or deleted, bring {label} back and try again"


def _find_in_journal(releases: Path, environment: Environment, *, by_backups: bool) -> str:
    """A record or evidence which shows that an environment had a database; else empty.

    :param by_backups: whether a backup is sufficient evidence.
    """
    for record in read_records(releases):
        for step in record.steps:
            if step.environment == environment.name:
                kind, outcome = step.name, step.outcome
                taken = kind == StepName.BACK_UP and outcome in ("verified", "reused")
                changed = kind in (StepName.UPGRADE, StepName.RESTORE) and record.outcome in DONE
                if (by_backups and taken) or changed:
                    return f"{record.title} found or filled it"
    if Evidence(releases).passed(environment):
        return f"{FILE} records revisions that it has passed"
    return ""
