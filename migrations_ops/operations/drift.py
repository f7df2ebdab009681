"""Drift against the migrations: what was changed by hand since the last release of an environment.

The end of each upgrade records the schema, which it has read in any case. ``drift`` compares models
and database elsewhere (``verification.py``); here they are not asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from migrations_ops.analysis.drift import find_changed, keep_drift
from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.schemas import (
    read_recorded_schema,
    schema_file,
    write_recorded_schema,
)
from migrations_ops.model.backup import Backup
from migrations_ops.model.drift import ChangedObject, DriftReport, RecordedSchema
from migrations_ops.model.errors import OpsError, Refused, StepFailed
from migrations_ops.model.findings import (
    CHANGED_BY_HAND,
    EVIDENCE_NOT_WRITTEN,
    MORE_CHANGED_BY_HAND,
    Finding,
)
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.text import counted
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import (
    DatabaseState,
    LocatedDatabase,
    identity_mismatch,
    locate,
)
from migrations_ops.project.accepted_drift import AcceptedDrift
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project

SHOWN = 10
_LONGEST = 60


def record_schema(
    session: Session, state: DatabaseState, before: Fingerprint, after: Fingerprint
) -> None:
    """Record the schema that an upgrade left; a failure to write must not undo it.

    For other projects in the same database, whose environments have their own version tables, what
    the upgrade did is no drift either.

    :param before: from the backup.
    """
    project, name = session.project, state.environment.name
    releases, release = project.settings.releases, session.record.result.id
    earlier, schema = read_recorded_schema(releases, name), dict(after.schema)
    if earlier is not None and set(earlier.revisions) == set(before.revisions):
        schema = keep_drift(earlier.schema, before.schema, after.schema)
    _write(session, name, RecordedSchema(release, after.revisions, schema))
    for other in project.settings.path:
        if other is state.environment or not _is_the_same(project, other, state):
            continue
        if (recorded := read_recorded_schema(releases, other.name)) is not None:
            schema = keep_drift(recorded.schema, before.schema, after.schema)
            _write(session, other.name, RecordedSchema(release, recorded.revisions, schema))


def record_late(session: Session, state: DatabaseState, backup: Backup | None) -> None:
    """Record the schema that a killed task left, if it has not done so itself. It is unknown what
    was changed by hand where that cannot be read.

    :param backup: from before the upgrade.
    """
    settings, environment = session.project.settings, state.environment
    earlier = read_recorded_schema(settings.releases, environment.name)
    if earlier is not None and set(earlier.revisions) == set(state.inspection.revisions):
        return
    with suppress(OpsError):
        store = BackupStore.of(settings, environment)
        before = Fingerprint.EMPTY if backup is None else store.fingerprint(backup)
        record_schema(session, state, before, state.database.fingerprint(environment.version_table))


def _is_the_same(project: Project, other: Environment, state: DatabaseState) -> bool:
    return project.knows_url(other) and project.database(other) is state.database


def _write(session: Session, name: str, schema: RecordedSchema) -> None:
    releases = session.project.settings.releases
    if obstacle := write_recorded_schema(releases, name, schema):
        reason = f"{obstacle}: what is changed by hand in {name} will not be noticed"
        file = str(schema_file(releases, name))
        session.record.add_findings([EVIDENCE_NOT_WRITTEN.found(file, reason=reason)])


def read_drift(project: Project, environment: Environment) -> DriftReport:
    """What differs in one environment. Nothing is changed.

    :raises OpsError: the configuration, or the file of what is accepted, cannot be read.
    """
    return drift_of(project, locate(project, environment))


def try_drift(project: Project, environment: Environment) -> DriftReport:
    """As ``read_drift``; what cannot be read is its trouble."""
    try:
        return read_drift(project, environment)
    except OpsError as error:
        return DriftReport(environment.name, trouble=error.what.removesuffix("."))


def drift_of(project: Project, located: LocatedDatabase) -> DriftReport:
    """What differs in a database that has been inspected.

    :raises OpsError: the file of what is accepted cannot be read.
    """
    environment, name = located.environment, located.environment.name
    recorded = read_recorded_schema(project.settings.releases, name)
    if recorded is None:
        return DriftReport(name, trouble="no release has recorded its schema")
    report = DriftReport(name, recorded.release, recorded.revisions)
    if trouble := _why_unknown(located, recorded):
        return replace(report, trouble=trouble)
    try:
        now = located.database.read_schema(environment.version_table)
    except StepFailed as error:
        return replace(report, trouble=error.what.removesuffix("."))
    changed = find_changed(recorded.schema, now)
    return replace(report, changed=AcceptedDrift(project.settings).marked(name, changed))


def _why_unknown(located: LocatedDatabase, recorded: RecordedSchema) -> str:
    inspection = located.inspection
    if inspection.trouble or not inspection.exists:
        return inspection.trouble or "it does not exist"
    if mismatch := identity_mismatch(located):
        return mismatch
    if set(recorded.revisions) == set(inspection.revisions):
        return ""
    left, here = ", ".join(recorded.revisions), ", ".join(inspection.revisions)
    return f"release {recorded.release} left it at {left}, and it is at {here or 'no revision'}"


def find_drift(project: Project, located: LocatedDatabase) -> list[Finding]:
    """A finding for each change that is not accepted, up to ten, and one that counts the others;
    none where drift is off or unknown.

    :raises OpsError: the file of what is accepted cannot be read.
    """
    environment = located.environment
    if environment.drift == "off":
        return []
    report, strict = drift_of(project, located), environment.drift == "strict"
    found = [
        CHANGED_BY_HAND.found(
            each.name,
            strict=strict,
            kind=each.kind,
            environment=environment.name,
            fate=each.fate,
            release=report.release,
            detail=_detail(each),
        )
        for each in report.unaccepted[:SHOWN]
    ]
    if more := len(report.unaccepted) - len(found):
        found.append(MORE_CHANGED_BY_HAND.found(environment.name, strict=strict, more=more))
    return found


def _detail(changed: ChangedObject) -> str:
    """What it was and is; empty where that would say nothing, or too much."""
    texts = changed.was, changed.now
    if changed.fate != "changed" or any(len(text) > _LONGEST or "\n" in text for text in texts):
        return ""
    return f": it was {changed.was or 'plain'}, and is {changed.now or 'plain'}"


def require_no_drift(reports: Iterable[DriftReport]) -> None:
    """:raises Refused: something was changed by hand and is not accepted, or that is unknown."""
    reports = list(reports)
    if changed := [each for each in reports if each.unaccepted]:
        counts = (
            f"{counted(len(each.unaccepted), 'object')} of {each.environment}" for each in changed
        )
        name = changed[0].environment
        raise Refused(
            f"Changed by hand since the last release: {', '.join(counts)}.",
            untouched="The databases were only read.",
            next=f"Undo that; or, if it may stay, type: invoke drift --env {name} --accept",
        )
    if unknown := [each for each in reports if each.trouble]:
        name = unknown[0].environment
        raise Refused(
            f"It is unknown what was changed by hand in {name}: {unknown[0].trouble}.",
            untouched="It was only read.",
            next="The next release that has something to do there records the schema: invoke"
            " release-migration",
        )


def accept_drift(project: Project, environment: Environment) -> DriftReport:
    """Accept all that differs in one environment.

    :returns: what differs, as it is from now on.
    :raises Refused: that is unknown.
    :raises OpsError: the file of what is accepted cannot be read or written.
    """
    report = read_drift(project, environment)
    if report.trouble:
        require_no_drift([report])
    AcceptedDrift(project.settings).accept(environment.name, report.changed)
    return read_drift(project, environment)
