"""Backups: verified copies of a database, each with a sidecar that describes it."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrations_ops import __version__
from migrations_ops.databases import Database, Progress
from migrations_ops.environments import Environment
from migrations_ops.errors import ConfigurationError, Refused, StepFailed
from migrations_ops.files import flush_folder, local_stamp, now, read_json, write_whole
from migrations_ops.results import Backup, Fingerprint
from migrations_ops.settings import Settings
from migrations_ops.words import counted, human_size

PART = ".part"
# What a sidecar must tell in words, for its file to count as a backup.
_TOLD = ("name", "environment", "taken", "sha256")
BLOCK = 256 * 1024
ELSEWHERE = "Make room there, or point backups in the configuration to another place."
# A file system's clock may tick every few milliseconds only: content that was written within
# this many seconds before the copy could change again without changing the time stamp.
QUIET_SECONDS = 0.1


@dataclass(frozen=True)
class Shelf:
    """Where the backups of one environment lie, and how many of them are kept."""

    folder: Path
    environment: Environment
    prefix: str
    keep: int

    @classmethod
    def of(cls, settings: Settings, environment: Environment) -> Shelf:
        # The guide's names: db_DATE for the default environment, db.dev_DATE for dev.
        default = environment is settings.default
        prefix = "db" if default else f"db.{environment.name}"
        return cls(settings.backups, environment, prefix, settings.keep)

    def sidecars(self) -> list[dict[str, Any]]:
        """The sidecars of this environment's backups whose files are there, oldest first."""
        found = []
        for file in self.folder.glob(f"{self.prefix}_*.json"):
            document = read_json(file)
            if (
                _describes(document)
                and document["environment"] == self.environment.name
                and (self.folder / document["name"]).is_file()
            ):
                found.append(document)
        return sorted(found, key=lambda document: (document["taken"], document["name"]))

    def backups(self) -> list[Backup]:
        """The verified backups of this environment, oldest first."""
        return [self._backup(document) for document in self.sidecars()]

    def find(self, name: str) -> Backup:
        """A backup by its file's name, or the ``latest``.

        :raises Refused: there is none at all.
        :raises ConfigurationError: there is none of that name.
        """
        backups = self.backups()
        if not backups:
            raise Refused(
                f"{self.environment.name} has no backup in {self.folder}.",
                untouched="Nothing was changed.",
                next=f"Take one with: invoke backup --env {self.environment.name}",
            )
        if name == "latest":
            return backups[-1]
        for backup in backups:
            if name in (backup.name, backup.file):
                return backup
        known = ", ".join(backup.name for backup in backups[-3:])
        raise ConfigurationError(
            f"{self.environment.name} has no backup {name!r}; the newest are: {known}.",
            untouched="Nothing was changed.",
            next=f"List them with: invoke backups --env {self.environment.name}",
        )

    def fingerprint(self, backup: Backup) -> Fingerprint:
        document = read_json(self.sidecar(backup.name))
        return Fingerprint.from_json(document["fingerprint"])

    def sidecar(self, name: str) -> Path:
        return self.folder / f"{Path(name).stem}.json"

    def _backup(self, document: dict[str, Any], *, reused: bool = False) -> Backup:
        return Backup(
            name=document["name"],
            file=str(self.folder / document["name"]),
            environment=document["environment"],
            taken=document["taken"],
            revisions=tuple(document["fingerprint"]["revisions"]),
            size=document["size"],
            sha256=document["sha256"],
            note=document.get("note", ""),
            reused=reused,
        )

    # -- taking -------------------------------------------------------------------------------

    def take(self, database: Database, *, note: str = "", progress: Progress | None) -> Backup:
        """Take a verified backup, or use the newest one if the database is still equal to it.

        :raises StepFailed: the copy could not be made or is not equal to its source; no file
            is left under a final name.
        """
        still_equal = self._still_equal(database)
        if still_equal is not None and not note:
            return self._backup(still_equal, reused=True)
        self._prepare(database)
        name = self._free_name(database)
        partial = self.folder / f"{name}{PART}"
        try:
            return self._take(database, partial, name, note, progress)
        except StepFailed:
            raise
        except Exception as error:  # the engines raise what their drivers raise
            raise StepFailed(
                f"The backup of {self.environment.name} failed: {_in_words(error, self.folder)}.",
                untouched=f"{database.label} was not changed.",
                next="Mend that, then try again.",
            ) from error
        finally:
            leftovers = [*self.folder.glob(f"{partial.name}*")]
            if not (self.folder / name).exists():
                leftovers.append(self.sidecar(name))
            for leftover in leftovers:
                with suppress(OSError):
                    leftover.unlink()

    def _take(
        self, database: Database, partial: Path, name: str, note: str, progress: Progress | None
    ) -> Backup:
        stamp, began = database.stamp_of_content(), time.time()
        version_table = self.environment.version_table
        taken = database.back_up(partial, version_table, progress)
        digest = verified_digest(database.open_copy(partial), partial, taken, version_table)
        document = {
            "name": name,
            "environment": self.environment.name,
            "database": database.label,
            "taken": now(),
            "note": note,
            "size": partial.stat().st_size,
            "sha256": digest,
            "fingerprint": taken.as_json(),
            "source": stamp if _was_quiet(stamp, began) else None,
            "tools": {"migrations_ops": __version__},
        }
        # The sidecar first: a copy never stands under its final name without its description.
        write_whole(self.sidecar(name), document)
        os.replace(partial, self.folder / name)
        flush_folder(self.folder)
        return self._backup(document)

    def _prepare(self, database: Database) -> None:
        obstacle = self.find_obstacle(database)
        if obstacle:
            raise StepFailed(
                obstacle,
                untouched=f"{database.label} was not changed.",
                next=ELSEWHERE,
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StepFailed(
                f"The folder for backups, {self.folder}, cannot be made: {error.strerror}.",
                untouched=f"{database.label} was not changed.",
                next=ELSEWHERE,
            ) from None
        self._sweep()

    def find_obstacle(self, database: Database) -> str:
        """Why a backup could not be taken now, as a sentence; empty where nothing is known."""
        import shutil

        folder = self.folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            return f"The folder for backups, {self.folder}, cannot be used: {folder} is a file."
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"The folder for backups, {self.folder}, may not be written."
        needed, free = database.size(), shutil.disk_usage(folder).free
        if free < needed:
            return (
                f"The backup of {self.environment.name} needs {human_size(needed)} in"
                f" {self.folder}, and {human_size(free)} are free."
            )
        return ""

    def _sweep(self) -> None:
        """Remove what a killed backup left; a live one is younger than an hour or holds a lock."""
        for leftover in self.folder.glob(f"{self.prefix}_*{PART}*"):
            with suppress(OSError):
                if time.time() - leftover.stat().st_mtime > 3600:
                    leftover.unlink()

    def _free_name(self, database: Database) -> str:
        """The guide's name; two backups within a second get a number."""
        base = f"{self.prefix}_{local_stamp()}"
        name, number = f"{base}{database.suffix}", 1
        while any(
            taken.exists()
            for taken in (
                self.folder / name,
                self.folder / f"{name}{PART}",  # of one that was killed within this second
                self.sidecar(name),
            )
        ):
            number += 1
            name = f"{base}_{number}{database.suffix}"
        return name

    def _still_equal(self, database: Database) -> dict[str, Any] | None:
        sidecars = self.sidecars()
        if not sidecars or sidecars[-1].get("source") is None:
            return None
        newest = sidecars[-1]
        if database.stamp_of_content() != newest["source"]:
            return None
        file = self.folder / newest["name"]
        if file.stat().st_size != newest["size"] or file_digest(file) != newest["sha256"]:
            return None
        return newest

    # -- retention ----------------------------------------------------------------------------

    def prune(self, *, needed: frozenset[str] = frozenset()) -> list[Backup]:
        """Remove the oldest backups beyond ``keep``; returns what was removed.

        The newest one always stays, and so does each that an unfinished release names.

        :raises StepFailed: some could not be removed.
        """
        surplus, failures = self.surplus(needed), []
        for backup in surplus:
            try:
                Path(backup.file).unlink()
                self.sidecar(backup.name).unlink()
            except OSError as error:
                failures.append(f"{backup.name}: {error.strerror}")
        if failures:
            raise StepFailed(
                f"{counted(len(failures), 'old backup')} of {self.environment.name} could not be"
                f" removed, {failures[0]}.",
                untouched="No database was changed.",
                next=f"See to the rights in {self.folder}, then type: invoke prune",
            )
        return surplus

    def surplus(self, needed: frozenset[str] = frozenset()) -> list[Backup]:
        """The backups that retention would remove."""
        return [each for each in self.backups()[: -self.keep] if each.name not in needed]


def verified_digest(copy: Database, file: Path, taken: Fingerprint, version_table: str) -> str:
    """Open the copy, compare it with what was copied, and hash it meanwhile.

    :raises StepFailed: the copy is damaged or not equal to its source. A check of integrity
        alone calls an empty copy sound.
    """
    with ThreadPoolExecutor(1) as pool:
        digest = pool.submit(file_digest, file)
        damage = copy.find_damage()
        if damage or copy.fingerprint(version_table) != taken:
            reason = damage or "it is not equal to its source"
            raise StepFailed(
                f"The backup could not be verified: {reason}.",
                untouched="The database was not changed, and the copy was discarded.",
                next="See whether the database itself is damaged: invoke doctor",
            )
        return digest.result()


def file_digest(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def require_intact(backup: Backup) -> None:
    """:raises Refused: the backup's file is not what its sidecar says."""
    if file_digest(Path(backup.file)) != backup.sha256:
        raise Refused(
            f"The backup {backup.name} is damaged: its SHA-256 is not the one in its sidecar.",
            untouched="Nothing was changed.",
            next=f"Choose another one: invoke backups --env {backup.environment}",
        )


def _describes(document: Any) -> bool:
    """Whether a document is a whole sidecar, not one that was cut short or written by others."""
    try:
        Fingerprint.from_json(document["fingerprint"])
        return int(document["size"]) >= 0 and all(isinstance(document[key], str) for key in _TOLD)
    except (TypeError, KeyError, ValueError):
        return False


def _was_quiet(stamp: dict[str, int | str], began: float) -> bool:
    changes = [value for key, value in stamp.items() if key.startswith("changed")]
    newest = max((int(value) for value in changes), default=0)
    return bool(stamp) and began - newest / 1e9 > QUIET_SECONDS


def _in_words(error: Exception, folder: Path) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror} ({folder})"
    if "full" in str(error):
        return f"the disk is full ({folder})"
    if "disk I/O error" in str(error):
        return f"the disk gave an error while the copy was written ({folder})"
    return f"{error}"
