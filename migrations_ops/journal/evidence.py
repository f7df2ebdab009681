"""The evidence: which revisions, by the hash of their sources, each environment has passed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from migrations_ops.model.serialisation import Unreadable, read_versioned, to_versioned
from migrations_ops.project.environments import Environment
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import digest, is_unedited
from migrations_ops.system.files import make_folder, nearest_folder, write_whole
from migrations_ops.system.reading import read_json, what_else

FILE = "evidence.json"


@dataclass(frozen=True, slots=True)
class EnvironmentEvidence:
    """The evidence of one environment: the hash of each revision that passed there, and the
    revisions at which its database was left, if verify has not passed since."""

    passed: Mapping[str, str] = field(default_factory=dict)
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Content:
    environments: Mapping[str, EnvironmentEvidence] = field(default_factory=dict)


class Evidence:
    """Which revisions, by the hash of their sources, each environment passed."""

    def __init__(self, releases: Path) -> None:
        self.file = releases / FILE

    def passed(self, environment: Environment) -> dict[str, str]:
        """The recorded hashes. A damaged file is no evidence, and keeps the gate closed."""
        return dict(self._of(environment).passed)

    def unverified(self, environment: Environment) -> frozenset[str]:
        """The revisions at which a database was left, and verify has not passed since."""
        return frozenset(self._of(environment).unverified)

    def record_passed(self, environment: Environment, revisions: Iterable[Revision]) -> str:
        """Record that verify passed for a database that these sources built.

        :returns: why that could not be recorded; empty if it was. A full disk must not fail a
            completed upgrade: the gate stays closed for lack of evidence, and verify opens it
            later.
        """
        before = self.passed(environment)
        new = {
            each.revision: digest(each)
            for each in revisions
            if not is_unedited(each, before.get(each.revision, "none"))
        }
        if not new and not self.unverified(environment):
            return ""
        try:
            self._write(environment, EnvironmentEvidence(self.passed(environment) | new))
        except OSError as error:
            later = f"later environments will not accept what passes {environment.name} now"
            return f"{self.file} cannot be written ({error.strerror}): {later}"
        return ""

    def record_unverified(self, environment: Environment, revisions: Iterable[str]) -> None:
        """Record that a database stays at these revisions although verify has not passed.

        :raises OSError: it cannot be recorded.
        """
        self._write(
            environment, EnvironmentEvidence(self.passed(environment), tuple(sorted(revisions)))
        )

    def find_obstacle(self) -> str:
        """Why the evidence could not be written, as far as can be checked; empty if it could."""
        folder = nearest_folder(self.file.parent)
        if kind := what_else(self.file):
            return f"{self.file} is {kind}"
        if not folder.is_dir():
            return f"{folder} is {what_else(folder) or 'a file'}, not a folder"
        content = self._read()
        if isinstance(content, Unreadable) and content.newer:
            return f"{self.file} {content.why}"
        return "" if os.access(folder, os.W_OK) else f"{folder} may not be written"

    def _read(self) -> _Content | Unreadable:
        return read_versioned(_Content, self.file, read_json(self.file))

    def _of(self, environment: Environment) -> EnvironmentEvidence:
        content = self._read()
        known = {} if isinstance(content, Unreadable) else content.environments
        return known.get(environment.name, EnvironmentEvidence())

    def _write(self, environment: Environment, new: EnvironmentEvidence) -> None:
        """:raises OSError: it cannot be written, or would replace what a later release wrote."""
        content = self._read()
        if isinstance(content, Unreadable):
            if content.newer:
                raise OSError(None, f"it {content.why}")
            content = _Content()
        make_folder(self.file.parent)
        content = _Content({**content.environments, environment.name: new})
        write_whole(self.file, to_versioned(content))
