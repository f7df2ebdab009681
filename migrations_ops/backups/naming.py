"""The names of backups: how one is made and recognised, and the only way from a name to a path.

A name that was read from a file may be anything: a path, another file's name, a link. Only a file
that the tool could have made, in the folder of backups, may be opened or removed by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.project.environments import Environment
from migrations_ops.project.settings import Settings
from migrations_ops.system.files import PART, local_stamp

# The suffixes of files next to backups that are not backups: sidecars and partial files.
_OTHERS = frozenset({"json", PART.removeprefix(".")})


@dataclass(frozen=True, slots=True)
class BackupNames:
    """The names of one environment's backups: ``db.dev_20261122_160500.sqlite3``."""

    prefix: str

    @classmethod
    def of(cls, settings: Settings, environment: Environment) -> BackupNames:
        # The guide's names: db_DATE for the default environment, db.dev_DATE for dev.
        return cls("db" if environment is settings.default else f"db.{environment.name}")

    def new(self, suffix: str, is_used: Callable[[str], bool]) -> str:
        """A name for this second; two backups within a second get a number."""
        base = f"{self.prefix}_{local_stamp()}"
        name, number = f"{base}{suffix}", 1
        while is_used(name):
            number += 1
            name = f"{base}_{number}{suffix}"
        return name

    @property
    def pattern(self) -> str:
        """What is named like a backup: prefix, date, the number of a second one, and an ending."""
        stem = rf"{re.escape(self.prefix)}_[0-9]{{8}}_[0-9]{{6}}(?:_[0-9]+)?"
        return rf"{stem}(?P<ending>(?:\.\w+){{1,2}})"

    def include(self, name: str) -> bool:
        """Whether a backup could have this name; no path is such a name anywhere.

        Its ending is the engine's (``BackedUp.suffix``): one or two parts of small letters and
        digits.
        """
        named = re.fullmatch(self.pattern, name)
        if named is None or not re.fullmatch(r"[a-z0-9.]+", named["ending"]):
            return False
        return _OTHERS.isdisjoint(named["ending"].split("."))

    def path(self, folder: Path, name: str) -> Path:
        """The file of a backup.

        :raises ValueError: no backup could have this name.
        """
        if not self.include(name):
            raise ValueError(f"{name!r} is not the name of a backup")
        return folder / name

    def files(self, folder: Path, ending: str = "") -> Iterator[Path]:
        """The files whose names begin like those of the backups, and end so."""
        return folder.glob(f"{self.prefix}_*{ending}")


def sidecar_of(file: Path) -> Path:
    """The path of the sidecar of a backup."""
    return file.with_suffix(".json")
