"""What was changed by hand and may stay: a file beside the configuration, committed with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from migrations_ops.child.protocol.redaction import redacted
from migrations_ops.model.drift import ChangedObject
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.serialisation import Unreadable, read_versioned, to_versioned
from migrations_ops.model.text import os_error_in_words
from migrations_ops.project.settings import Settings
from migrations_ops.system.files import write_whole
from migrations_ops.system.reading import read_json

FILE = "migrations_ops.drift.json"


@dataclass(frozen=True, slots=True)
class _Content:
    """For each environment the objects, each with the definition that it has now; None where it may
    be missing."""

    environments: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)


class AcceptedDrift:
    """Which changes are accepted, as long as their objects stay as they were then."""

    def __init__(self, settings: Settings) -> None:
        self.file = settings.root / FILE

    def marked(
        self, environment: str, changed: Iterable[ChangedObject]
    ) -> tuple[ChangedObject, ...]:
        """The changes, each with whether it is accepted.

        :raises ConfigurationError: the file is there and cannot be read.
        """
        accepted = self._read().environments.get(environment, {})
        return tuple(
            replace(each, accepted=each.key in accepted and accepted[each.key] == _definition(each))
            for each in changed
        )

    def accept(self, environment: str, changed: Iterable[ChangedObject]) -> None:
        """Accept these changes of an environment, and no others.

        :raises ConfigurationError: the file cannot be read, or cannot be written.
        """
        known = {**self._read().environments}
        known[environment] = {each.key: _definition(each) for each in changed}
        content = _Content({name: objects for name, objects in sorted(known.items()) if objects})
        try:
            write_whole(self.file, to_versioned(content))
        except OSError as error:
            raise ConfigurationError(
                f"{self.file} cannot be written: {os_error_in_words(error)}.",
                untouched="Nothing was accepted.",
                next="Fix that and try again.",
            ) from None

    def _read(self) -> _Content:
        content = read_versioned(_Content, self.file, read_json(self.file))
        if not isinstance(content, Unreadable):
            return content
        if not self.file.exists() and not self.file.is_symlink():
            return _Content()
        raise ConfigurationError(
            f"{self.file} {content.why}.",
            untouched="Nothing was changed.",
            next="Bring it back from version control; or remove it, and accept again with:"
            " invoke drift --accept",
        )


def _definition(changed: ChangedObject) -> str | None:
    """What is committed: without secrets."""
    return None if changed.fate == "removed" else redacted(changed.now)
