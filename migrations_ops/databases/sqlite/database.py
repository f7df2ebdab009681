"""One SQLite file: its state, its backups, and its restore."""

from __future__ import annotations

import os
import shutil
import sqlite3
import urllib.parse
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from migrations_ops.child.protocol.stamp import stamp_of
from migrations_ops.databases.interface import Database, Progress, Restored, Save
from migrations_ops.databases.sqlite import files
from migrations_ops.databases.sqlite.connect import Connect, connect, exists, snapshot, tidy
from migrations_ops.databases.sqlite.errors import ConnectFailed, advice_on, code_of, in_words
from migrations_ops.databases.url import dialect_of, sqlite_path_of
from migrations_ops.model.errors import ConfigurationError, Refused, StepFailed
from migrations_ops.model.findings import DAMAGED, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import Ledger, LedgerEntry
from migrations_ops.system.files import OWN_FILE, Rights, give_rights, open_own, rights_of

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax
    from migrations_ops.databases.row_changes import ContentChange, RowQuery

T = TypeVar("T")


@dataclass(frozen=True)
class SQLite:
    """One SQLite file.

    ``immutable`` marks a backup that no one writes; ``locked_by`` is the connection that has the
    database locked exclusively, so that all other code has to read through it; ``also`` gives each
    connection what the application's have.
    """

    path: Path
    label: str
    immutable: bool = False
    suffix: str = ".sqlite3"
    locked_by: sqlite3.Connection | None = None
    also: Connect | None = None
    syntax: ClassVar[Syntax] = "sqlite"
    is_transactional: ClassVar[bool] = True
    is_server: ClassVar[bool] = False

    @classmethod
    def from_url(cls, url: str, root: Path) -> SQLite:
        """:raises ConfigurationError: the URL names no file."""
        text = sqlite_path_of(url)
        if not text:
            raise ConfigurationError(
                f"A URL that begins with {dialect_of(url)!r} names no database file.",
                next="Write sqlite:///FOLDER/FILE.",
            )
        path = root / urllib.parse.unquote(text)
        relative = os.path.relpath(path, root) if path.drive == root.drive else ".."
        return cls(path, str(path) if relative.startswith("..") else Path(relative).as_posix())

    def readers_go_on(self) -> bool:
        with suppress(OSError), self.path.open("rb") as file:
            # https://www.sqlite.org/fileformat.html, the file format read version: 2 is WAL.
            return file.read(20)[19:] == b"\x02"
        return False

    def with_connect(self, name: str, function: Callable[[Any], object]) -> SQLite:
        def also(connection: sqlite3.Connection) -> None:
            try:
                function(connection)
            except Exception as error:
                raise ConnectFailed(f"{name} failed: {type(error).__name__}: {error}") from error

        return replace(self, also=also)

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

    def neighbours(self) -> Iterator[SQLite]:
        label = Path(self.label)
        for path in files.find_databases(self.folder):
            other = replace(self, path=path, label=label.with_name(path.name).as_posix())
            if not self.same_as(other):
                yield other

    # -- reading ------------------------------------------------------------------------------

    def connect(self, *, writing: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        """As ``connect``, or the connection that has the database locked."""
        if self.locked_by is not None:
            return nullcontext(self.locked_by)
        return connect(self.path, writing=writing, immutable=self.immutable, also=self.also)

    def inspect(self, version_table: str) -> Inspection:
        from migrations_ops.databases.sqlite.inspection import inspect_database

        try:
            if not exists(self.path):
                return Inspection(exists=False)
            with self.connect() as connection:
                return inspect_database(connection, version_table)
        except (sqlite3.Error, OSError) as error:
            return Inspection(
                exists=True, trouble=in_words(error, self.label), advice=advice_on(error)
            )

    def fingerprint(self, version_table: str) -> Fingerprint:
        from migrations_ops.databases.sqlite.inspection import read_fingerprint

        return self._read(lambda connection: read_fingerprint(connection, version_table))

    def read_schema(self, version_table: str) -> Mapping[str, str]:
        from migrations_ops.databases.sqlite.inspection import read_own_schema

        return self._read(lambda connection: read_own_schema(connection, version_table))

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """:raises StepFailed: it cannot be read."""
        try:
            with self.connect() as connection, snapshot(connection):
                return read(connection)
        except (sqlite3.Error, OSError) as error:
            if self.locked_by is not None:
                raise  # the caller that has locked it handles the error
            raise StepFailed(
                f"{in_words(error, self.label)}.",
                untouched="It was only read.",
                next=advice_on(error),
            ) from error

    def size(self) -> int:
        with suppress(OSError):
            return self.path.stat().st_size + files.size_of(self.path, "-wal")
        return 0

    def stamp_of_content(self) -> dict[str, int | str]:
        return {**stamp_of(str(self.path))}

    def compare_content(
        self, before: Path, query: RowQuery, progress: Progress | None
    ) -> ContentChange:
        from migrations_ops.databases.sqlite.rows.comparison import compare

        uri = f"{self.path.absolute().as_uri()}?mode=rw"
        try:
            return compare(uri, before, query, progress, self.also)
        except sqlite3.Error as error:
            raise StepFailed(
                f"The rows could not be compared: {in_words(error, self.label)}.",
                untouched="Nothing was changed.",
                next=advice_on(error),
            ) from error

    def ledger(self, version_table: str) -> Ledger:
        from migrations_ops.databases.sqlite.ledger import read_ledger

        try:
            with self.connect() as connection:
                return read_ledger(connection, version_table)
        except (sqlite3.Error, OSError):
            return Ledger()

    def add_to_ledger(self, entry: LedgerEntry) -> None:
        from migrations_ops.databases.sqlite.ledger import add_to_ledger

        try:
            with self.connect(writing=True) as connection:
                add_to_ledger(connection, entry)
        except (sqlite3.Error, OSError) as error:
            raise self._unchanged("The ledger could not be written", error) from error

    def find_damage(self) -> str:
        from migrations_ops.databases.sqlite.integrity import check

        try:
            with self.connect() as connection:
                found = check(connection, 3)
        except (sqlite3.Error, OSError) as error:
            return in_words(error, self.label)
        if found == "ok":
            return ""
        lines = [line for line in found.splitlines() if not line.startswith("***")]
        return f"{self.label} is damaged: {'; '.join(lines[:3])}"

    def check_integrity(self) -> list[Finding]:
        from migrations_ops.databases.sqlite.integrity import find_inconsistencies

        damage = self.find_damage()
        if not damage:
            try:
                with self.connect() as connection:
                    return find_inconsistencies(connection) + self._find_faulty(connection)
            except sqlite3.Error as error:
                damage = in_words(error, self.label)
        return [DAMAGED.found(self.label, reason=damage)]

    def find_broken(self, gone: Collection[str] = ()) -> list[Finding]:
        from migrations_ops.databases.sqlite.broken import find_broken

        try:
            with self.connect() as connection:
                return find_broken(connection) + self._find_faulty(connection)
        except (sqlite3.Error, OSError) as error:
            return [DAMAGED.found(self.label, reason=in_words(error, self.label))]

    def _find_faulty(self, connection: sqlite3.Connection) -> list[Finding]:
        from migrations_ops.databases.sqlite.search_indexes import find_faulty

        if self.locked_by is not None:
            return []  # they are read by another connection
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        return find_faulty(connection, uri + "&immutable=1" * self.immutable, self.also)

    # -- before a release -----------------------------------------------------------------------

    def require_usable(self) -> None:
        from migrations_ops.databases.sqlite.preflight import find_trouble

        try:
            trouble, advice = find_trouble(self.path, self.label)
        except (sqlite3.Error, OSError) as error:
            trouble, advice = in_words(error, self.label), advice_on(error)
        if trouble:
            raise Refused(
                f"No upgrade can start: {trouble}.",
                untouched="No database was changed.",
                next=advice,
            )

    def find_obstacles(self, others: Mapping[str, str] = MappingProxyType({})) -> list[Finding]:
        return []  # a role that may write the file may put a backup into it

    def find_blocking_sessions(self) -> list[str]:
        return []  # the system does not report who locks a file

    def find_stuck_copies(self) -> list[Finding]:
        return []  # they are files beside the record, and go with it

    @property
    def lock_order(self) -> str:
        return str(files.lock_of(self.path))

    def locked(self, purpose: str, wait: float) -> AbstractContextManager[None]:
        from migrations_ops.databases.sqlite.lock import locked

        return locked(files.lock_of(self.path), purpose, wait)

    def require_lock(self) -> None:
        """The system frees the lock of a file when its process ends, and not before."""

    # -- copying ------------------------------------------------------------------------------

    def unchanged_since(
        self, taken: Fingerprint, source: Mapping[str, int | str] | None, version_table: str
    ) -> bool:
        # As far as sizes and times tell: one that had only just been written has no such sign.
        return source is not None and self.stamp_of_content() == source

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        from migrations_ops.databases.sqlite.dump import back_up

        with self.connect() as connection:
            return back_up(connection, into, version_table, progress)

    @contextmanager
    def opened_copy(self, file: Path) -> Iterator[SQLite]:
        yield SQLite(file, file.name, immutable=True, also=self.also)

    def make_scratch(self, file: Path, backup: Path | None) -> SQLite:
        # Made first: what SQLite puts beside it, and what env.py writes into it, is as private.
        os.close(open_own(file, os.O_RDWR | os.O_TRUNC))
        copy = SQLite(file, file.name, also=self.also)
        try:
            if backup is not None:
                shutil.copyfile(backup, file)
        except BaseException:
            copy.remove()  # a part of it is rows all the same
            raise
        return copy

    def restore_from(
        self,
        backup: Path,
        version_table: str,
        progress: Progress | None,
        save: Save | None = None,
    ) -> Restored:
        from migrations_ops.databases.sqlite.dump import restore

        def save_locked(connection: sqlite3.Connection | None) -> None:
            assert save is not None
            save(replace(self, locked_by=connection))

        saving = None if save is None else save_locked
        try:
            now = restore(self.path, self.label, backup, version_table, progress, saving, self.also)
            return Restored(now)
        except (sqlite3.Error, OSError) as error:
            raise self._unchanged("The backup could not be put back", error) from error

    def _unchanged(self, what: str, error: sqlite3.Error | OSError) -> StepFailed:
        """The error of an operation that failed and left the database unchanged."""
        return StepFailed(
            f"{what}: {in_words(error, self.label)}.",
            untouched=f"{self.label} is unchanged.",
            next=advice_on(error),
        )

    # -- its files ----------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return files.real(self.path).parent

    def rights(self) -> Mapping[str, int]:
        with suppress(OSError):
            return rights_of(self.path)._asdict()
        return {}

    def give_rights(self, rights: Mapping[str, int]) -> None:
        known = {key: value for key, value in rights.items() if key in Rights._fields}
        wanted = Rights(**known)
        give_rights(self.path, wanted._replace(mode=wanted.mode & 0o666 | OWN_FILE))

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        # The last one to close a database in WAL mode moves its -wal into it: an unchanged
        # database would look changed.
        with ExitStack() as stack:
            with suppress(sqlite3.Error, OSError):
                stack.enter_context(self.connect()).execute("PRAGMA schema_version").fetchone()
            yield

    def tidy(self) -> None:
        tidy(self.path)

    def is_damaged(self) -> bool:
        from migrations_ops.databases.sqlite.integrity import check

        try:
            with self.connect() as connection:
                return check(connection, 1) != "ok"
        except files.Orphaned:
            return True
        except OSError:
            return False
        except sqlite3.Error as error:
            return code_of(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

    def set_aside(self) -> str:
        return files.set_aside(self.path)

    def put_back(self, previous: str) -> None:
        files.put_back(self.path, previous)

    def prepare(self) -> None:
        files.make(self.path)

    def remove(self) -> None:
        files.remove(self.path)
