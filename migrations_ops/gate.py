"""The gate: a later environment takes only revisions that passed the earlier ones unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from migrations_ops.environments import Environment
from migrations_ops.errors import Refused
from migrations_ops.files import read_json, write_whole
from migrations_ops.project import Project
from migrations_ops.results import Finding
from migrations_ops.revisions import Revision
from migrations_ops.scripts import digest
from migrations_ops.status import Standing

FILE = "evidence.json"

_PASSED = "passed"


class Evidence:
    """Which revisions, by the hash of their sources, each environment passed."""

    def __init__(self, releases: Path) -> None:
        self._file = releases / FILE

    def passed(self, environment: Environment) -> dict[str, str]:
        """The noted hashes. What is damaged is no evidence, and keeps the gate closed."""
        found: Any = self._read()
        for key in (environment.name, _PASSED):
            found = found.get(key, {}) if isinstance(found, dict) else {}
        return dict(found) if isinstance(found, dict) else {}

    def note_passed(self, environment: Environment, revisions: Iterable[Revision]) -> None:
        """Verify found nothing wrong with a database that these sources made."""
        noted = {revision.revision: digest(revision) for revision in revisions}
        if not noted:
            return
        entry = {_PASSED: self.passed(environment) | noted}
        # A full disk must not fail an upgrade that is done: the gate stays closed for lack of
        # evidence, and verify opens it later.
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, self._read() | {environment.name: entry})

    def _read(self) -> dict[str, Any]:
        document = read_json(self._file)
        return document if isinstance(document, dict) else {}


def find_edited(standing: Standing) -> list[Finding]:
    """Revisions of a database whose sources are not those that it ran, or are gone."""
    history, look = standing.history, standing.look
    if not look.environment or history.unknown(look.revisions) or not history.complete:
        return []
    reached = history.ancestors(look.revisions)
    findings = []
    for name, source in standing.database.ledger().ran.items():
        revision = history.revisions.get(name)
        if revision is None:
            findings.append(_missing(name, standing.environment.name))
        elif name in reached and source not in (None, digest(revision)):
            findings.append(_edited(revision, standing.environment.name))
    return findings


def _missing(revision: str, name: str) -> Finding:
    message = f"revision {revision}, which {name} has run, is not among the scripts any more"
    return Finding("missing-revision", "error", message, revision)


def _edited(revision: Revision, name: str) -> Finding:
    back = revision.down[0] if revision.down else "base"
    message = (
        f"revision {revision.revision} was edited after {name} had run it: undo the edit, or take"
        f" the revision back (invoke downgrade --env {name} --to {back}) and upgrade again"
    )
    return Finding("edited-revision", "error", message, revision.file)


def require_passed(project: Project, environment: Environment, pending: Iterable[Revision]) -> None:
    """Let pending revisions through to an environment, or say which have to pass what first.

    :raises Refused: a revision has not passed an earlier environment in its present form.
    """
    evidence = Evidence(project.settings.releases)
    revisions = list(pending)
    for earlier in project.settings.before(environment):
        passed = evidence.passed(earlier)
        missing = [
            revision.revision
            for revision in revisions
            if passed.get(revision.revision) != digest(revision)
        ]
        stamped = project.database(earlier).ledger().stamped
        never_ran = [name for name in missing if name in stamped]
        if never_ran:
            raise Refused(
                f"{', '.join(never_ran)} was stamped in {earlier.name} and never ran there.",
                untouched=f"{environment.name} was not touched.",
                next=f"Go back before the stamp (invoke backups --env {earlier.name}), and upgrade"
                f" {earlier.name} instead.",
            )
        if missing:
            raise Refused(
                f"{environment.name} takes only what has passed {earlier.name}, and"
                f" {', '.join(missing)} has not, in its present form.",
                untouched=f"{environment.name} was not touched.",
                next=f"Type: invoke upgrade-{earlier.name} verify --env {earlier.name}"
                f" upgrade-{environment.name}",
            )
