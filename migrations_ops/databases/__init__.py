"""One small interface to every engine, chosen by the scheme of the URL."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.findings import Finding
from migrations_ops.model.results import Fingerprint, Ledger, Look

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax
    from migrations_ops.databases.row_changes import ContentChange, Pair

# What remembers which environment a database is, and what was applied to it. It is no part of the
# project's schema: nothing that compares schemas sees it.
LEDGER = "migrations_ops_ledger"

# Called with the bytes done and the total, as often as the engine likes.
Progress = Callable[[int, int], None]


# Called with a database, to keep what it holds.
Keep = Callable[["Database"], object]


@dataclass(frozen=True, slots=True)
class Restored:
    """How a database is after a restore; ``kept`` is where the engine itself keeps what was there
    before, empty where it does not."""

    now: Fingerprint
    kept: str = ""


class Database(Protocol):
    """What the tool needs to know of one database, and to do with it, without Alembic."""

    @property
    def label(self) -> str:
        """The database in words, without any secret."""

    @property
    def suffix(self) -> str:
        """How the names of its backups end."""

    @property
    def syntax(self) -> Syntax:
        """Whose SQL its revisions speak."""

    def same_as(self, other: Database) -> bool:
        """Whether both are the same database under two names."""

    def look(self, version_table: str) -> Look:
        """Read where the database stands; never raises, never creates or changes anything."""

    def require_usable(self) -> None:
        """Raise Refused unless the database can be read and written, or does not exist yet."""

    @property
    def folder(self) -> Path | None:
        """Where its file grows; None for a server's database, of which no file is seen here."""

    @property
    def is_transactional(self) -> bool:
        """Whether changes of the schema are rolled back with the rest of a failed upgrade."""

    @property
    def lock_order(self) -> str:
        """Where its lock comes, when several are taken."""

    def locked(self, purpose: str, wait: float) -> AbstractContextManager[None]:
        """Keep every other release away from this database; the lock of a dead holder is free.

        :param purpose: the task, for those who wait.
        :param wait: how long, in seconds, to wait for whoever holds it.
        :raises Locked: another process holds it; it is named, with its host and since when.
        :raises Refused: the lock cannot be taken.
        """

    def require_lock(self) -> None:
        """:raises StepFailed: the lock was lost, with the connection that held it."""

    def find_holders(self) -> list[str]:
        """The sessions of others that hold locks on its tables, in words, the oldest first; empty
        where nobody can tell."""

    def resumed_restores(self) -> list[str]:
        """What of a restore that was killed was finished, or undone, when the lock was taken: in
        words, and told once."""

    def find_obstacles(self, others: Mapping[str, str] = MappingProxyType({})) -> list[Finding]:
        """What stands in the way of a backup, of its proof, or of putting it back: rights that the
        role lacks, programs that are not here, an engine on which nobody has tried it.

        :param others: what the servers of the other environments call their databases (``orders``).
        """

    def find_stuck_copies(self) -> list[Finding]:
        """The throw-away copies that could not be taken away when the lock was let go."""

    def size(self) -> int:
        """Its size in bytes, 0 where there is nothing."""

    def stamp_of_content(self) -> dict[str, int | str]:
        """A cheap sign of the content: as long as it stays equal, nothing was written."""

    def unchanged_since(self, sidecar: Mapping[str, Any], version_table: str) -> bool:
        """Whether it still holds what that backup holds, as its sidecar tells."""

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        """Write a consistent copy into a new file, flushed, and return its fingerprint."""

    def opened_copy(self, file: Path) -> AbstractContextManager[Database]:
        """A backup file as a database of its own, which nobody writes.

        :raises StepFailed: it cannot be restored.
        """

    def make_scratch(self, place: Path, backup: Path | None) -> Database:
        """A database to be written and thrown away, by ``remove``.

        :param place: where its file goes, if it is one.
        :param backup: what it is filled from; None for an empty one.
        :raises StepFailed: it cannot be made.
        """

    def fingerprint(self, version_table: str) -> Fingerprint:
        """Revision, schema and row counts, in one consistent read.

        :raises StepFailed: it cannot be read.
        """

    def compare_content(
        self, before: Path, pairs: Sequence[Pair], progress: Progress | None, *, orphans: bool
    ) -> ContentChange:
        """How the rows of these tables differ from those in an earlier copy; only reads.

        :param before: the file of a backup.
        :param orphans: whether to look also for rows that have lost their parents.
        :raises StepFailed: one of both cannot be read.
        """

    def ledger(self) -> Ledger:
        """What the database remembers of itself; an empty ledger where it cannot be read."""

    def note(
        self, environment: str, run: Mapping[str, Any] | None = None, *, adopt: bool = False
    ) -> None:
        """Add a run to the ledger, which is made where there is none.

        :param adopt: give the database a new identity, as that environment's.
        :raises StepFailed: it cannot be written.
        """

    def find_damage(self) -> str:
        """What is physically wrong with it, in words; empty where nothing is."""

    def is_damaged(self) -> bool:
        """Whether its content is lost in part; False where it is merely locked or out of reach."""

    def drop_invalid_indexes(self) -> tuple[list[str], list[str]]:
        """Drop the indexes that a failed CREATE INDEX CONCURRENTLY has left, and no query uses:
        those that the ledger names as made by the revision that has begun.

        :returns: their names; and the names of those that cannot be dropped now.
        """

    def indexes_of_others(self) -> Mapping[str, bool]:
        """The indexes that are none of the revision's that has begun, as fingerprints name them,
        and whether each is INVALID; none where nobody can tell whose they are.

        Of those that were INVALID before it began, none is told.
        """

    def check_integrity(self) -> list[Finding]:
        """What the engine itself finds wrong."""

    def restore_from(
        self,
        backup: Path,
        version_table: str,
        progress: Progress | None,
        keep: Keep | None = None,
    ) -> Restored:
        """Make the content equal to the backup's, in place, with readers and writers attached.

        :param keep: is called with the database while nobody can commit, before it is replaced;
            not where the engine keeps by itself what it replaces.
        """

    def set_aside(self) -> str:
        """Move a damaged database out of the way of its backup; returns where it is kept."""

    def put_back(self, kept: str) -> None:
        """Undo ``set_aside``."""

    def tidy(self) -> None:
        """Take away what a killed process left beside the database and nothing depends on."""

    def kept_open(self) -> AbstractContextManager[None]:
        """Keep the database open inside, so that no process that closes it is the last one."""

    def prepare_place(self) -> None:
        """Make room for a database that the upgrade is about to create."""

    def remove(self) -> None:
        """Remove a database that an upgrade had just created and then failed to fill."""

    def identity(self) -> str:
        """By what the child recognises it: the path of its file, or what its server calls it.

        :raises StepFailed: the server cannot be asked.
        """

    def redirect(self) -> dict[str, Any] | None:
        """Of a scratch database: what of a connection to the real one has to be replaced."""


def open_database(
    url: str, root: Path, schema: str | None = None, scratch_url: str | None = None
) -> Database:
    """The database that a URL names.

    :param root: the folder that labels are shown relative to.
    :param schema: where the version table is, if not where unqualified names go.
    :param scratch_url: a database of the server on which copies are made.
    :raises ConfigurationError: no engine here reads such a URL, or its driver is not installed.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        from migrations_ops.databases.sqlite.database import SQLite

        return SQLite.from_url(url, root)
    if scheme == "postgresql":
        _require_driver("psycopg", "postgresql")
        from migrations_ops.databases.postgresql.database import PostgreSQL

        return PostgreSQL.from_url(url, schema, scratch_url)
    if scheme in ("mariadb", "mysql"):
        _require_driver("pymysql", "mariadb")
        from migrations_ops.databases.mariadb.database import MariaDB

        return MariaDB.from_url(url, scratch_url)
    raise ConfigurationError(
        f"No engine of migrations_ops reads {scheme!r} URLs.",
        next="Write sqlite:///FILE, or postgresql:// or mariadb://USER:PASSWORD@HOST/DATABASE.",
    )


def _require_driver(module: str, extra: str) -> None:
    """:raises ConfigurationError: it is not installed beside this tool."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{extra} URLs need {module}, which cannot be imported here: {error}.",
            next=f'Install it: pip install "migrations-ops[{extra}]"',
        ) from None
