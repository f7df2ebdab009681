"""One database of a MariaDB server, or of MySQL: its state, its backups, and its restore."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pymysql

from migrations_ops.databases.address import Address
from migrations_ops.databases.interface import Progress, Restored, Save
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
from migrations_ops.databases.mariadb.errors import advice_on, in_words, is_missing, is_of_a_lock
from migrations_ops.databases.mariadb.inspection import inspect_database
from migrations_ops.databases.mariadb.ledger import add_to_ledger, read_ledger
from migrations_ops.databases.mariadb.lock import locked
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.sessions import find_blocking_sessions
from migrations_ops.databases.server import Resources, ServerDatabase
from migrations_ops.model.errors import NeedsAPerson, StepFailed
from migrations_ops.model.findings import UNREACHABLE, Finding
from migrations_ops.model.fingerprint import Fingerprint, in_short
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import Ledger, LedgerEntry

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax
    from migrations_ops.databases.row_changes import ContentChange, RowQuery


# How many of those that have a lock are named.
_SHOWN = 2


@dataclass
class _Resources(Resources):
    copies: Copies
    # What was found half done when the lock was taken, in words.
    resumed_restores: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MariaDB(ServerDatabase):
    """One database of a MariaDB server."""

    _own: _Resources = field(kw_only=True, compare=False, repr=False)
    suffix: ClassVar[str] = ".sql.gz"
    syntax: ClassVar[Syntax] = "mariadb"
    is_transactional: ClassVar[bool] = False
    _errors = pymysql.MySQLError

    @classmethod
    def from_url(cls, url: str, scratch_url: str | None = None) -> MariaDB:
        """:param scratch_url: a database of the server on which copies are made.
        :raises ConfigurationError: a URL names no database.
        """
        address = Address.of(url)
        scratch_server = Address.of(scratch_url) if scratch_url else address
        return cls(address, _own=_Resources(Copies(address, scratch_server)))

    @contextmanager
    def _connected(self, purpose: str = "") -> Iterator[Connection]:
        connection = connect(self.address, purpose)
        try:
            yield connection
        finally:
            close(connection)

    # -- how the server is asked ----------------------------------------------------------------

    @contextmanager
    def _asked(self, purpose: str = "") -> Iterator[Connection]:
        with self._connected(purpose) as connection, promptly(connection):
            yield connection

    def _in_words(self, error: Exception, label: str = "") -> str:
        text = in_words(error, label or self.label)
        holders = self.find_blocking_sessions() if is_of_a_lock(error) else []
        return f"{text}: {', '.join(holders[:_SHOWN])}" if holders else text

    def _advice_on(self, error: Exception) -> str:
        return advice_on(error)

    def _names_beside(self) -> list[str]:
        connection = connect(self.address, "inspect", database=False)
        try:
            rows = ask(connection, "SELECT schema_name FROM information_schema.schemata")
        finally:
            close(connection)
        return sorted(str(name) for (name,) in rows)

    def _is_missing(self, error: Exception) -> bool:
        return is_missing(error)

    def _inspect(self, connection: Connection, version_table: str) -> Inspection:
        return inspect_database(connection, version_table, locked=self._own.lock is not None)

    def _read_ledger(self, connection: Connection, version_table: str) -> Ledger:
        return read_ledger(connection, version_table)

    def _add_to_ledger(self, connection: Connection, entry: LedgerEntry) -> None:
        add_to_ledger(connection, self.address.database, entry)

    def _read_size(self, connection: Connection) -> int:
        sql = (
            "SELECT coalesce(sum(data_length), 0) FROM information_schema.tables"
            " WHERE table_schema = DATABASE()"
        )
        return int(ask(connection, sql)[0][0])

    def _read_identity(self, connection: Connection) -> str:
        return identity(connection)

    def _why_only_read(self, connection: Connection) -> tuple[str, str] | None:
        # Since MariaDB 12 it is a word.
        if str(ask(connection, "SELECT @@global.read_only")[0][0]).upper() in ("0", "OFF"):
            return None
        advice = "Give the environment the address of the primary server."
        return f"{self.label} may only be read", advice

    def _find_blocking_sessions(self, connection: Connection) -> list[str]:
        return find_blocking_sessions(connection)

    def _find_obstacles(self, others: Mapping[str, str]) -> list[Finding]:
        from migrations_ops.databases.mariadb.preflight.obstacles import find_obstacles

        return find_obstacles(self.address, self._own.copies, others)

    def _read_fingerprint(self, version_table: str, *, summed: bool) -> Fingerprint:
        from migrations_ops.databases.mariadb.rows.comparison import count, count_and_sum
        from migrations_ops.databases.mariadb.schema.reading import read_schema, read_tables

        with self._connected("fingerprint") as connection:
            begin_snapshot(connection)
            inspection = inspect_database(connection, version_table)
            tables = [
                name
                for name in read_tables(connection)
                if name != version_table or not inspection.versioned
            ]
            schema = read_schema(connection, version_table)
            if summed:
                rows, sums = count_and_sum(connection, tables)
            else:
                rows, sums = count(connection, tables), {}
            return Fingerprint(inspection.revisions, schema, rows, sums)

    def _read_schema(self, version_table: str) -> Mapping[str, str]:
        from migrations_ops.databases.mariadb.schema.reading import read_schema

        with self._connected("schema") as connection:
            begin_snapshot(connection)
            return read_schema(connection, version_table)

    # -- reading ------------------------------------------------------------------------------

    def stamp_of_content(self) -> dict[str, int | str]:
        return {}  # nothing that is cheap tells it

    def compare_content(
        self, before: Path, query: RowQuery, progress: Progress | None
    ) -> ContentChange:
        from migrations_ops.databases.mariadb.rows.comparison import compare

        try:
            earlier = self._own.copies.restored(before)
            with self._connected("compare") as connection:
                return compare(connection, earlier.database, self.address.database, query, progress)
        except pymysql.MySQLError as error:
            raise self._failed("The rows could not be compared", error) from error

    def check_integrity(self) -> list[Finding]:
        return self.find_broken()

    def find_broken(self, gone: Collection[str] = ()) -> list[Finding]:
        from migrations_ops.databases.mariadb.broken import find_broken

        try:
            with connect(self.address) as connection:
                return list(find_broken(connection, gone))
        except pymysql.MySQLError as error:
            reason = in_words(error, self.label)
            return [UNREACHABLE.found(self.label, reason=reason, advice=advice_on(error))]

    # -- one release at a time ------------------------------------------------------------------

    @contextmanager
    def locked(self, purpose: str, wait: float) -> Iterator[None]:
        with locked(self.address, purpose, wait) as lock:
            self._own.lock = lock
            self._own.resumed_restores = self._resume_swap()
            with self._swept():
                yield

    def resumed_restores(self) -> list[str]:
        found, self._own.resumed_restores = self._own.resumed_restores, []
        return found

    def _resume_swap(self) -> list[str]:
        """What a restore has left that was killed: nothing else may work on half of it."""
        try:
            return self._own.copies.on_its_server().resume_swap()
        except pymysql.MySQLError as error:
            raise self._failed("", error) from error

    # -- copying ------------------------------------------------------------------------------

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        """No two sessions can see the same moment here: what did not change between the beginning
        and the end has to be in the backup as it is in the database."""
        from migrations_ops.databases.mariadb.dump import dump

        try:
            before = self._read_fingerprint(version_table, summed=True)
            dump(self.address, into, progress)
            after = self._read_fingerprint(version_table, summed=True)
        except pymysql.MySQLError as error:
            raise self._failed("No backup could be taken", error) from error
        if not before.structure_equals(after):
            names = before.differing(replace(after, rows={}, sums={}))
            raise StepFailed(
                f"Another session changed the tables of {self.label} while they were copied:"
                f" {in_short(names)}.",
                untouched="It was only read, and the copy was discarded.",
                next="Try again when that has ended.",
            )
        taken = self._copy(self._own.copies.restored(into), summed=True).fingerprint(version_table)
        # What others wrote meanwhile is in it as it was at some moment between the two.
        written = {name for name, total in before.sums.items() if after.sums.get(name) != total}
        quiet = [
            replace(each, rows={}, sums={k: v for k, v in each.sums.items() if k not in written})
            for each in (before, taken)
        ]
        if differing := quiet[0].differing(quiet[1]):
            raise StepFailed(
                f"The backup could not be verified: as it was restored, {in_short(differing)} is"
                f" not as in {self.label}.",
                untouched="The database was not changed, and the copy was discarded.",
                next="See what is special about it: invoke doctor",
            )
        return taken

    def restore_from(
        self,
        backup: Path,
        version_table: str,
        progress: Progress | None,
        save: Save | None = None,
    ) -> Restored:
        copies = self._own.copies.on_its_server()  # tables move from there
        if not self.inspect(version_table).exists:
            self.prepare()
        address = copies.restored(backup)
        now = self._copy(address, summed=True).fingerprint(version_table)
        copies.take(backup)
        try:
            previous = copies.swap(address.database)
        finally:
            copies.drop(address)
        self._require_restored(version_table, now, previous)
        return Restored(now, f"the database {previous} of the same server")

    def _require_restored(self, version_table: str, wanted: Fingerprint, previous: str) -> None:
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
            changed_keys = sorted(
                key
                for key in dict(now.items() ^ wanted.schema.items())
                if not key.startswith("event ")
            )
            if not changed_keys:
                return
            more = f" and {len(changed_keys) - 3} more" if len(changed_keys) > 3 else ""
            what = f"is not as its backup after the restore: {', '.join(changed_keys[:3])}{more}"
        raise NeedsAPerson(
            f"{self.label} {what}.",
            untouched=f"Its previous content is in the database {previous} of the same server.",
            next="See what changes it meanwhile, stop that, and run the same command again.",
        )

    def prepare(self) -> None:
        try:
            connection = connect(self.address, database=False)
            try:
                ask(connection, f"CREATE DATABASE IF NOT EXISTS {quoted(self.address.database)}")
            finally:
                close(connection)
        except pymysql.MySQLError as error:
            raise self._failed("The database could not be made", error, "its server") from error

    def remove(self) -> None:
        if self.is_copy:
            self._own.copies.drop(self.address)
            return
        inspection = self.inspect("")
        if not inspection.exists or inspection.trouble or inspection.tables:
            return
        with suppress(pymysql.MySQLError), self._connected() as connection:
            ask(connection, f"DROP DATABASE {quoted(self.address.database)}")

    # -- the child ----------------------------------------------------------------------------
