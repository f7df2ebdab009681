"""One database of a PostgreSQL server: its state, its backups, and its restore."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
from psycopg import errors, sql

from migrations_ops.child.protocol.identity import POSTGRESQL_IDENTITY
from migrations_ops.databases.address import Address
from migrations_ops.databases.interface import Progress, Restored, Save
from migrations_ops.databases.postgresql.connect import (
    Connection,
    connect,
    cut,
    parameters,
    promptly,
    watched,
)
from migrations_ops.databases.postgresql.copies import Copies, create_like, is_unused
from migrations_ops.databases.postgresql.errors import advice_on, in_words
from migrations_ops.databases.postgresql.inspection import inspect_database, read_sizes
from migrations_ops.databases.postgresql.ledger import add_to_ledger, read_ledger
from migrations_ops.databases.postgresql.lock import Lock, is_missing, locked, names_beside
from migrations_ops.databases.postgresql.preflight.settings import why_only_read
from migrations_ops.databases.postgresql.sessions import find_blocking_sessions
from migrations_ops.databases.server import Resources, ServerDatabase
from migrations_ops.model.findings import DAMAGED, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import Ledger, LedgerEntry

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax
    from migrations_ops.databases.row_changes import ContentChange, RowQuery

# How long, in seconds, to wait for the lock again after a restore has exchanged the database.
_RELOCK_SECONDS = 10.0


@dataclass
class _Resources(Resources):
    copies: Copies
    lock: Lock | None = None


@dataclass(frozen=True)
class PostgreSQL(ServerDatabase):
    """One database of a PostgreSQL server.

    ``schema`` is where the version table is, None for the schema of unqualified names.
    """

    schema: str | None = None
    _own: _Resources = field(kw_only=True, compare=False, repr=False)
    suffix: ClassVar[str] = ".dump"
    syntax: ClassVar[Syntax] = "postgresql"
    is_transactional: ClassVar[bool] = True
    _errors = psycopg.Error

    @classmethod
    def from_url(
        cls, url: str, schema: str | None = None, scratch_url: str | None = None
    ) -> PostgreSQL:
        """:param scratch_url: a database of the server on which copies are made.
        :raises ConfigurationError: a URL names no database.
        """
        address = Address.of(url)
        scratch_server = Address.of(scratch_url) if scratch_url else address
        return cls(address, schema=schema, _own=_Resources(Copies(address, scratch_server)))

    # -- how the server is asked ----------------------------------------------------------------

    @contextmanager
    def _asked(self, purpose: str = "") -> Iterator[Connection]:
        with connect(self.address, purpose) as connection, promptly(connection):
            yield connection

    def _in_words(self, error: Exception, label: str = "") -> str:
        return in_words(error, label or self.label)

    def _advice_on(self, error: Exception) -> str:
        return advice_on(error)

    def _names_beside(self) -> list[str]:
        return names_beside(self.address)

    def _is_missing(self, error: Exception) -> bool:
        return isinstance(error, psycopg.Error) and is_missing(self.address, error)

    def _inspect(self, connection: Connection, version_table: str) -> Inspection:
        return inspect_database(connection, version_table, self.schema)

    def _read_ledger(self, connection: Connection, version_table: str) -> Ledger:
        return read_ledger(connection, self.schema, version_table)

    def _add_to_ledger(self, connection: Connection, entry: LedgerEntry) -> None:
        add_to_ledger(connection, self.schema, entry)

    def _read_size(self, connection: Connection) -> int:
        return sum(read_sizes(connection).values())

    def _read_identity(self, connection: Connection) -> str:
        row = connection.execute(POSTGRESQL_IDENTITY).fetchone()
        assert row is not None
        return str(row[0])

    def _why_only_read(self, connection: Connection) -> tuple[str, str] | None:
        row = connection.execute(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')"
        ).fetchone()
        if row == (False, "off"):
            return None
        why, advice = why_only_read(connection)
        return f"{self.label} may only be read{why}", advice

    def _find_blocking_sessions(self, connection: Connection) -> list[str]:
        return find_blocking_sessions(connection)

    def _find_obstacles(self, others: Mapping[str, str]) -> list[Finding]:
        from migrations_ops.databases.postgresql.preflight.obstacles import find_obstacles

        return find_obstacles(self.address, self._own.copies)

    def _read_fingerprint(self, version_table: str, *, summed: bool) -> Fingerprint:
        with self._snapshot() as connection:
            return self._fingerprint_in(connection, version_table, summed=summed)

    def _read_schema(self, version_table: str) -> Mapping[str, str]:
        from migrations_ops.databases.postgresql.schema.reading import read_schema

        with self._snapshot() as connection:
            return read_schema(connection, version_table, self.schema)

    # -- reading ------------------------------------------------------------------------------

    def stamp_of_content(self) -> dict[str, int | str]:
        """The next transaction number of the whole server: while equal, nothing was written."""
        with suppress(psycopg.Error), connect(self.address) as connection, promptly(connection):
            row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
            return {"snapshot": str(row[0])} if row else {}
        return {}

    def _fingerprint_in(
        self, connection: Connection, version_table: str, *, summed: bool
    ) -> Fingerprint:
        from migrations_ops.databases.postgresql.rows.sums import count, count_and_sum
        from migrations_ops.databases.postgresql.schema.reading import read_schema, read_tables

        inspection = inspect_database(connection, version_table, self.schema)
        tables = read_tables(connection, version_table, self.schema)
        schema = read_schema(connection, version_table, self.schema)
        if summed:
            rows, sums = count_and_sum(connection, tables)
        else:
            rows, sums = count(connection, tables), {}
        return Fingerprint(inspection.revisions, schema, rows, sums)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Everything read inside comes from one moment, whatever others write meanwhile."""
        with (
            connect(self.address, "fingerprint") as connection,
            watched(self.address, partial(cut, connection)),
        ):
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            try:
                yield connection
            finally:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")

    def compare_content(
        self, before: Path, query: RowQuery, progress: Progress | None
    ) -> ContentChange:
        from migrations_ops.databases.postgresql.extensions import find_tables
        from migrations_ops.databases.postgresql.rows.comparison import compare

        try:
            earlier = self._own.copies.restored(before)
            with (
                connect(earlier, "compare") as one,
                connect(self.address, "compare") as other,
                watched(earlier, partial(cut, one)),
                watched(self.address, partial(cut, other)),
            ):
                if not self.is_copy:
                    # What a backup does not hold is not what the upgrade changed.
                    left_out = {each.name for each in find_tables(one)}
                    pairs = [each for each in query.pairs if each.before not in left_out]
                    query = replace(query, pairs=pairs)
                return compare(one, other, query, progress)
        except psycopg.Error as error:
            raise self._failed("The rows could not be compared", error) from error

    def check_integrity(self) -> list[Finding]:
        from migrations_ops.databases.postgresql.indexes import findings

        try:
            with connect(self.address) as connection:
                return findings(connection)
        except psycopg.Error as error:
            return [DAMAGED.found(self.label, reason=in_words(error, self.label))]

    def find_broken(self, gone: Collection[str] = ()) -> list[Finding]:
        from migrations_ops.databases.postgresql.broken import find_broken

        try:
            with connect(self.address) as connection:
                return list(find_broken(connection, gone))
        except psycopg.Error as error:
            return [DAMAGED.found(self.label, reason=in_words(error, self.label))]

    def find_left_out(self, backup: Path) -> list[Finding]:
        from migrations_ops.databases.postgresql.extensions import find_tables

        try:
            with connect(self.address, "compare") as connection, promptly(connection):
                if not find_tables(connection):
                    return []
            return self._left_out(self._own.copies.restored(backup))
        except psycopg.Error as error:
            raise self._failed("The rows of extensions could not be read", error) from error

    def _left_out(self, restored: Address) -> list[Finding]:
        from migrations_ops.databases.postgresql.extensions import find_left_out

        with (
            connect(self.address, "compare") as here,
            connect(restored, "compare") as copy,
            watched(restored, partial(cut, copy)),
            watched(self.address, partial(cut, here)),
        ):
            return [*find_left_out(here, copy, self.label)]

    def published_tables(self) -> Mapping[str, str]:
        from migrations_ops.databases.postgresql.preflight.settings import find_published

        with suppress(psycopg.Error), self._asked() as connection:
            return find_published(connection)
        return {}

    def drop_invalid_indexes(self, version_table: str) -> tuple[list[str], list[str]]:
        from migrations_ops.databases.postgresql.indexes import drop_own, find_invalid

        ledger = self.ledger(version_table)
        if ledger.invalid is not None and ledger.made is not None:
            return drop_own(self.address, ledger.made, ledger.invalid)
        with suppress(psycopg.Error), connect(self.address) as connection, promptly(connection):
            # It is unknown whose they are.
            return [], [each.typed for each in find_invalid(connection) if ledger.begun]
        return [], []

    def indexes_of_others(self, version_table: str) -> Mapping[str, bool]:
        from migrations_ops.databases.postgresql.indexes import find_others

        ledger = self.ledger(version_table)
        if ledger.invalid is None or ledger.made is None:
            return {}
        with suppress(psycopg.Error), connect(self.address) as connection, promptly(connection):
            return find_others(connection, ledger.made, ledger.invalid)
        return {}

    # -- one release at a time ------------------------------------------------------------------

    @contextmanager
    def locked(self, purpose: str, wait: float) -> Iterator[None]:
        with locked(self.address, purpose, wait) as lock:
            self._own.lock = lock
            with self._swept():
                yield

    # -- copying ------------------------------------------------------------------------------

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        from migrations_ops.databases.postgresql.dump import dump, require_tools
        from migrations_ops.databases.postgresql.extensions import as_held, find_tables
        from migrations_ops.databases.postgresql.rows.sums import sequence_values
        from migrations_ops.databases.postgresql.schema.reading import as_dumped

        try:
            with self._snapshot() as connection, ThreadPoolExecutor(1) as pool:
                before = sequence_values(connection)
                of_extensions = find_tables(connection)
                tools = require_tools(connection.info.server_version // 10000)
                row = connection.execute("SELECT pg_export_snapshot()").fetchone()
                assert row is not None
                sizes = read_sizes(connection)
                # Both see the same moment: what is summed here is what the backup must hold.
                taken = pool.submit(self._fingerprint_in, connection, version_table, summed=True)
                try:
                    dump(
                        self.address, into, tools=tools, snapshot=str(row[0]), sizes=sizes,
                        progress=progress,
                        encoding=connection.info.parameter_status("server_encoding") or "UTF8",
                    )  # fmt: skip
                    found = taken.result()
                except BaseException:
                    cut(connection)  # no one waits for the sums of a large table
                    raise
                after = sequence_values(connection)
            found = replace(found, schema=as_dumped(found.schema))
            if of_extensions:
                with connect(self._own.copies.restored(into)) as copy:
                    found = as_held(found, copy, of_extensions)
            if before == after:
                return found
            moved = self._advanced_sequences(into, before, after)
            return replace(found, sums={**found.sums, **moved})
        except psycopg.Error as error:
            raise self._failed("No backup could be taken", error) from error

    def _advanced_sequences(
        self, file: Path, before: dict[str, str], after: dict[str, str]
    ) -> dict[str, str]:
        from migrations_ops.databases.postgresql.rows.sums import (
            advanced_sequences,
            sequence_values,
        )

        with connect(self._own.copies.restored(file)) as connection:
            return advanced_sequences(before, sequence_values(connection), after)

    def restore_from(
        self,
        backup: Path,
        version_table: str,
        progress: Progress | None,
        save: Save | None = None,
    ) -> Restored:
        # The copy takes the name of the real one: both are on one server.
        copies = self._own.copies.on_its_server()
        copies.require_unfed()
        inspection = self.inspect(version_table)
        if not inspection.exists:
            self.prepare()
        address = copies.restored(backup)
        now = self._copy(address, summed=True).fingerprint(version_table)
        others = self._prepare_exchange(address)
        copies.take(backup)
        lock = self._own.lock
        if lock is not None:
            lock.let_go()
        try:
            previous, left = copies.exchange(address.database)
        except BaseException:
            copies.drop(address)
            raise
        finally:
            if lock is not None:
                lock.take_again(_RELOCK_SECONDS)
        more = "".join(f"; {each}" for each in (others, left) if each)
        return Restored(now, f"the database {previous} of the same server{more}")

    def _prepare_exchange(self, copy: Address) -> str:
        """Let the planner know what is in the copy: no dump has its statistics.

        :returns: what extensions make other than it was, in words.
        """
        from migrations_ops.databases.postgresql.extensions import versions

        # Whatever fails here keeps nobody from a restore.
        with suppress(psycopg.Error):
            with connect(copy, "restore") as there, watched(copy, partial(cut, there)):
                there.execute("ANALYZE")
                now = versions(there)
            with connect(self.address, "restore") as here, promptly(here):
                was = versions(here)
            changed = [
                f"the extension {name} is version {now[name]}, and was {was[name]}"
                for name in sorted(was.keys() & now.keys())
                if was[name] != now[name]
            ]
            tables = ", ".join(each.where for each in self._left_out(copy))
            rows = [f"the rows of {tables} are those of CREATE EXTENSION"] if tables else []
            return "; ".join([*changed, *rows])
        return ""

    def prepare(self) -> None:
        try:
            with (
                self._own.copies.on_its_server().maintenance() as connection,
                suppress(errors.DuplicateDatabase),
            ):
                create_like(connection, self.address.database)
        except psycopg.Error as error:
            raise self._failed("The database could not be made", error, "its server") from error
        if self._own.lock is not None:
            self._own.lock.take_again(_RELOCK_SECONDS)

    def remove(self) -> None:
        if self.is_copy:
            self._own.copies.drop(self.address)
            return
        try:
            with connect(self.address) as connection, promptly(connection):
                if not is_unused(connection):
                    return
        except psycopg.Error:
            return
        if self._own.lock is not None:
            self._own.lock.let_go()
        with suppress(psycopg.Error), self._own.copies.on_its_server().maintenance() as connection:
            # Not by force: a session in it may be about to fill it.
            name = sql.Identifier(self.address.database)
            connection.execute(sql.SQL("DROP DATABASE {}").format(name))

    # -- the child ----------------------------------------------------------------------------

    def redirect(self) -> dict[str, Any] | None:
        parts = super().redirect()
        if parts is not None and "," in self.address.host:
            # The host on which the copy is.
            found = parameters(self.address)
            parts["host"] = found["host"].partition(",")[0]
            parts["port"] = int(found["port"].partition(",")[0])
        return parts

    def _host(self) -> str:
        return str(parameters(self.address)["host"])
