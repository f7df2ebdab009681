"""One small interface to every engine, chosen by the scheme of the URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from migrations_ops.errors import ConfigurationError
from migrations_ops.results import Finding, Fingerprint, Ledger, Look

if TYPE_CHECKING:
    from migrations_ops.databases.contents import ContentChange, Pair

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

    def hold(self, purpose: str, wait: float) -> AbstractContextManager[None]:
        """Keep every other release away from this database; the lock of a dead holder is free.

        :param purpose: the task, for those who wait.
        :param wait: how long, in seconds, to wait for whoever holds it.
        :raises Locked: another process holds it; it is named, with its host and since when.
        :raises Refused: the lock cannot be taken.
        """

    def require_held(self) -> None:
        """:raises StepFailed: the lock was lost, with the connection that held it."""

    def require_way_back(self) -> None:
        """:raises Refused: a backup could not be verified here, or not be put back."""

    def has_way_back(self) -> bool:
        """Whether this role may put a backup back without a person's help."""

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

    def attended(self) -> AbstractContextManager[None]:
        """Keep the database open inside, so that no process that closes it is the last one."""

    def prepare_place(self) -> None:
        """Make room for a database that the upgrade is about to create."""

    def remove(self) -> None:
        """Remove a database that an upgrade had just created and then failed to fill."""

    def orders(self) -> str:
        """By what the child recognises it: the path of its file, or what its server calls it.

        :raises StepFailed: the server cannot be asked.
        """

    def redirect(self) -> dict[str, Any] | None:
        """Of a scratch database: what of a connection to the real one has to be replaced."""


def open_database(url: str, root: Path) -> Database:
    """The database that a URL names.

    :param root: the folder that labels are shown relative to.
    :raises ConfigurationError: no engine here reads such a URL.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        from migrations_ops.databases.sqlite import SQLite

        return SQLite.from_url(url, root)
    raise ConfigurationError(
        f"No engine of migrations_ops reads {scheme!r} URLs.",
        next="This version releases SQLite databases: sqlite:///FILE.",
    )
