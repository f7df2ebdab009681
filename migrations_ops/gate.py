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
        kinds = {name: self._entry(document, environment, name) for name in ("applied", "passed")}
        kinds[kind] |= noted
        # A full disk must not fail an upgrade that is done: the gate stays closed for lack of
        # evidence, and verify opens it later.
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, document | {environment.name: kinds})


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
        if missing:
            raise Refused(
                f"{environment.name} takes only what has passed {earlier.name}, and"
                f" {', '.join(missing)} has not, in its present form.",
                untouched=f"{environment.name} was not touched.",
                next=f"Type: invoke upgrade-{earlier.name} verify --env {earlier.name}"
                f" upgrade-{environment.name}",
            )
