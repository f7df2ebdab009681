"""The evidence: which revisions, by the hash of their sources, each environment has passed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from migrations_ops.project.environments import Environment
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
