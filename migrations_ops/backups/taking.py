"""Takes a backup: copies a database, compares the copy with it, and gives it its final name."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

from migrations_ops import __version__
from migrations_ops.backups.integrity import file_digest
from migrations_ops.backups.partial import sweep
from migrations_ops.backups.sidecar import Sidecar, order_after, write_sidecar
from migrations_ops.backups.space import (
    ELSEWHERE,
    OPEN_IT,
    find_closed,
    find_obstacle,
    size_of_next,
)
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import Database, DatabaseFile, Progress
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import OpsError, StepFailed
from migrations_ops.model.fingerprint import Fingerprint, in_short
from migrations_ops.system.files import (
    flush_folder,
    make_folder,
    now,
    partial_name,
    rename_over,
)
from migrations_ops.system.removal import remove_file

# A file system's clock may tick every few milliseconds only: content that was written within
# this many seconds before the copy could change again without changing the time stamp.
QUIET_SECONDS = 0.1


def take_backup(
    store: BackupStore,
    database: Database,
    *,
    note: str = "",
    doubt: str = "",
    progress: Progress | None = None,
    verifying: Progress | None = None,
) -> Backup:
    """Take a verified backup, or use the newest one if the database is still equal to it.

    :param doubt: the reason why the backup is suspect.
    :param progress: called with the number of bytes copied.
    :param verifying: called with the number of bytes read back.
    :raises StepFailed: the copy could not be made or is not equal to its source; no file
        is left under a final name.
    """
    still_equal = None if note or doubt else _still_equal(store, database, verifying)
    if still_equal is not None:
        return store.backup_of(still_equal, reused=True)
    _prepare(store, database)
    name = _free_name(store, database)
    file = store.file(name)
    partial = file.with_name(partial_name(name))
    described = False
    try:
        sidecar = _copy(store, database, partial, name, progress, verifying)
        sidecar = replace(sidecar, note=note, doubt=doubt or sidecar.doubt)
        # The sidecar first: a copy is never there under its final name without its description.
        described = True
        write_sidecar(store.sidecar(name), sidecar)
        rename_over(partial, file)
        flush_folder(store.folder)
        return store.backup_of(sidecar)
    except OpsError:
        raise
    except Exception as error:  # the engines raise what their drivers raise
        locked = "locked" in str(error)
        raise StepFailed(
            f"The backup of {store.environment.name} failed: {_in_words(error, store.folder)}.",
            untouched=f"{database.label} was not changed.",
            next="Let the other process finish, or stop it, and try again."
            if locked
            else "Fix that, then try again.",
        ) from error
    finally:
        _remove_leftovers(store, partial, name, described=described)


def _remove_leftovers(store: BackupStore, partial: Path, name: str, *, described: bool) -> None:
    """Remove a copy that did not get its name, and the description that was written for it."""
    leftovers = [*store.folder.glob(f"{partial.name}*")]
    if described and not os.path.lexists(store.file(name)):
        leftovers.append(store.sidecar(name))
    for leftover in leftovers:
        with suppress(OSError):
            remove_file(leftover)


def _copy(
    store: BackupStore,
    database: Database,
    partial: Path,
    name: str,
    progress: Progress | None,
    verifying: Progress | None,
) -> Sidecar:
    """Copy a database into a file, verify the copy, and describe it."""
    stamp, began = database.stamp_of_content(), time.time()
    version_table = store.environment.version_table
    taken = database.back_up(partial, version_table, progress)
    with database.opened_copy(partial) as copy:
        digest = verified_digest(copy, partial, taken, version_table, verifying)
        doubt = _find_doubt(store, copy)
    taken_at, others = now(), store.sidecars()
    return Sidecar(
        name=name,
        environment=store.environment.name,
        taken=taken_at,
        order=order_after(others[-1] if others else None, taken_at),
        size=partial.stat().st_size,
        sha256=digest,
        fingerprint=taken,
        doubt=doubt,
        database=database.label,
        source=stamp if _was_quiet(stamp, began) else None,
        tools={"migrations_ops": __version__},
        rights=database.rights() if isinstance(database, DatabaseFile) else {},
    )


def _find_doubt(store: BackupStore, copy: Database) -> str:
    """Why the ledger in the backup makes it suspect; empty if it does not."""
    inspection = copy.inspect(store.environment.version_table)
    if inspection.environment not in ("", store.environment.name):
        return f"its ledger says that it is {inspection.environment}"
    return f"half of {', '.join(inspection.begun)} is applied in it" if inspection.begun else ""


def _prepare(store: BackupStore, database: Database) -> None:
    obstacle = find_obstacle(store, database)
    if obstacle:
        raise StepFailed(
            obstacle,
            untouched=f"{database.label} was not changed.",
            next=OPEN_IT if find_closed(store) else ELSEWHERE,
        )
    try:
        make_folder(store.folder)
    except OSError as error:
        raise StepFailed(
            f"The folder for backups, {store.folder}, cannot be made: {error.strerror}.",
            untouched=f"{database.label} was not changed.",
            next=OPEN_IT,
        ) from None
    sweep(store.folder, store.names)


def room_for(store: BackupStore, database: Database) -> int:
    """The bytes that its next backup needs: none if the newest one will be reused."""
    # A server is not asked twice: it would have to read all of its rows.
    seen = not database.is_server and _looks_equal(store, database)
    return 0 if seen else size_of_next(store, database)


def _free_name(store: BackupStore, database: Database) -> str:
    def is_used(name: str) -> bool:
        # A partial file may be of one that was killed within this second.
        return os.path.lexists(store.sidecar(name)) or any(store.folder.glob(f"{name}*"))

    return store.names.new(database.suffix, is_used)


def _still_equal(
    store: BackupStore, database: Database, verifying: Progress | None
) -> Sidecar | None:
    newest = _looks_equal(store, database)
    if newest is None:
        return None
    digest = file_digest(store.file(newest.name), verifying)
    return newest if digest == newest.sha256 else None


def _looks_equal(store: BackupStore, database: Database) -> Sidecar | None:
    """The newest sidecar, if nothing has been written since.

    A backup that is not good is never reused: it would count as good then.
    """
    newest = store.latest_sidecar()
    if newest is None or store.file(newest.name).stat().st_size != newest.size:
        return None
    table = store.environment.version_table
    same = database.unchanged_since(newest.fingerprint, newest.source, table)
    return newest if same else None


def verified_digest(
    copy: Database,
    file: Path,
    taken: Fingerprint,
    version_table: str,
    progress: Progress | None = None,
) -> str:
    """Open the copy, compare it with what was copied, and hash it meanwhile.

    :raises StepFailed: the copy is damaged or not equal to its source. An integrity check alone
        passes an empty copy.
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
            stopped.set()  # stop early: the file may be large
            raise
        return digest.result()


def _require_equal(copy: Database, taken: Fingerprint, version_table: str) -> None:
    damage = copy.find_damage()
    found = None if damage else copy.fingerprint(version_table)
    if found != taken:
        where = "" if found is None else in_short(found.differing(taken))
        reason = damage or f"it is not equal to its source{where and f': {where}'}"
        raise StepFailed(
            f"The backup could not be verified: {reason}.",
            untouched="The database was not changed, and the copy was discarded.",
            next="Check whether the database itself is damaged: invoke doctor",
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
        return f"the disk reported an error while the copy was written ({folder})"
    return f"{error}"
