"""Backups: verified copies of a database, each with a sidecar that describes it."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from migrations_ops import __version__
from migrations_ops.backups.naming import path_of, sidecar_of
from migrations_ops.backups.partial import sweep
from migrations_ops.backups.quality import (
    find_stray_sidecars,
    find_strays,
    is_good,
    read_backup,
    row_of,
    with_doubts,
)
from migrations_ops.databases.interface import Database, Progress
from migrations_ops.model.errors import ConfigurationError, OpsError, Refused, StepFailed
from migrations_ops.model.results import Backup, Fingerprint
from migrations_ops.model.text import human_size
from migrations_ops.project.environments import Environment
from migrations_ops.project.settings import Settings
from migrations_ops.system.files import (
    flush_folder,
    local_stamp,
    nearest_folder,
    now,
    partial_name,
    read_json,
    write_whole,
)

BLOCK = 256 * 1024
ELSEWHERE = "Make room there, or point backups in the configuration to another place."
OPEN_IT = "See to its rights, or point backups in the configuration to another place."
# A file system's clock may tick every few milliseconds only: content that was written within
# this many seconds before the copy could change again without changing the time stamp.
QUIET_SECONDS = 0.1
_BRING = "Bring its sidecar back"


@dataclass(frozen=True)
class BackupStore:
    """Where the backups of one environment lie, and how many, for how long, are kept."""

    folder: Path
    environment: Environment
    prefix: str
    keep: int
    keep_days: int = 0

    @classmethod
    def of(cls, settings: Settings, environment: Environment) -> BackupStore:
        # The guide's names: db_DATE for the default environment, db.dev_DATE for dev.
        default = environment is settings.default
        prefix = "db" if default else f"db.{environment.name}"
        return cls(settings.backups, environment, prefix, settings.keep, settings.keep_days)

    def sidecars(self) -> list[dict[str, Any]]:
        """The sidecars of this environment's backups whose files are there, oldest first."""
        read = map(self._read, self.folder.glob(f"{self.prefix}_*.json"))
        found = [document for document in read if document is not None]
        return with_doubts(sorted(found, key=lambda each: (each["taken"], each["name"])))

    def _read(self, sidecar: Path) -> dict[str, Any] | None:
        return read_backup(sidecar, self.prefix, self.environment.name)

    def latest_sidecar(self) -> dict[str, Any] | None:
        """The newest that nothing speaks against, and that is not what a restore replaced."""
        return next(filter(is_good, reversed(self.sidecars())), None)

    def backups(self) -> list[Backup]:
        """The verified backups of this environment, oldest first."""
        return [self._backup(document) for document in self.sidecars()]

    def find(self, name: str) -> Backup:
        """A backup by its file's name, or the ``latest``.

        What a restore replaced is never the latest: it is half migrated, when a release that
        failed has put its backup back. Nor is one that something speaks against.

        :raises Refused: there is none at all, or none that could be the latest.
        :raises ConfigurationError: there is none of that name.
        """
        backups = self.backups()
        for backup in backups:
            if name in (backup.name, backup.file):
                return backup
        self._require_no_stray(name, none=not backups)
        if not backups:
            raise Refused(
                f"{self.environment.name} has no backup in {self.folder}.",
                untouched="Nothing was changed.",
                next=f"Take one with: invoke backup --env {self.environment.name}",
            )
        if name == "latest":
            return self._latest(backups)
        known = ", ".join(backup.name for backup in backups[-3:])
        raise ConfigurationError(
            f"{self.environment.name} has no backup {name!r}; the newest are: {known}.",
            untouched="Nothing was changed.",
            next=f"List them with: invoke backups --env {self.environment.name}",
        )

    def _latest(self, backups: list[Backup]) -> Backup:
        good = [backup for backup in backups if row_of(backup) == "good"]
        if good:
            return good[-1]
        newest = backups[-1]
        why = newest.doubt or "it holds what a restore replaced"
        raise Refused(
            f"{self.environment.name} has no backup that could be meant by latest: of"
            f" {newest.name}, {why}.",
            untouched="Nothing was changed.",
            next=f"If that is the one: {self._restore(newest.name)}; or choose:"
            f" invoke backups --env {self.environment.name}",
        )

    def _restore(self, name: str) -> str:
        return self.restore_command(self.environment.name, name)

    @staticmethod
    def restore_command(environment: str, name: str = "latest") -> str:
        """What to type to put a backup back."""
        return f"invoke restore --env {environment} --backup {name} --yes"

    def way_back(self) -> str:
        """The command that brings the database back; empty where there is no backup."""
        sidecars = self.sidecars()
        if not sidecars:
            return ""
        return self._restore("latest" if any(map(is_good, sidecars)) else sidecars[-1]["name"])

    def strays(self) -> list[tuple[str, str]]:
        """The files that look like backups and do not count, each with why."""
        return list(find_strays(self.folder, self.prefix, self.environment.name))

    def stray_sidecars(self) -> list[tuple[str, str]]:
        """The sidecars that describe no backup of this environment, each with why."""
        return list(find_stray_sidecars(self.folder, self.prefix, self.environment.name))

    def _require_no_stray(self, name: str, *, none: bool) -> None:
        """:raises Refused: what is meant lies there, and does not count; or nothing else does."""
        strays = self.strays()
        meant = [each for each in strays if name in (each[0], str(self.folder / each[0]))]
        for file, why in meant or (strays[-1:] if none else []):
            link = (self.folder / file).is_symlink()
            mend = "Put the file itself in the place of the link" if link else _BRING
            raise Refused(
                f"{self.environment.name} has no {'such ' * (not none)}backup: {file} lies in"
                f" {self.folder}, but {why}.",
                untouched="Nothing was changed.",
                next=f"{mend}. Or, while there is no database in its place, copy the file"
                f" there, and type: invoke verify --env {self.environment.name}",
            )

    def fingerprint(self, backup: Backup) -> Fingerprint:
        document = read_json(self.sidecar(backup.name))
        return Fingerprint.from_json(document["fingerprint"])

    def source(self, backup: Backup) -> dict[str, int | str] | None:
        """The sign of the content that a database had; None if it had only just been written."""
        found: dict[str, int | str] | None = read_json(self.sidecar(backup.name)).get("source")
        return found

    def file(self, name: str) -> Path:
        """The file of a backup of that name, also of one that is not there."""
        return path_of(self.folder, self.prefix, name)

    def sidecar(self, name: str) -> Path:
        return sidecar_of(self.file(name))

    def remove(self, name: str) -> None:
        """Remove a backup with its sidecar, if they are what they were when it was listed.

        :raises OSError: they are not, or cannot be removed.
        """
        file, sidecar = self.file(name), self.sidecar(name)
        if self._read(sidecar) is None:
            raise OSError(errno.ENOENT, "it is not a backup any more")
        file.unlink()
        sidecar.unlink()

    def _backup(self, document: dict[str, Any], *, reused: bool = False) -> Backup:
        return Backup(
            name=document["name"],
            file=str(self.file(document["name"])),
            environment=document["environment"],
            taken=document["taken"],
            revisions=tuple(document["fingerprint"]["revisions"]),
            size=document["size"],
            sha256=document["sha256"],
            note=document.get("note", ""),
            reused=reused,
            doubt=document.get("doubt", ""),
        )

    # -- taking -------------------------------------------------------------------------------

    def take(
        self,
        database: Database,
        *,
        note: str = "",
        doubt: str = "",
        progress: Progress | None,
        verifying: Progress | None = None,
    ) -> Backup:
        """Take a verified backup, or use the newest one if the database is still equal to it.

        :param doubt: what speaks against going back to it without a second look.
        :param progress: is told of the bytes that are copied.
        :param verifying: is told of those that are read back.
        :raises StepFailed: the copy could not be made or is not equal to its source; no file
            is left under a final name.
        """
        still_equal = None if note or doubt else self._still_equal(database, verifying)
        if still_equal is not None:
            return self._backup(still_equal, reused=True)
        self._prepare(database)
        name = self._free_name(database)
        file = self.file(name)
        partial = file.with_name(partial_name(name))
        try:
            about = {"note": note, "doubt": doubt}
            return self._take(database, partial, name, about, progress, verifying)
        except OpsError:
            raise
        except Exception as error:  # the engines raise what their drivers raise
            locked = "locked" in str(error)
            raise StepFailed(
                f"The backup of {self.environment.name} failed: {_in_words(error, self.folder)}.",
                untouched=f"{database.label} was not changed.",
                next="Let the other process finish, or stop it, and try again."
                if locked
                else "Mend that, then try again.",
            ) from error
        finally:
            leftovers = [*self.folder.glob(f"{partial.name}*")]
            if not os.path.lexists(file):
                leftovers.append(self.sidecar(name))
            for leftover in leftovers:
                with suppress(OSError):
                    leftover.unlink()

    def _take(
        self,
        database: Database,
        partial: Path,
        name: str,
        about: dict[str, str],
        progress: Progress | None,
        verifying: Progress | None,
    ) -> Backup:
        stamp, began = database.stamp_of_content(), time.time()
        version_table = self.environment.version_table
        taken = database.back_up(partial, version_table, progress)
        with database.opened_copy(partial) as copy:
            digest = verified_digest(copy, partial, taken, version_table, verifying)
            doubt = self._doubt(copy)
        document = {
            "name": name,
            "environment": self.environment.name,
            "database": database.label,
            "taken": now(),
            "note": about["note"],
            "doubt": about["doubt"] or doubt,
            "size": partial.stat().st_size,
            "sha256": digest,
            "fingerprint": taken.as_json(),
            "source": stamp if _was_quiet(stamp, began) else None,
            "tools": {"migrations_ops": __version__},
        }
        # The sidecar first: a copy never stands under its final name without its description.
        write_whole(self.sidecar(name), document)
        os.replace(partial, self.file(name))
        flush_folder(self.folder)
        return self._backup(document)

    def _doubt(self, copy: Database) -> str:
        """What the ledger in a copy says against it, in words; else empty."""
        look = copy.look(self.environment.version_table)
        if look.environment not in ("", self.environment.name):
            return f"its ledger says that it is {look.environment}"
        return f"half of {', '.join(look.begun)} is applied in it" if look.begun else ""

    def _prepare(self, database: Database) -> None:
        obstacle = self.find_obstacle(database)
        if obstacle:
            raise StepFailed(
                obstacle,
                untouched=f"{database.label} was not changed.",
                next=OPEN_IT if self.find_closed() else ELSEWHERE,
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StepFailed(
                f"The folder for backups, {self.folder}, cannot be made: {error.strerror}.",
                untouched=f"{database.label} was not changed.",
                next=OPEN_IT,
            ) from None
        sweep(self.folder, self.prefix)

    def find_obstacle(self, database: Database) -> str:
        """Why a backup could not be taken now, as a sentence; empty where nothing is known."""
        import shutil

        closed = self.find_closed()
        if closed:
            return closed
        needed = self._size_of_next(database)
        free = shutil.disk_usage(nearest_folder(self.folder)).free
        if free < needed:
            return (
                f"The backup of {self.environment.name} needs {human_size(needed)} in"
                f" {self.folder}, and {human_size(free)} are free."
            )
        return ""

    def find_closed(self) -> str:
        """Why nothing can be put into the folder, as a sentence; empty if something can."""
        folder = nearest_folder(self.folder)
        if not folder.is_dir():
            return f"The folder for backups, {self.folder}, cannot be used: {folder} is a file."
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"The folder for backups, {self.folder}, may not be written."
        return ""

    def room_for(self, database: Database) -> int:
        """The bytes that its next backup takes: none if the newest one will be used again."""
        # A server is not asked twice: it would have to read all of its rows.
        return (
            0
            if not database.is_server and self._looks_equal(database)
            else self._size_of_next(database)
        )

    def _size_of_next(self, database: Database) -> int:
        """The bytes that another backup takes: of a server, as far as it can be foreseen.

        Its dump is packed and has no indexes: a quarter of 1 GB, measured. A foresight that is too
        low ends with a backup that fails, and too high would refuse what fits.
        """
        size = database.size()
        if not database.is_server:
            return size
        newest = self.latest_sidecar()
        return max(newest["size"] * 3 // 2, size // 10) if newest else size // 2

    def _free_name(self, database: Database) -> str:
        """The guide's name; two backups within a second get a number."""
        base = f"{self.prefix}_{local_stamp()}"
        name, number = f"{base}{database.suffix}", 1
        # A partial file may be of one that was killed within this second.
        while os.path.lexists(self.sidecar(name)) or any(self.folder.glob(f"{name}*")):
            number += 1
            name = f"{base}_{number}{database.suffix}"
        return name

    def _still_equal(self, database: Database, verifying: Progress | None) -> dict[str, Any] | None:
        newest = self._looks_equal(database)
        if newest is None:
            return None
        digest = file_digest(self.file(newest["name"]), verifying)
        return newest if digest == newest["sha256"] else None

    def _looks_equal(self, database: Database) -> dict[str, Any] | None:
        """The newest sidecar, if nothing has been written since.

        One that is not good is never used again: it would be counted among the others.
        """
        newest = self.latest_sidecar()
        if newest is None or self.file(newest["name"]).stat().st_size != newest["size"]:
            return None
        same = database.unchanged_since(newest, self.environment.version_table)
        return newest if same else None


def verified_digest(
    copy: Database,
    file: Path,
    taken: Fingerprint,
    version_table: str,
    progress: Progress | None = None,
) -> str:
    """Open the copy, compare it with what was copied, and hash it meanwhile.

    :raises StepFailed: the copy is damaged or not equal to its source. A check of integrity
        alone calls an empty copy sound.
    """
    stopped = Event()

    def hashed(done: int, total: int) -> None:
        if stopped.is_set():
            raise InterruptedError
        if progress is not None:
            progress(done, total)

    with ThreadPoolExecutor(1) as pool:
        digest = pool.submit(file_digest, file, hashed)
        try:
            _require_equal(copy, taken, version_table)
        except BaseException:
            stopped.set()  # nobody waits for the rest of a large file
            raise
        return digest.result()


def _require_equal(copy: Database, taken: Fingerprint, version_table: str) -> None:
    damage = copy.find_damage()
    if damage or copy.fingerprint(version_table) != taken:
        reason = damage or "it is not equal to its source"
        raise StepFailed(
            f"The backup could not be verified: {reason}.",
            untouched="The database was not changed, and the copy was discarded.",
            next="See whether the database itself is damaged: invoke doctor",
        )


def file_digest(file: Path, progress: Progress | None = None) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    digest, done = hashlib.sha256(), 0
    with file.open("rb") as stream:
        total = os.fstat(stream.fileno()).st_size
        while block := stream.read(BLOCK):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()


def is_intact(backup: Backup) -> bool:
    """Whether the backup's file can be read and is what its sidecar says."""
    try:
        return file_digest(Path(backup.file)) == backup.sha256
    except OSError:
        return False


def require_intact(backup: Backup) -> None:
    """:raises Refused: the backup's file is not what its sidecar says."""
    if file_digest(Path(backup.file)) != backup.sha256:
        raise Refused(
            f"The backup {backup.name} is damaged: its SHA-256 is not the one in its sidecar.",
            untouched="Nothing was changed.",
            next=f"Choose another one: invoke backups --env {backup.environment}",
        )


def _was_quiet(stamp: dict[str, int | str], began: float) -> bool:
    changes = [value for key, value in stamp.items() if key.startswith("changed")]
    newest = max((int(value) for value in changes), default=0)
    return bool(stamp) and began - newest / 1e9 > QUIET_SECONDS


def _in_words(error: Exception, folder: Path) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror} ({folder})"
    if "full" in str(error):
        return f"the disk is full ({folder})"
    if "locked" in str(error):
        return "another process holds the database locked"
    if "disk I/O error" in str(error):
        return f"the disk gave an error while the copy was written ({folder})"
    return f"{error}"
