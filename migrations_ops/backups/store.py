"""The store of an environment's backups: lists them, and finds one by name."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from migrations_ops.backups.integrity import find_damage, is_intact
from migrations_ops.backups.naming import BackupNames, sidecar_of
from migrations_ops.backups.quality import is_damaged, is_good, mark_damaged, mark_empty
from migrations_ops.backups.sidecar import Sidecar, by_order, read_sidecar
from migrations_ops.backups.strays import find_stray_sidecars, find_strays, read_backup
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import ConfigurationError, Refused, StepFailed
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.serialisation import Unreadable, read_versioned
from migrations_ops.model.text import quoted
from migrations_ops.project.environments import Environment
from migrations_ops.project.settings import Settings
from migrations_ops.system.removal import OpenFolder

_BRING = "Bring its sidecar back"


@dataclass(frozen=True)
class BackupStore:
    """The folder of one environment's backups, and how many are kept for how long."""

    folder: Path
    environment: Environment
    names: BackupNames
    keep: int
    keep_days: int = 0

    @classmethod
    def of(cls, settings: Settings, environment: Environment) -> BackupStore:
        names = BackupNames.of(settings, environment)
        return cls(settings.backups, environment, names, settings.keep, settings.keep_days)

    def sidecars(self) -> list[Sidecar]:
        """The sidecars of this environment's backups whose files are there, oldest first."""
        read = map(self._read, self.names.files(self.folder, ".json"))
        found = [sidecar for sidecar in read if sidecar is not None]
        return mark_empty(sorted(found, key=by_order))

    def _read(self, file: Path) -> Sidecar | None:
        sidecar = read_backup(file, self.names, self.environment.name)
        if sidecar is None:
            return None
        return mark_damaged(sidecar, find_damage(self.file(sidecar.name), sidecar.size))

    def latest_sidecar(self) -> Sidecar | None:
        """The newest good backup."""
        return next(filter(is_good, reversed(self.sidecars())), None)

    def backups(self) -> list[Backup]:
        """The verified backups of this environment, oldest first."""
        return [self.backup_of(sidecar) for sidecar in self.sidecars()]

    def backup_of(self, sidecar: Sidecar, *, reused: bool = False) -> Backup:
        return Backup(
            name=sidecar.name,
            file=str(self.file(sidecar.name)),
            environment=sidecar.environment,
            taken=sidecar.taken,
            revisions=sidecar.fingerprint.revisions,
            size=sidecar.size,
            sha256=sidecar.sha256,
            note=sidecar.note,
            reused=reused,
            doubt=sidecar.doubt,
        )

    def find(self, name: str) -> Backup:
        """A backup by its file's name, or the ``latest``.

        The safety backup of a restore is never the latest: after a failed release it is half
        migrated. Neither is a suspect backup.

        :raises Refused: there is none at all, or none that could be the latest.
        :raises ConfigurationError: there is no backup of that name.
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
                next=f"Bring {name} and its sidecar back to it, if they were moved."
                if self.names.include(name)
                else f"Take one with: invoke backup --env {self.environment.name}",
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
        good = list(filter(is_good, backups))
        if good:
            return good[-1]
        whole = [each for each in backups if not is_damaged(each)]
        newest = (whole or backups)[-1]
        why = newest.doubt or "it is the safety backup of a restore"
        choose = f"invoke backups --env {self.environment.name}"
        raise Refused(
            f"{self.environment.name} "
            f"has no backup that counts as latest: {newest.name} does not, since {why}.",
            untouched="Nothing was changed.",
            next=f"To restore it all the same: {self._restore(newest.name)}; or choose: {choose}"
            if whole
            else f"Bring the whole file back; or see the others: {choose}",
        )

    def _restore(self, name: str) -> str:
        return self.restore_command(self.environment.name, name)

    @staticmethod
    def restore_command(environment: str, name: str = "latest") -> str:
        """What to type to put a backup back; a name that was read from a record may be anything."""
        return f"invoke restore --env {environment} --backup {quoted(name)} --yes"

    def way_back(self) -> str:
        """The command that brings the database back; empty where there is no backup."""
        sidecars = [each for each in self.sidecars() if not is_damaged(each)]
        if not sidecars:
            return ""
        return self._restore("latest" if any(map(is_good, sidecars)) else sidecars[-1].name)

    def way_back_to(self, known: Collection[str]) -> str:
        """The command that puts the newest good backup back whose revisions are all known; empty
        where there is none."""
        for each in filter(is_good, reversed(self.sidecars())):
            revisions = each.fingerprint.revisions
            if revisions and all(revision in known for revision in revisions):
                return self._restore(each.name)
        return ""

    def strays(self) -> list[tuple[str, str]]:
        """The files that look like backups but do not count, each with the reason."""
        return list(find_strays(self.folder, self.names, self.environment.name))

    def stray_sidecars(self) -> list[tuple[str, str]]:
        """The sidecars that describe no backup of this environment, each with the reason."""
        return list(find_stray_sidecars(self.folder, self.names, self.environment.name))

    def _require_no_stray(self, name: str, *, none: bool) -> None:
        """:raises Refused: the wanted file is there but does not count; or there are only such
        files."""
        strays = self.strays()
        meant = [each for each in strays if name in (each[0], str(self.folder / each[0]))]
        for file, why in meant or (strays[-1:] if none else []):
            link = (self.folder / file).is_symlink()
            fix = "Replace the link by the file itself" if link else _BRING
            raise Refused(
                f"{self.environment.name} has no {'such ' * (not none)}backup: {file} lies in"
                f" {self.folder}, but {why}.",
                untouched="Nothing was changed.",
                next=f"{fix}. Or, while the database does not exist, copy the file to its place,"
                f" and type: invoke verify --env {self.environment.name}",
            )

    def describe(self, backup: Backup) -> Sidecar:
        """The sidecar of a backup that was found earlier.

        :raises StepFailed: it can no longer be read.
        """
        sidecar = read_sidecar(self.sidecar(backup.name))
        if isinstance(sidecar, Unreadable):
            lack = self.find_lack(backup.name)
            raise StepFailed(
                f"The backup from before cannot be read: {lack}.",
                untouched="Nothing was changed.",
                next=f"Bring {backup.name} and its sidecar back to {self.folder}.",
            )
        return sidecar

    def find_lack(self, name: str) -> str:
        """What of a backup that was taken is no longer there as it was; empty if it all is.

        Its file is read: only that shows whether a message may call it safe.
        """
        if not self.names.include(name):
            return f"no backup of {self.environment.name} is called {name!r}"
        file, sidecar = self.file(name), read_sidecar(self.sidecar(name))
        if not os.path.lexists(file):
            return f"{name} is no longer in {self.folder}"
        if isinstance(sidecar, Unreadable):
            is_there = os.path.lexists(sidecar.file)
            return f"its sidecar {sidecar.file} {sidecar.why if is_there else 'is missing'}"
        damage = find_damage(file, sidecar.size)
        if not damage and not is_intact(self.backup_of(replace(sidecar, name=name))):
            damage = "its SHA-256 is not the one in its sidecar"
        return f"{name} is damaged: {damage}" if damage else ""

    def fingerprint(self, backup: Backup) -> Fingerprint:
        return self.describe(backup).fingerprint

    def file(self, name: str) -> Path:
        """The path of a backup of that name, whether it exists or not."""
        return self.names.path(self.folder, name)

    def sidecar(self, name: str) -> Path:
        return sidecar_of(self.file(name))

    def remove(self, backup: Backup, folder: OpenFolder) -> None:
        """Remove a backup with its sidecar, if they are unchanged since it was listed; what another
        task has removed meanwhile is fine.

        :param folder: that of the store, opened before it was listed.
        :raises OSError: they are not, or cannot be removed.
        """
        file, sidecar = self.file(backup.name).name, self.sidecar(backup.name).name
        found = read_versioned(Sidecar, self.folder / sidecar, folder.read_json(sidecar))
        if isinstance(found, Unreadable) or not _describes(found, backup):
            if not os.path.lexists(self.file(backup.name)):
                return  # another task has removed it
            raise OSError(errno.ESTALE, "it is no longer the backup that was listed")
        for name in (file, sidecar):
            with suppress(FileNotFoundError):
                folder.remove(name)


def _describes(sidecar: Sidecar, backup: Backup) -> bool:
    found = sidecar.name, sidecar.environment, sidecar.taken, sidecar.size, sidecar.sha256
    return found == (backup.name, backup.environment, backup.taken, backup.size, backup.sha256)
