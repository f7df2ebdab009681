"""The gate: a later environment takes only revisions that passed the earlier ones unchanged."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from migrations_ops.model.codes import allow_flags
from migrations_ops.model.errors import Refused
from migrations_ops.model.results import Finding
from migrations_ops.operations.state import Standing
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import digest
from migrations_ops.system.files import nearest_folder, read_json, write_whole

FILE = "evidence.json"

_PASSED, _DOUBTED = "passed", "doubted"


class Evidence:
    """Which revisions, by the hash of their sources, each environment passed."""

    def __init__(self, releases: Path) -> None:
        self.file = releases / FILE

    def passed(self, environment: Environment) -> dict[str, str]:
        """The noted hashes. What is damaged is no evidence, and keeps the gate closed."""
        found: Any = self._read()
        for key in (environment.name, _PASSED):
            found = found.get(key, {}) if isinstance(found, dict) else {}
        return dict(found) if isinstance(found, dict) else {}

    def note_passed(self, environment: Environment, revisions: Iterable[Revision]) -> str:
        """Verify found nothing wrong with a database that these sources made.

        :returns: why that could not be written down; empty if it was. A full disk must not fail
            an upgrade that is done: the gate stays closed for lack of evidence, and verify opens
            it later.
        """
        noted = {revision.revision: digest(revision) for revision in revisions}
        if not noted and not self.doubted(environment):
            return ""
        entry = {_PASSED: self.passed(environment) | noted}
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file, self._read() | {environment.name: entry})
        except OSError as error:
            later = f"later environments do not take what passed {environment.name} now"
            return f"{self.file} cannot be written ({error.strerror}): {later}"
        return ""

    def doubt(self, environment: Environment, revisions: Iterable[str]) -> None:
        """Note that a database stays at these revisions, though verify has not passed there."""
        entry = {_PASSED: self.passed(environment), _DOUBTED: sorted(revisions)}
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file, self._read() | {environment.name: entry})

    def doubted(self, environment: Environment) -> frozenset[str]:
        """The revisions at which a database was left, and verify has not passed since."""
        found: Any = self._read()
        for key in (environment.name, _DOUBTED):
            found = found.get(key, ()) if isinstance(found, dict) else ()
        return frozenset(map(str, found)) if isinstance(found, list) else frozenset()

    def find_obstacle(self) -> str:
        """Why nothing can be written down, as far as a look tells; else empty."""
        folder = nearest_folder(self.file.parent)
        if self.file.is_dir():
            return f"{self.file} is a directory"
        if not folder.is_dir():
            return f"{folder} is no directory"
        return "" if os.access(folder, os.W_OK) else f"{folder} may not be written"

    def _read(self) -> dict[str, Any]:
        document = read_json(self.file)
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
    message = f"revision {revision.revision} was edited after {name} had run it"
    return Finding("edited-revision", "error", message, revision.revision)


def mend_edited(standing: Standing, findings: Iterable[Finding]) -> str:
    """What to do about revisions that were edited or are gone; what destroys data comes last."""
    found = [each for each in findings if each.code in ("edited-revision", "missing-revision")]
    allowing = f"or, if the database may stay as it is, allow it: {allow_flags(found)}"
    edited = [each.where for each in found if each.code == "edited-revision"]
    if not edited:
        return f"Fetch the script again; {allowing}"
    name, history = standing.environment.name, standing.history
    files = ", ".join(history.revisions[each].file for each in edited)
    lowest = min(edited, key=lambda each: len(history.ancestors([each])))
    to = (*history.revisions[lowest].down, "base")[0]
    return (
        f"Undo the edit in {files}; {allowing}; or take it back, with the rows of what it created:"
        f" invoke downgrade --env {name} --to {to}"
    )


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
            obstacle = evidence.find_obstacle()
            first = (
                f"Nothing can be noted, as {obstacle}. Mend that, and type" if obstacle else "Type"
            )
            raise Refused(
                f"{environment.name} takes only what has passed {earlier.name}, and"
                f" {', '.join(missing)} has not, in its present form.",
                untouched=f"{environment.name} was not touched.",
                next=f"{first}: invoke upgrade-{earlier.name} verify --env {earlier.name}"
                f" upgrade-{environment.name}",
            )
