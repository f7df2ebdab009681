"""MariaDB: where a database stands, its backups, and its way back. MySQL is spoken to likewise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import pymysql

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.child.protocol.ledger import Run, from_text, mariadb_view
from migrations_ops.databases.address import Address
from migrations_ops.databases.interface import Keep, Progress, Restored
from migrations_ops.databases.ledger import extended, ledger_of
from migrations_ops.databases.mariadb.connect import (
    Connection,
    ask,
    begin_snapshot,
    close,
    connect,
    identity,
    promptly,
)
from migrations_ops.databases.mariadb.copies import Copies
from migrations_ops.databases.mariadb.errors import in_words, is_missing, remedy
from migrations_ops.databases.mariadb.lock import hold_release_lock
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.sessions import find_blocking_sessions
from migrations_ops.databases.server import Held, ServerDatabase
from migrations_ops.model.errors import NeedsAPerson, Refused, StepFailed
from migrations_ops.model.findings import UNREACHABLE, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.ledger import Ledger
from migrations_ops.model.status import Look

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax
    from migrations_ops.databases.row_changes import ContentChange, Pair


@dataclass
class _Held(Held):
    copies: Copies
    # What was found half done when the lock was taken, in words.
    resumed_restores: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MariaDB(ServerDatabase):
    """One database of a MariaDB server."""

    _held: _Held = field(kw_only=True, compare=False, repr=False)
    suffix: ClassVar[str] = ".sql.gz"
    syntax: ClassVar[Syntax] = "mariadb"
    is_transactional: ClassVar[bool] = False

    @classmethod
    def from_url(cls, url: str, scratch_url: str | None = None) -> MariaDB:
        """:param scratch_url: a database of the server on which copies are made.
        :raises ConfigurationError: a URL names no database.
        """
        address = Address.of(url)
        place = Address.of(scratch_url) if scratch_url else address
        return cls(address, _held=_Held(Copies(address, place)))

    @contextmanager
    def _connected(self, purpose: str = "") -> Iterator[Connection]:
        connection = connect(self.address, purpose)
        try:
            yield connection
        finally:
            close(connection)

    # -- reading ------------------------------------------------------------------------------

    def look(self, version_table: str) -> Look:
        try:
            with self._connected("look") as connection, promptly(connection):
                return _look(connection, version_table)
        except pymysql.MySQLError as error:
            if is_missing(error):
                return Look(exists=False)
            return Look(exists=True, trouble=in_words(error, self.label), remedy=remedy(error))

    def require_usable(self) -> None:
        try:
            with self._connected() as connection, promptly(connection):
                read_only = bool(ask(connection, "SELECT @@global.read_only")[0][0])
        except pymysql.MySQLError as error:
            if is_missing(error):
                return
            raise Refused(
                f"No upgrade can start: {in_words(error, self.label)}.",
                untouched="No database was changed.",
                next=remedy(error),
            ) from None
        if read_only:
            raise Refused(
                f"No upgrade can start: {self.label} may only be read.",
                untouched="No database was changed.",
                next="Give the environment the address of the primary server.",
            )

    def find_blocking_sessions(self) -> list[str]:
        with suppress(pymysql.MySQLError), self._connected() as connection, promptly(connection):
            return find_blocking_sessions(connection)
        return []

    def size(self) -> int:
        sql = (
            "SELECT coalesce(sum(data_length), 0) FROM information_schema.tables"
            " WHERE table_schema = DATABASE()"
        )
        with suppress(pymysql.MySQLError), self._connected() as connection, promptly(connection):
            return int(ask(connection, sql)[0][0])
        return 0

    def stamp_of_content(self) -> dict[str, int | str]:
        return {}  # nothing that is cheap tells it

    def unchanged_since(
        self, taken: Fingerprint, source: Mapping[str, int | str] | None, version_table: str
    ) -> bool:
        if not taken.sums and taken.rows:
            return False
        with suppress(pymysql.MySQLError):
            return self._fingerprint(version_table, summed=True) == taken
        return False

    def fingerprint(self, version_table: str) -> Fingerprint:
        try:
            return self._fingerprint(version_table, summed=self.summed)
        except pymysql.MySQLError as error:
            raise self._failed(in_words(error, self.label), error) from error

    def _fingerprint(self, version_table: str, *, summed: bool) -> Fingerprint:
        from migrations_ops.databases.mariadb.rows.comparison import count, count_and_sum
        from migrations_ops.databases.mariadb.schema.reading import read_schema, read_tables

        with self._connected("fingerprint") as connection:
            begin_snapshot(connection)
            look = _look(connection, version_table)
            tables = [
                name
                for name in read_tables(connection)
                if name != version_table or not look.versioned
            ]
            schema = read_schema(connection, version_table)
            if summed:
                rows, sums = count_and_sum(connection, tables)
            else:
                rows, sums = count(connection, tables), {}
            return Fingerprint(look.revisions, schema, rows, sums)

    def compare_content(
        self, before: Path, pairs: Sequence[Pair], progress: Progress | None, *, orphans: bool
    ) -> ContentChange:
        from migrations_ops.databases.mariadb.rows.comparison import compare

        try:
            earlier = self._held.copies.restored(before)
            with self._connected("compare") as connection:
                return compare(
                    connection, earlier.database, self.address.database, pairs, progress,
                    orphans=orphans,
                )  # fmt: skip
        except pymysql.MySQLError as error:
            what = f"the rows could not be compared: {in_words(error, self.label)}"
            raise self._failed(what, error) from error

    def ledger(self) -> Ledger:
        with suppress(pymysql.MySQLError), self._connected() as connection, promptly(connection):
            return ledger_of(_read_ledger(connection) or [])
        return Ledger()

    def note(
        self, environment: str, run: Mapping[str, Any] | None = None, *, adopt: bool = False
    ) -> None:
        try:
            with self._connected() as connection, promptly(connection):
                runs = extended(_read_ledger(connection), environment, run, adopt=adopt)
                with connection.cursor() as cursor:
                    cursor.execute(mariadb_view(self.address.database, runs))
        except pymysql.MySQLError as error:
            what = f"the ledger could not be written: {in_words(error, self.label)}"
            raise self._failed(what, error) from error

    def find_damage(self) -> str:
        try:
            with self._connected():
                return ""
        except pymysql.MySQLError as error:
            return in_words(error, self.label)

    def check_integrity(self) -> list[Finding]:
        return []

    # -- one release at a time ------------------------------------------------------------------

    @contextmanager
    def locked(self, purpose: str, wait: float) -> Iterator[None]:
        with hold_release_lock(self.address, purpose, wait) as lock:
            self._held.lock = lock
            self._held.resumed_restores = self._take_up_exchange()
            with self._swept():
                yield

    def resumed_restores(self) -> list[str]:
        found, self._held.resumed_restores = self._held.resumed_restores, []
        return found

    def _take_up_exchange(self) -> list[str]:
        """What a restore has left that was killed: nothing else may work on half of it."""
        try:
            return self._on_its_server().take_up_exchange()
        except pymysql.MySQLError as error:
            raise self._failed(in_words(error, self.label), error) from error

    # -- copying ------------------------------------------------------------------------------

    def _on_its_server(self) -> Copies:
        """Copies beside the database itself, wherever they are made else."""
        copies = self._held.copies
        return copies if copies.place is copies.real else Copies(self.address, self.address)

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        """No two sessions can see the same moment here: what did not change between the beginning
        and the end has to be in the backup as it is in the database."""
        from migrations_ops.databases.mariadb.dump import dump

        before = self._fingerprint(version_table, summed=True)
        dump(self.address, into, progress)
        after = self._fingerprint(version_table, summed=True)
        if not before.structure_equals(after):
            raise StepFailed(
                f"Somebody changed the tables of {self.label} while they were copied.",
                untouched="It was only read, and the copy was discarded.",
                next="Try again when that has ended.",
            )
        taken = self._copy(self._held.copies.restored(into), summed=True).fingerprint(version_table)
        unlike = [
            name
            for name, total in before.sums.items()
            if after.sums.get(name) == total and taken.sums.get(name) != total
        ]
        if unlike or not taken.structure_equals(before):
            raise StepFailed(
                "The backup could not be verified:"
                f" {', '.join(unlike[:3]) or 'its schema'} is not as in {self.label}.",
                untouched="The database was not changed, and the copy was discarded.",
                next="See what is special about it: invoke doctor",
            )
        return taken

    def make_scratch(self, file: Path, backup: Path | None) -> MariaDB:
        return self._copy(self._held.copies.clone(backup))

    def find_obstacles(self, others: Mapping[str, str] = MappingProxyType({})) -> list[Finding]:
        from migrations_ops.databases.mariadb.preflight.obstacles import find_obstacles

        try:
            return find_obstacles(self.address, self._held.copies, others)
        except pymysql.MySQLError as error:
            reason = in_words(error, self.label)
            return [UNREACHABLE.found(self.label, reason=reason, remedy=remedy(error))]

    def restore_from(
        self,
        backup: Path,
        version_table: str,
        progress: Progress | None,
        keep: Keep | None = None,
    ) -> Restored:
        copies = self._on_its_server()  # tables move from there
        if not self.look(version_table).exists:
            self.prepare()
        address = copies.restored(backup)
        now = self._copy(address, summed=True).fingerprint(version_table)
        copies.take(backup)
        try:
            kept = copies.exchange(address.database)
        finally:
            copies.drop(address)
        self._require_restored(version_table, now, kept)
        return Restored(now, f"the database {kept} of the same server")

    def _require_restored(self, version_table: str, wanted: Fingerprint, kept: str) -> None:
        """Some of what the tables took along, or left behind, shows only where they are now.

        :raises NeedsAPerson: the schema is not that of the backup.
        """
        from migrations_ops.databases.mariadb.schema.reading import read_schema

        try:
            with self._connected("fingerprint") as connection:
                now = read_schema(connection, version_table)
        except pymysql.MySQLError as error:
            what = f"cannot be compared with its backup after the restore: {in_words(error, 'it')}"
        else:
            # One that has fired meanwhile is gone, or at rest.
            unlike = sorted(
                key
                for key in dict(now.items() ^ wanted.schema.items())
                if not key.startswith("event ")
            )
            if not unlike:
                return
            more = f" and {len(unlike) - 3} more" if len(unlike) > 3 else ""
            what = f"is not as its backup after the restore: {', '.join(unlike[:3])}{more}"
        raise NeedsAPerson(
            f"{self.label} {what}.",
            untouched=f"What it held until then is in the database {kept} of the same server.",
            next="See what changes it meanwhile, stop that, and type the same again.",
        )

    def prepare(self) -> None:
        try:
            connection = connect(self.address, database=False)
            try:
                ask(connection, f"CREATE DATABASE IF NOT EXISTS {quoted(self.address.database)}")
            finally:
                close(connection)
        except pymysql.MySQLError as error:
            what = f"the database could not be made: {in_words(error, 'its server')}"
            raise self._failed(what, error) from error

    def remove(self) -> None:
        if self.is_copy:
            self._held.copies.drop(self.address)
            return
        look = self.look("")
        if not look.exists or look.trouble or look.tables:
            return
        with suppress(pymysql.MySQLError), self._connected() as connection:
            ask(connection, f"DROP DATABASE {quoted(self.address.database)}")

    # -- the child ----------------------------------------------------------------------------

    def identity(self) -> str:
        try:
            with self._connected() as connection, promptly(connection):
                return identity(connection)
        except pymysql.MySQLError as error:
            if is_missing(error):
                return f"mariadb:missing:{self.label}"
            raise self._failed(in_words(error, self.label), error) from error

    def _failed(self, what: str, error: pymysql.MySQLError) -> StepFailed:
        return StepFailed(
            f"{what[:1].upper()}{what[1:]}.",
            untouched=f"{self.label} is as it was.",
            next=remedy(error),
        )


def _look(connection: Connection, version_table: str) -> Look:
    rows = ask(
        connection,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
        " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
    )
    names = {str(name) for (name,) in rows}
    versioned = version_table in names
    revisions: list[tuple[Any, ...]] = []
    if versioned:
        columns = ask(
            connection,
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
            " AND table_name = %s AND column_name = 'version_num'",
            version_table,
        )
        if not columns:
            trouble = (
                f"its table {version_table} is none of Alembic's: it has no column version_num"
            )
            advice = "Name the version table of this environment: version_table"
            return Look(exists=True, tables=len(names), trouble=trouble, remedy=advice)
        revisions = ask(connection, f"SELECT version_num FROM {quoted(version_table)}")
    ledger = ledger_of(_read_ledger(connection) or [])
    return Look(
        exists=True,
        versioned=versioned,
        revisions=tuple(sorted(str(row[0]) for row in revisions)),
        tables=len(names) - versioned,
        environment=ledger.environment,
        begun=ledger.begun,
    )


def _read_ledger(connection: Connection) -> list[Run] | None:
    found = ask(
        connection,
        "SELECT 1 FROM information_schema.views WHERE table_schema = DATABASE()"
        f" AND table_name = '{LEDGER}'",
    )
    if not found:
        return None
    rows = ask(connection, f"SELECT * FROM {LEDGER}")
    text = rows[0][0] if len(rows) == 1 else None
    return from_text(text.decode() if isinstance(text, bytes) else str(text))
