"""The interface of an engine: small protocols that it implements, without Alembic.

``Database`` is the sum of what every engine does. What only some engines can do is a separate
protocol (``DatabaseFile``, ``LeavesInvalidIndexes``, ``ResumesRestores``): ask with ``isinstance``.

CONTRIBUTING.md lists what a new engine needs besides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from migrations_ops.model.findings import Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import Ledger, LedgerEntry

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax
    from migrations_ops.databases.row_changes import ContentChange, RowQuery

# Called with the bytes done and the total, as often as the engine likes.
Progress = Callable[[int, int], None]
T = TypeVar("T")
# Called with a database, to keep its content.
Save = Callable[["Database"], object]


@dataclass(frozen=True, slots=True)
class Restored:
    """The state of a database after a restore.

    ``previous`` names where the engine itself keeps the previous content, empty where it does not.
    """

    now: Fingerprint
    previous: str = ""


class Named(Protocol):
    """Names and identifies a database."""

    @property
    def label(self) -> str:
        """The name of the database for messages, without any secret."""

    @property
    def is_server(self) -> bool:
        """Whether it is on a server, where other sessions may write at any time."""

    @property
    def is_transactional(self) -> bool:
        """Whether changes of the schema are rolled back with the rest of a failed upgrade."""

    @property
    def syntax(self) -> Syntax:
        """The SQL dialect of its revisions."""

    def same_as(self, other: Database) -> bool:
        """Whether both are the same database under two names."""

    def identity(self) -> str:
        """How the child recognises it: the path of its file, or the identity that its server
        reports.

        :raises StepFailed: the server cannot be asked.
        """

    def redirect(self) -> dict[str, Any] | None:
        """For a scratch database: the parts of the real one's address to replace in a
        connection."""


class Readable(Named, Protocol):
    """Reads the state of a database, and changes nothing."""

    def inspect(self, version_table: str) -> Inspection:
        """Read its revision and other state; never raises, never creates anything."""

    def fingerprint(self, version_table: str) -> Fingerprint:
        """Read revision, schema and row counts, in one consistent read.

        :raises StepFailed: it cannot be read.
        """

    def read_schema(self, version_table: str) -> Mapping[str, str]:
        """Read the schema of its fingerprint alone.

        :raises StepFailed: it cannot be read.
        """

    def ledger(self, version_table: str) -> Ledger:
        """Read the ledger of a version table; an empty one where it cannot be read."""

    def size(self) -> int:
        """Its size in bytes, 0 if it does not exist."""

    def stamp_of_content(self) -> dict[str, int | str]:
        """A cheap version stamp of the content: while it is equal, nothing was written.

        Empty where the engine has none.
        """

    def find_damage(self) -> str:
        """Describe physical damage; empty for none."""

    def check_integrity(self) -> list[Finding]:
        """Run the engine's own integrity checks."""

    def find_broken(self, gone: Collection[str] = ()) -> list[Finding]:
        """Find triggers, views, foreign keys and routines that no longer work.

        :param gone: tables, and columns as ``TABLE.COLUMN``, that an upgrade has dropped or
            renamed: a server does not compile a routine before it is called.
        """

    def compare_content(
        self, before: Path, query: RowQuery, progress: Progress | None
    ) -> ContentChange:
        """Compare rows with an earlier copy.

        :param before: the file of a backup.
        :raises StepFailed: one of them cannot be read.
        """


class Checked(Named, Protocol):
    """Finds before a release what would prevent it."""

    def require_usable(self) -> None:
        """:raises Refused: the database exists and cannot be read, or cannot be written."""

    def find_obstacles(self, others: Mapping[str, str] = MappingProxyType({})) -> list[Finding]:
        """Find what prevents a backup, its proof, or a restore: missing rights of the role, missing
        programs, an untested version of the server.

        :param others: the identities of the other environments' databases.
        """

    def find_blocking_sessions(self) -> list[str]:
        """Describe the sessions that lock its tables, the oldest first; empty where the engine
        cannot report them."""

    def find_stuck_copies(self) -> list[Finding]:
        """Find copies that could not be dropped when the lock was released."""


class Lockable(Named, Protocol):
    """Has a lock that excludes other releases."""

    @property
    def lock_order(self) -> str:
        """The sort key when several locks are acquired: the same order in every task."""

    def locked(self, purpose: str, wait: float) -> AbstractContextManager[None]:
        """Lock it against every other release; the lock of a dead process is free.

        :param purpose: the task, shown to those who wait.
        :param wait: how long, in seconds, to wait for another release.
        :raises Locked: another process has the lock; it is named, with its host and since when.
        :raises Refused: the lock cannot be taken.
        """

    def require_lock(self) -> None:
        """:raises StepFailed: the lock was lost together with its connection."""


class BackedUp(Readable, Protocol):
    """Is backed up into a file, and restored from it."""

    @property
    def suffix(self) -> str:
        """How the names of its backups end: one or two parts of small letters and digits, each
        after a dot, and neither of them ``json`` or ``part``."""

    def unchanged_since(
        self, taken: Fingerprint, source: Mapping[str, int | str] | None, version_table: str
    ) -> bool:
        """Whether its content is unchanged since a backup.

        :param taken: the fingerprint of that backup.
        :param source: the content stamp at that time, if the database was idle.
        """

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        """Write a consistent copy into a new file, flushed, and return its fingerprint."""

    def opened_copy(self, file: Path) -> AbstractContextManager[Database]:
        """Open a backup file as a database, which no one writes.

        :raises StepFailed: it cannot be restored.
        """

    def restore_from(
        self,
        backup: Path,
        version_table: str,
        progress: Progress | None,
        save: Save | None = None,
    ) -> Restored:
        """Make the content equal to the backup's, in place, while other sessions are connected.

        :param save: called with the database before it is replaced, while no one can commit; not
            called where the engine itself keeps the replaced content.
        """


class Writable(Named, Protocol):
    """Is created, written and removed around an upgrade."""

    def prepare(self) -> None:
        """Prepare for the upgrade that will create it: make the folder of a file, or an empty
        database on a server."""

    def remove(self) -> None:
        """Remove a database that an upgrade had just created and then failed to fill."""

    def add_to_ledger(self, entry: LedgerEntry) -> None:
        """Add to the ledger, which is created if missing.

        :raises StepFailed: it cannot be written.
        """

    def make_scratch(self, file: Path, backup: Path | None) -> Database:
        """Create a scratch database, to be removed with ``remove``.

        :param file: its file, if it is one.
        :param backup: the backup that fills it; None for an empty one.
        :raises StepFailed: it cannot be made.
        """


class Database(BackedUp, Checked, Lockable, Writable, Protocol):
    """All that every engine does."""


# -- what only some engines can do ------------------------------------------------------------


@runtime_checkable
class DatabaseFile(Protocol):
    """A database that is a file which this process can reach."""

    @property
    def folder(self) -> Path:
        """Where its file grows."""

    def rights(self) -> Mapping[str, int]:
        """Who may read and write its file."""

    def give_rights(self, rights: Mapping[str, int]) -> None:
        """Give its file such rights, as far as permitted."""

    def kept_open(self) -> AbstractContextManager[None]:
        """Keep the database open, so that no other process is the last one to close it."""

    def tidy(self) -> None:
        """Remove files that a killed process left next to the database and nothing depends on."""

    def is_damaged(self) -> bool:
        """Whether its content is lost in part; False where it is merely locked or out of reach."""

    def set_aside(self) -> str:
        """Move the damaged file aside; returns its new path."""

    def put_back(self, previous: str) -> None:
        """Undo ``set_aside``."""


@runtime_checkable
class HasNeighbours(Protocol):
    """A database next to which others may be, one of which may be meant by a mistyped URL."""

    def neighbours(self) -> Iterator[Database]:
        """Those in the folder of its file; on a server, those whose names differ by a typo."""


@runtime_checkable
class ConnectsLikeTheApplication(Protocol):
    """A database whose functions and collations each connection has to be given."""

    def with_connect(self, name: str, function: Callable[[Any], object]) -> Database:
        """The same database, on each connection of which the function is called.

        :param name: the function as the configuration names it.
        """


@runtime_checkable
class LeavesInvalidIndexes(Protocol):
    """A database in which a failed CREATE INDEX CONCURRENTLY leaves an INVALID index."""

    def drop_invalid_indexes(self, version_table: str) -> tuple[list[str], list[str]]:
        """Drop the INVALID indexes that the ledger names as made by the revision that has begun.

        No query uses them.

        :returns: their names; and the names of those that cannot be dropped now.
        """

    def indexes_of_others(self, version_table: str) -> Mapping[str, bool]:
        """The indexes that the unfinished revision did not make, named as in fingerprints, and
        whether each is INVALID; none where it is unknown who made them.

        Indexes that were INVALID before it started are left out.
        """


@runtime_checkable
class LeavesRowsOut(Protocol):
    """A database whose backups do not hold all rows: those that others make again."""

    def find_left_out(self, backup: Path) -> list[Finding]:
        """The tables of which a restore of this backup would bring back other rows.

        :raises StepFailed: one of them cannot be read.
        """


@runtime_checkable
class Publishes(Protocol):
    """A database that may send rows of its tables to others."""

    def published_tables(self) -> Mapping[str, str]:
        """What sends the rows of each table, in words; none where that cannot be read."""


@runtime_checkable
class ResumesRestores(Protocol):
    """A database whose killed restores are finished or undone later."""

    def resumed_restores(self) -> list[str]:
        """Describe what was finished or undone when the lock was taken; returned once."""


@runtime_checkable
class WritesAhead(Protocol):
    """A database that may have a write-ahead log."""

    def readers_go_on(self) -> bool:
        """Whether others can read while one commits."""


def drop_invalid_indexes(database: Database, version_table: str) -> tuple[list[str], list[str]]:
    """As ``LeavesInvalidIndexes``; nothing where an engine leaves none."""
    if isinstance(database, LeavesInvalidIndexes):
        return database.drop_invalid_indexes(version_table)
    return [], []


def neighbours(database: Database) -> Iterator[Database]:
    """As ``HasNeighbours``; none where an engine knows none."""
    return database.neighbours() if isinstance(database, HasNeighbours) else iter(())


def published_tables(database: Database) -> Mapping[str, str]:
    """As ``Publishes``; nothing where an engine does not."""
    return database.published_tables() if isinstance(database, Publishes) else {}


def find_left_out(database: Database, backup: Path) -> list[Finding]:
    """As ``LeavesRowsOut``; nothing where backups hold all."""
    return database.find_left_out(backup) if isinstance(database, LeavesRowsOut) else []


def indexes_of_others(database: Database, version_table: str) -> Mapping[str, bool]:
    """As ``LeavesInvalidIndexes``; nothing where an engine leaves none."""
    if isinstance(database, LeavesInvalidIndexes):
        return database.indexes_of_others(version_table)
    return {}


def readers_go_on(database: Database) -> bool:
    """As ``WritesAhead``."""
    return isinstance(database, WritesAhead) and database.readers_go_on()


def with_progress(items: Iterable[tuple[T, int]], progress: Progress | None) -> Iterator[T]:
    """Each item, which comes with its size, while ``progress`` is told how far that is."""
    items = [*items]
    total, done = sum(size for _, size in items), 0
    for item, size in items:
        if progress is not None and total:
            progress(done, total)
        done += size
        yield item
    if progress is not None and total:
        progress(total, total)
