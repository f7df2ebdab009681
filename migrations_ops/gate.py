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

_KINDS = ("applied", "passed", "stamped")
# What a later note of the same revision takes back.
_CONTRADICTED = {"applied": ("stamped",), "stamped": ("applied", "passed")}


class Evidence:
    """Which revisions, by the hash of their sources, each environment applied and passed."""

    def __init__(self, releases: Path) -> None:
        self._file = releases / FILE

    def applied(self, environment: Environment) -> dict[str, str]:
        return self._entry(self._read(), environment, "applied")

    def passed(self, environment: Environment) -> dict[str, str]:
        return self._entry(self._read(), environment, "passed")

    def note_applied(self, environment: Environment, revisions: Iterable[Revision]) -> None:
        """An upgrade has run these sources."""
        self._note(environment, "applied", revisions)

    def stamped(self, environment: Environment) -> dict[str, str]:
        return self._entry(self._read(), environment, "stamped")

    def note_stamped(self, environment: Environment, revisions: Iterable[Revision]) -> None:
        """These stand in the version table, and never ran: they do not count for the gate."""
        self._note(environment, "stamped", revisions)

    def note_passed(self, environment: Environment, revisions: Iterable[Revision]) -> None:
        """Verify found nothing wrong with a database that these sources made."""
        self._note(environment, "passed", revisions)

    def _read(self) -> dict[str, Any]:
        document = read_json(self._file)
        return document if isinstance(document, dict) else {}

    def _entry(
        self, document: dict[str, Any], environment: Environment, kind: str
    ) -> dict[str, str]:
        """The noted hashes. What is damaged is no evidence, and keeps the gate closed."""
        for key in (environment.name, kind):
            document = document.get(key, {})
            if not isinstance(document, dict):
                return {}
        return dict(document)

    def _note(self, environment: Environment, kind: str, revisions: Iterable[Revision]) -> None:
        noted = {revision.revision: digest(revision) for revision in revisions}
        if not noted:
            return
        document = self._read()
        kinds = {name: self._entry(document, environment, name) for name in _KINDS}
        kinds[kind] |= noted
        for other in _CONTRADICTED.get(kind, ()):
            kinds[other] = {name: kinds[other][name] for name in kinds[other].keys() - noted.keys()}
        # A full disk must not fail an upgrade that is done: the gate stays closed for lack of
        # evidence, and verify opens it later.
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, document | {environment.name: kinds})


def note_stamp(project: Project, before: Standing) -> None:
    """Note the revisions that a stamp has just written into a version table."""
    environment, history = before.environment, before.history
    look = before.database.look(environment.version_table)
    was, now = (
        history.ancestors(name for name in seen.revisions if name in history.revisions)
        for seen in (before.look, look)
    )
    revisions = [history.revisions[name] for name in sorted(now - was)]
    Evidence(project.settings.releases).note_stamped(environment, revisions)


def find_edited(evidence: Evidence, standing: Standing) -> list[Finding]:
    """Revisions of a database whose sources are not those that it applied."""
    name, history = standing.environment.name, standing.history
    if history.unknown(standing.look.revisions):
        return []
    reached = history.ancestors(standing.look.revisions)
    applied = evidence.applied(standing.environment)
    revisions = [history.revisions[each] for each in applied if each in reached]
    return [
        Finding(
            "edited-revision",
            "error",
            f"revision {revision.revision} was edited after {name} had applied it: undo the edit,"
            f" or take the revision back (invoke downgrade --env {name}"
            f" --to {revision.down[0] if revision.down else 'base'}) and upgrade again",
            revision.file,
        )
        for revision in revisions
        if applied[revision.revision] != digest(revision)
    ]


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
        never_ran = [name for name in missing if name in evidence.stamped(earlier)]
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
