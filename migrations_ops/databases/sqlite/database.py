"""SQLite: where a database stands, whether it is sound, and what it is made of."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from migrations_ops.databases.interface import Database, Keep, Progress, Restored
from migrations_ops.databases.sqlite import files
from migrations_ops.model.errors import ConfigurationError, Refused, StepFailed
from migrations_ops.model.findings import DAMAGED, LEFTOVER_TABLE, ORPHANS, Finding
from migrations_ops.model.results import Fingerprint, Ledger, Look

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax
    from migrations_ops.databases.row_changes import ContentChange, Pair

_CHECK_URL = "Check the url of this environment in the configuration."
_SEE_TO_RIGHTS = "See to the rights of the file and of its folder, and try again."
_RESTORE = "If a backup of it exists, put it back: invoke backups"
_ORPHANED = (
    "Bring the file back, if it was moved or renamed. invoke restore moves what is left of it"
    " aside and keeps it."
)
# How long, in seconds, a read waits for a writer that holds the database exclusively.
PATIENCE = 5.0


@dataclass(frozen=True)
class SQLite:
    """One SQLite file.

    ``immutable`` marks a backup that nobody writes: opened so, SQLite leaves no -wal or -shm
    beside it.
    """

    path: Path
    label: str
    immutable: bool = False
    suffix: str = ".sqlite3"
    syntax: ClassVar[Syntax] = "sqlite"
    # A connection that holds the database locked: whoever wants to read has to use it.
    held: sqlite3.Connection | None = None
    is_transactional: ClassVar[bool] = True
    is_server: ClassVar[bool] = False

    @classmethod
    def from_url(cls, url: str, root: Path) -> SQLite:
        """:raises ConfigurationError: the URL names no file."""
        text = url.partition(":///")[2].partition("?")[0]
        if not text or text == ":memory:" or text.startswith("file:"):
            raise ConfigurationError(
                f"The URL {url!r} names no database file.", next="Write sqlite:///FOLDER/FILE."
            )
        path = root / urllib.parse.unquote(text)
        relative = os.path.relpath(path, root) if path.drive == root.drive else ".."
        return cls(path, str(path) if relative.startswith("..") else Path(relative).as_posix())

    def same_as(self, other: Database) -> bool:
        if not isinstance(other, SQLite):
            return False
        with suppress(OSError):
            return os.path.samefile(self.path, other.path)  # a hard link, too
        here, there = os.path.realpath(self.path), os.path.realpath(other.path)
        return os.path.normcase(here) == os.path.normcase(there)

    def identity(self) -> str:
        return str(self.path)

    def redirect(self) -> None:
        return None

    def open_copy(self, file: Path) -> SQLite:
        return SQLite(file, file.name, immutable=True)

    @contextmanager
    def opened_copy(self, file: Path) -> Iterator[SQLite]:
        yield self.open_copy(file)

    def make_scratch(self, file: Path, backup: Path | None) -> SQLite:
        if backup is not None:
            shutil.copyfile(backup, file)
        return SQLite(file, file.name)

    @property
    def folder(self) -> Path:
        return self._lock_file().parent

    @property
    def lock_order(self) -> str:
        return str(self._lock_file())

    def locked(self, purpose: str, wait: float) -> AbstractContextManager[None]:
        from migrations_ops.databases.sqlite.lock import locked

        return locked(self._lock_file(), purpose, wait)

    def _lock_file(self) -> Path:
        # Beside the real file, so that every checkout and every link to it meets the same lock.
        real = files.real(self.path)
        return real.with_name(f".{real.name}.release-lock")

    def require_lock(self) -> None:
        """The system frees the lock of a file when its holder ends, and not before."""

    def find_blocking_sessions(self) -> list[str]:
        return []  # the system knows who locks a file, and does not say

    def find_obstacles(self, others: Mapping[str, str] = MappingProxyType({})) -> list[Finding]:
        return []  # whoever may write the file may put a backup into it

    def find_stuck_copies(self) -> list[Finding]:
        return []  # they are files beside the record, and go with it

    def size(self) -> int:
        with suppress(OSError):
            return self.path.stat().st_size + files.size_of(self.path, "-wal")
        return 0

    def stamp_of_content(self) -> dict[str, int | str]:
        stamp: dict[str, int | str] = {}
        real = files.real(self.path)
        for ending in ("", "-wal"):
            with suppress(OSError):
                found = os.stat(f"{real}{ending}")
                if not ending or found.st_size:
                    stamp |= {f"size{ending}": found.st_size, f"changed{ending}": found.st_mtime_ns}
                    stamp[f"file{ending}"] = found.st_ino
                if not ending:
                    # Nobody can set this one back, as cp -p and touch do with the other. That of
                    # the -wal changes whenever root opens it: SQLite then sees to its owner.
                    stamp["changed status"] = found.st_ctime_ns
        return stamp

    def unchanged_since(self, sidecar: Mapping[str, Any], version_table: str) -> bool:
        # As far as sizes and times tell: one that had only just been written has no such sign.
        source = sidecar.get("source")
        return source is not None and self.stamp_of_content() == source

    # -- reading ------------------------------------------------------------------------------

    @contextmanager
    def connect(self, *, writing: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection that never creates the file; one that only reads cannot write by mistake.

        It is opened read-write all the same, since a read-only connection can neither roll
        back a hot journal nor tidy up the -wal that it makes; SQLite itself falls back to
        reading where the file may not be written.
        """
        if self.held is not None:
            yield self.held
            return
        if not self.immutable:
            self._is_there()
        mode = "mode=ro&immutable=1" if self.immutable else "mode=rw"
        uri = f"{self.path.absolute().as_uri()}?{mode}"
        with closing(
            sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
        ) as connection:
            if not writing:
                connection.execute("PRAGMA query_only=ON")
            yield connection

    def look(self, version_table: str) -> Look:
        try:
            if not self._is_there():
                return Look(exists=False)
            with self.connect() as connection:
                return _look(connection, version_table)
        except (sqlite3.Error, OSError) as error:
            return Look(exists=True, trouble=in_words(error, self.label), remedy=remedy(error))

    def _is_there(self) -> bool:
        """:raises OSError: something else than a file has its name, or nobody may look; or opening
        it would destroy the last that is left of it.
        """
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            files.require_no_orphan(self.path, empty=False)
            return False
        if not stat.S_ISREG(found.st_mode):
            kind = "is a directory" if stat.S_ISDIR(found.st_mode) else "is no ordinary file"
            raise IsADirectoryError(errno.EISDIR, f"{kind}, not a database")
        if not found.st_size:
            files.require_no_orphan(self.path, empty=True)
        return True

    def require_usable(self) -> None:
        try:
            if self._is_there():
                trouble, advice = self._trouble()
            else:
                writable = _writable_folder(self.path.parent)
                trouble = "" if writable else f"the folder of {self.label} may not be written"
                advice = _SEE_TO_RIGHTS
        except (sqlite3.Error, OSError) as error:
            trouble, advice = in_words(error, self.label), remedy(error)
        if trouble:
            raise Refused(
                f"No upgrade can start: {trouble}.",
                untouched="No database was changed.",
                next=advice,
            )

    def _trouble(self) -> tuple[str, str]:
        with self.connect(writing=True) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            page_size = connection.execute("PRAGMA page_size").fetchone()[0]
        if not os.access(self.path, os.W_OK) or not _writable_folder(self.path.parent):
            return f"{self.label} may not be written", _SEE_TO_RIGHTS
        written = files.size_of(self.path, "-wal")
        if self.path.stat().st_size < pages * page_size and not written:
            return f"{self.label} is cut short: it had {pages} pages once", _RESTORE
        return "", ""

    def fingerprint(self, version_table: str) -> Fingerprint:
        try:
            with self.connect() as connection, snapshot(connection):
                return fingerprint(connection, version_table)
        except (sqlite3.Error, OSError) as error:
            if self.held is not None:
                raise  # whoever holds it knows what that means
            raise StepFailed(
                f"{in_words(error, self.label)}.",
                untouched="It was only read.",
                next=remedy(error),
            ) from error

    def compare_content(
        self, before: Path, pairs: Sequence[Pair], progress: Progress | None, *, orphans: bool
    ) -> ContentChange:
        from migrations_ops.databases.sqlite.rows.comparison import compare

        uri = f"{self.path.absolute().as_uri()}?mode=rw"
        try:
            return compare(uri, before, pairs, progress, orphans=orphans)
        except sqlite3.Error as error:
            raise StepFailed(
                f"The rows could not be compared: {in_words(error, self.label)}.",
                untouched="Nothing was changed.",
                next=remedy(error),
            ) from error

    def ledger(self) -> Ledger:
        from migrations_ops.databases.sqlite.ledger import read_ledger

        try:
            with self.connect() as connection:
                return read_ledger(connection)
        except (sqlite3.Error, OSError):
            return Ledger()

    def note(
        self, environment: str, run: Mapping[str, Any] | None = None, *, adopt: bool = False
    ) -> None:
        from migrations_ops.databases.sqlite.ledger import add_to_ledger

        try:
            with self.connect(writing=True) as connection:
                add_to_ledger(connection, environment, run, adopt=adopt)
        except (sqlite3.Error, OSError) as error:
            raise self._unchanged("The ledger could not be written", error) from error

    def find_damage(self) -> str:
        try:
            with self.connect() as connection:
                found = check(connection, 3)
        except (sqlite3.Error, OSError) as error:
            return in_words(error, self.label)
        if found == "ok":
            return ""
        lines = [line for line in found.splitlines() if not line.startswith("***")]
        return f"{self.label} is damaged: {'; '.join(lines[:3])}"

    def is_damaged(self) -> bool:
        try:
            with self.connect() as connection:
                return check(connection, 1) != "ok"
        except files.Orphaned:
            return True
        except OSError:
            return False
        except sqlite3.Error as error:
            return _code(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

    def check_integrity(self) -> list[Finding]:
        damage = self.find_damage()
        if damage:
            return [DAMAGED.found(self.label, reason=damage)]
        findings = []
        try:
            with self.connect() as connection:
                orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
                leftovers = _look(connection, "").leftovers
        except sqlite3.Error as error:
            return [DAMAGED.found(self.label, reason=in_words(error, self.label))]
        counts: dict[tuple[str, str], int] = {}
        for child, _, parent, _ in orphans:
            counts[child, parent] = counts.get((child, parent), 0) + 1
        for (child, parent), count in sorted(counts.items()):
            findings.append(ORPHANS.found(child, rows=count, parent=parent))
        return findings + [LEFTOVER_TABLE.found(table) for table in leftovers]

    # -- copying ------------------------------------------------------------------------------

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        from migrations_ops.databases.sqlite.dump import copy_out

        with self.connect() as connection:
            return copy_out(connection, into, version_table, progress)

    def restore_from(
        self,
        backup: Path,
        version_table: str,
        progress: Progress | None,
        keep: Keep | None = None,
    ) -> Restored:
        from migrations_ops.databases.sqlite.dump import copy_in

        try:
            return Restored(copy_in(self, backup, version_table, progress, keep))
        except (sqlite3.Error, OSError) as error:
            raise self._unchanged("The backup could not be put back", error) from error

    def _unchanged(self, what: str, error: sqlite3.Error | OSError) -> StepFailed:
        """Something could not be done to it, and it is as it was."""
        return StepFailed(
            f"{what}: {in_words(error, self.label)}.",
            untouched=f"{self.label} is as it was.",
            next=remedy(error),
        )

    def set_aside(self) -> str:
        return files.set_aside(self.path)

    def put_back(self, kept: str) -> None:
        files.put_back(self.path, kept)

    def tidy(self) -> None:
        files.tidy(self.path, lambda: self.connect(writing=True))

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        # The last one to close a database in WAL mode moves its -wal into it: what nobody has
        # changed would look changed.
        with ExitStack() as stack:
            with suppress(sqlite3.Error, OSError):
                stack.enter_context(self.connect()).execute("PRAGMA schema_version").fetchone()
            yield

    def prepare(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        files.remove(self.path)


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything read inside comes from one moment, whatever others write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def check(connection: sqlite3.Connection, most: int) -> str:
    """What SQLite finds damaged, a line each; "ok" where nothing is.

    quick_check takes a twentieth of the time of integrity_check, which only adds that indexes
    agree with their tables. But that of SQLite 3.40 sees a "NULL value" in each row of a sound
    table WITHOUT ROWID whose key has another order than its columns: then the long one decides.
    """
    found = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({most})")]
    if found and all(line.startswith("NULL value in ") for line in found):
        found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({most})")]
    return "\n".join(found)


def quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _look(connection: sqlite3.Connection, version_table: str) -> Look:
    from migrations_ops.databases.sqlite.ledger import read_ledger
    from migrations_ops.databases.sqlite.schema import table_names

    names = table_names(connection)
    versioned = version_table in names
    if versioned and not _is_of_alembic(connection, version_table):
        trouble = f"its table {version_table} is none of Alembic's: it has no column version_num"
        return Look(exists=True, trouble=trouble, remedy=_RESTORE, tables=len(names))
    return Look(
        exists=True,
        versioned=versioned,
        revisions=read_revisions(connection, version_table) if versioned else (),
        tables=len(names) - versioned,
        leftovers=tuple(name for name in names if name.startswith("_alembic_tmp_")),
        environment=read_ledger(connection).environment,
    )


def _is_of_alembic(connection: sqlite3.Connection, version_table: str) -> bool:
    columns = connection.execute("SELECT name FROM pragma_table_info(?)", (version_table,))
    return any(name.lower() == "version_num" for (name,) in columns)


def read_revisions(connection: sqlite3.Connection, version_table: str) -> tuple[str, ...]:
    rows = connection.execute(f"SELECT version_num FROM {quoted(version_table)}")
    return tuple(sorted(str(row[0]) for row in rows))


def fingerprint(connection: sqlite3.Connection, version_table: str) -> Fingerprint:
    """The fingerprint of what the connection sees; call it inside a snapshot."""
    from migrations_ops.databases.sqlite.schema import read_schema, table_names

    names = table_names(connection)
    versioned = version_table in names and _is_of_alembic(connection, version_table)
    # One of that name which Alembic did not make is kept and compared like any other table.
    tables = [name for name in names if name != version_table or not versioned]
    return Fingerprint(
        revisions=read_revisions(connection, version_table) if versioned else (),
        schema=read_schema(connection, tables),
        rows={name: count for name in tables if (count := _rows(connection, name)) is not None},
    )


def _rows(connection: sqlite3.Connection, table: str) -> int | None:
    try:
        return int(connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):
            return None  # a virtual table: its rows lie in ordinary tables, and are counted there
        raise


def in_words(error: sqlite3.Error | OSError, label: str) -> str:
    """What an error of SQLite means to a person."""
    if isinstance(error, IsADirectoryError | files.Orphaned):
        return f"{label} {error.strerror}"
    if isinstance(error, OSError):
        return f"{label} cannot be read: {error.strerror}"
    code = _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{label} is locked by another process"
    if code == sqlite3.SQLITE_NOTADB:
        return f"{label} is no SQLite database"
    if code == sqlite3.SQLITE_CORRUPT:
        return f"{label} is damaged: {error}"
    if code == sqlite3.SQLITE_CANTOPEN:
        return f"{label} cannot be opened"
    if code == sqlite3.SQLITE_READONLY:
        return f"{label} may not be written"
    if code == sqlite3.SQLITE_FULL:
        return f"the disk that holds {label} is full"
    return f"{label} cannot be read: {error}"


def remedy(error: sqlite3.Error | OSError) -> str:
    """What a person can do about such an error."""
    if isinstance(error, files.Orphaned):
        return _ORPHANED
    if isinstance(error, OSError):
        return _CHECK_URL if isinstance(error, IsADirectoryError) else _SEE_TO_RIGHTS
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "Let the other process finish, or stop it, and try again."
        case sqlite3.SQLITE_NOTADB:
            return f"{_CHECK_URL} {_RESTORE}"
        case sqlite3.SQLITE_CORRUPT:
            return _RESTORE
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY:
            return _SEE_TO_RIGHTS
        case sqlite3.SQLITE_FULL:
            return "Make room there and try again."
    return "See what is wrong with it: invoke doctor"


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _writable_folder(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
