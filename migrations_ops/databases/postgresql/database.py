"""PostgreSQL: where a database stands, its backups, and its way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
from psycopg import errors, sql

from migrations_ops.child.protocol.identity import POSTGRESQL_IDENTITY
from migrations_ops.databases.address import Address
from migrations_ops.databases.interface import Keep, Progress, Restored
from migrations_ops.databases.postgresql.connect import (
    Connection,
    connect,
    cut,
    parameters,
    promptly,
    watched,
)
from migrations_ops.databases.postgresql.copies import Copies, create_like, holds_nothing
from migrations_ops.databases.postgresql.errors import in_words, remedy
from migrations_ops.databases.postgresql.lock import Lock, is_missing, locked
from migrations_ops.databases.postgresql.preflight.settings import why_only_read
from migrations_ops.databases.postgresql.sessions import find_blocking_sessions
from migrations_ops.databases.server import Held, ServerDatabase
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.model.findings import DAMAGED, UNREACHABLE, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.ledger import Ledger
from migrations_ops.model.status import Look

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax
    from migrations_ops.databases.row_changes import ContentChange, Pair

# How long, in seconds, the lock is waited for again after a restore has exchanged the database.
_AGAIN = 10.0


@dataclass
class _Held(Held):
    copies: Copies
    lock: Lock | None = None


@dataclass(frozen=True)
class PostgreSQL(ServerDatabase):
    """One database of a PostgreSQL server.

    ``schema`` is where the version table is, None for the schema of unqualified names.
    """

    schema: str | None = None
    _held: _Held = field(kw_only=True, compare=False, repr=False)
    suffix: ClassVar[str] = ".dump"
    syntax: ClassVar[Syntax] = "postgresql"
    is_transactional: ClassVar[bool] = True

    @classmethod
    def from_url(
        cls, url: str, schema: str | None = None, scratch_url: str | None = None
    ) -> PostgreSQL:
        """:param scratch_url: a database of the server on which copies are made.
        :raises ConfigurationError: a URL names no database.
        """
        address = Address.of(url)
        place = Address.of(scratch_url) if scratch_url else address
        return cls(address, schema=schema, _held=_Held(Copies(address, place)))

    # -- reading ------------------------------------------------------------------------------

    def look(self, version_table: str) -> Look:
        try:
            with connect(self.address, "look") as connection, promptly(connection):
                return _look(connection, version_table, self.schema)
        except psycopg.Error as error:
            if is_missing(self.address, error):
                return Look(exists=False)
            return Look(exists=True, trouble=in_words(error, self.label), remedy=remedy(error))

    def require_usable(self) -> None:
        try:
            with connect(self.address) as connection, promptly(connection):
                row = connection.execute(
                    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')"
                ).fetchone()
                why, cure = why_only_read(connection)
        except psycopg.Error as error:
            if is_missing(self.address, error):
                return
            raise Refused(
                f"No upgrade can start: {in_words(error, self.label)}.",
                untouched="No database was changed.",
                next=remedy(error),
            ) from None
        if row != (False, "off"):
            raise Refused(
                f"No upgrade can start: {self.label} may only be read{why}.",
                untouched="No database was changed.",
                next=cure,
            )

    def find_blocking_sessions(self) -> list[str]:
        with suppress(psycopg.Error), connect(self.address) as connection, promptly(connection):
            return find_blocking_sessions(connection)
        return []

    def size(self) -> int:
        with suppress(psycopg.Error), connect(self.address) as connection, promptly(connection):
            return sum(_sizes(connection).values())
        return 0

    def stamp_of_content(self) -> dict[str, int | str]:
        """The next transaction number of the whole server: while it is equal, nobody wrote."""
        with suppress(psycopg.Error), connect(self.address) as connection, promptly(connection):
            row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
            return {"snapshot": str(row[0])} if row else {}
        return {}

    def unchanged_since(
        self, taken: Fingerprint, source: Mapping[str, int | str] | None, version_table: str
    ) -> bool:
        if not taken.sums and taken.rows:
            return False
        try:
            with self._snapshot() as connection:
                return self._fingerprint(connection, version_table, summed=True) == taken
        except psycopg.Error:
            return False

    def fingerprint(self, version_table: str) -> Fingerprint:
        try:
            with self._snapshot() as connection:
                return self._fingerprint(connection, version_table, summed=self.summed)
        except psycopg.Error as error:
            raise self._failed(f"{in_words(error, self.label)}.", error) from error

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

    def _fingerprint(
        self, connection: Connection, version_table: str, *, summed: bool
    ) -> Fingerprint:
        from migrations_ops.databases.postgresql.rows.comparison import count, count_and_sum
        from migrations_ops.databases.postgresql.schema.reading import read_schema, read_tables

        look = _look(connection, version_table, self.schema)
        tables = read_tables(connection, version_table, self.schema)
        schema = read_schema(connection, version_table, self.schema)
        if summed:
            rows, sums = count_and_sum(connection, tables)
        else:
            rows, sums = count(connection, tables), {}
        return Fingerprint(look.revisions, schema, rows, sums)

    def compare_content(
        self, before: Path, pairs: Sequence[Pair], progress: Progress | None, *, orphans: bool
    ) -> ContentChange:
        from migrations_ops.databases.postgresql.rows.comparison import compare

        try:
            earlier = self._held.copies.restored(before)
            with (
                connect(earlier, "compare") as one,
                connect(self.address, "compare") as other,
                watched(earlier, partial(cut, one)),
                watched(self.address, partial(cut, other)),
            ):
                return compare(one, other, pairs, progress, orphans=orphans)
        except psycopg.Error as error:
            what = f"The rows could not be compared: {in_words(error, self.label)}."
            raise self._failed(what, error) from error

    def ledger(self) -> Ledger:
        from migrations_ops.databases.postgresql.ledger import read_ledger

        with suppress(psycopg.Error), connect(self.address) as connection, promptly(connection):
            return read_ledger(connection, self.schema)
        return Ledger()

    def note(
        self, environment: str, run: Mapping[str, Any] | None = None, *, adopt: bool = False
    ) -> None:
        from migrations_ops.databases.postgresql.ledger import add_to_ledger

        try:
            with connect(self.address) as connection, promptly(connection):
                add_to_ledger(connection, self.schema, environment, run, adopt=adopt)
        except psycopg.Error as error:
            what = f"The ledger could not be written: {in_words(error, self.label)}."
            raise self._failed(what, error) from error

    def find_damage(self) -> str:
        try:
            with connect(self.address):
                return ""
        except psycopg.Error as error:
            return in_words(error, self.label)

    def check_integrity(self) -> list[Finding]:
        from migrations_ops.databases.postgresql.indexes import findings

        try:
            with connect(self.address) as connection:
                return findings(connection)
        except psycopg.Error as error:
            return [DAMAGED.found(self.label, reason=in_words(error, self.label))]

    def drop_invalid_indexes(self) -> tuple[list[str], list[str]]:
        from migrations_ops.databases.postgresql.indexes import drop_own, find_invalid

        ledger = self.ledger()
        if ledger.invalid is not None and ledger.made is not None:
            return drop_own(self.address, ledger.made, ledger.invalid)
        with suppress(psycopg.Error), connect(self.address) as connection, promptly(connection):
            # Nobody can tell whose they are.
            return [], [each.typed for each in find_invalid(connection) if ledger.begun]
        return [], []

    def indexes_of_others(self) -> Mapping[str, bool]:
        from migrations_ops.databases.postgresql.indexes import find_others

        ledger = self.ledger()
        if ledger.invalid is None or ledger.made is None:
            return {}
        with suppress(psycopg.Error), connect(self.address) as connection, promptly(connection):
            return find_others(connection, ledger.made, ledger.invalid)
        return {}

    # -- one release at a time ------------------------------------------------------------------

    @contextmanager
    def locked(self, purpose: str, wait: float) -> Iterator[None]:
        with locked(self.address, purpose, wait) as lock:
            self._held.lock = lock
            with self._swept():
                yield

    # -- copying ------------------------------------------------------------------------------

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        from migrations_ops.databases.postgresql.dump import dump, require_tools
        from migrations_ops.databases.postgresql.rows.comparison import places
        from migrations_ops.databases.postgresql.schema.reading import as_dumped

        try:
            with self._snapshot() as connection, ThreadPoolExecutor(1) as pool:
                before = places(connection)
                tools = require_tools(connection.info.server_version // 10000)
                row = connection.execute("SELECT pg_export_snapshot()").fetchone()
                assert row is not None
                sizes = _sizes(connection)
                # Both see the same moment: what is summed here is what the backup must hold.
                taken = pool.submit(self._fingerprint, connection, version_table, summed=True)
                try:
                    dump(
                        self.address, into, tools=tools, snapshot=str(row[0]), sizes=sizes,
                        progress=progress,
                        encoding=connection.info.parameter_status("server_encoding") or "UTF8",
                    )  # fmt: skip
                    found = taken.result()
                except BaseException:
                    cut(connection)  # nobody waits for the sums of a large table
                    raise
                after = places(connection)
            found = replace(found, schema=as_dumped(found.schema))
            if before == after:
                return found
            moved = self._places_meanwhile(into, before, after)
            return replace(found, sums={**found.sums, **moved})
        except psycopg.Error as error:
            what = f"No backup could be taken: {in_words(error, self.label)}."
            raise self._failed(what, error) from error

    def _places_meanwhile(
        self, file: Path, before: dict[str, str], after: dict[str, str]
    ) -> dict[str, str]:
        from migrations_ops.databases.postgresql.rows.comparison import places, places_meanwhile

        with connect(self._held.copies.restored(file)) as connection:
            return places_meanwhile(before, places(connection), after)

    def make_scratch(self, file: Path, backup: Path | None) -> PostgreSQL:
        return self._copy(self._held.copies.clone(backup))

    def find_obstacles(self, others: Mapping[str, str] = MappingProxyType({})) -> list[Finding]:
        from migrations_ops.databases.postgresql.preflight.obstacles import find_obstacles

        try:
            return find_obstacles(self.address, self._held.copies)
        except psycopg.Error as error:
            reason = in_words(error, self.label)
            return [UNREACHABLE.found(self.label, reason=reason, remedy=remedy(error))]

    def restore_from(
        self,
        backup: Path,
        version_table: str,
        progress: Progress | None,
        keep: Keep | None = None,
    ) -> Restored:
        # The copy takes the name of the real one: both are on one server.
        copies = self._beside
        copies.require_unfed()
        look = self.look(version_table)
        if not look.exists:
            self.prepare()
        address = copies.restored(backup)
        now = self._copy(address, summed=True).fingerprint(version_table)
        copies.take(backup)
        lock = self._held.lock
        if lock is not None:
            lock.let_go()
        try:
            kept, left = copies.exchange(address.database)
        except BaseException:
            copies.drop(address)
            raise
        finally:
            if lock is not None:
                lock.take_again(_AGAIN)
        more = f"; {left}" if left else ""
        return Restored(now, f"the database {kept} of the same server{more}")

    def prepare(self) -> None:
        try:
            with self._beside.maintenance() as connection, suppress(errors.DuplicateDatabase):
                create_like(connection, self.address.database)
        except psycopg.Error as error:
            what = f"The database could not be made: {in_words(error, 'its server')}."
            raise self._failed(what, error) from error
        if self._held.lock is not None:
            self._held.lock.take_again(_AGAIN)

    def remove(self) -> None:
        if self.is_copy:
            self._held.copies.drop(self.address)
            return
        try:
            with connect(self.address) as connection, promptly(connection):
                if not holds_nothing(connection):
                    return
        except psycopg.Error:
            return
        if self._held.lock is not None:
            self._held.lock.let_go()
        with suppress(psycopg.Error), self._beside.maintenance() as connection:
            # Not by force: whoever is in it may be about to fill it.
            name = sql.Identifier(self.address.database)
            connection.execute(sql.SQL("DROP DATABASE {}").format(name))

    @property
    def _beside(self) -> Copies:
        """The server itself, wherever copies are made else."""
        copies = self._held.copies
        return copies if copies.place is copies.real else Copies(self.address, self.address)

    # -- the child ----------------------------------------------------------------------------

    def identity(self) -> str:
        try:
            with connect(self.address) as connection, promptly(connection):
                row = connection.execute(POSTGRESQL_IDENTITY).fetchone()
                assert row is not None
                return str(row[0])
        except psycopg.Error as error:
            if is_missing(self.address, error):
                return f"postgresql:missing:{self.label}"
            raise self._failed(f"{in_words(error, self.label)}.", error) from error

    def _host(self) -> str:
        return str(parameters(self.address)["host"])

    def _failed(self, what: str, error: psycopg.Error) -> StepFailed:
        return StepFailed(what, untouched=f"{self.label} is as it was.", next=remedy(error))


def _look(connection: Connection, version_table: str, schema: str | None) -> Look:
    from migrations_ops.databases.postgresql.ledger import read_ledger

    name = (
        sql.Identifier(version_table) if schema is None else sql.Identifier(schema, version_table)
    )
    row = connection.execute(
        """
        SELECT
            (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%%'
                AND n.nspname <> 'information_schema' AND NOT EXISTS (
                    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e')),
            to_regclass(%(name)s) IS NOT NULL,
            EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%(name)s)
                    AND attname = 'version_num' AND NOT attisdropped)
        """,
        {"name": name.as_string()},
    ).fetchone()
    assert row is not None
    tables, versioned, is_of_alembic = int(row[0]), bool(row[1]), bool(row[2])
    if versioned and not is_of_alembic:
        trouble = f"its table {version_table} is none of Alembic's: it has no column version_num"
        remedy = "Name the version table of this environment: version_table"
        return Look(exists=True, tables=tables, trouble=trouble, remedy=remedy)
    revisions: list[tuple[Any, ...]] = []
    if versioned:
        revisions = connection.execute(
            sql.SQL("SELECT version_num FROM {}").format(name)
        ).fetchall()
    ledger = read_ledger(connection, schema)
    return Look(
        exists=True,
        versioned=versioned,
        revisions=tuple(sorted(str(row[0]) for row in revisions)),
        tables=tables - versioned,
        environment=ledger.environment,
        begun=ledger.begun,
    )


def _sizes(connection: Connection) -> dict[str, int]:
    """The bytes of each table, without its indexes: a dump does not hold these."""
    rows = connection.execute(
        """
        SELECT n.nspname || '.' || c.relname, pg_table_size(c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%'
            AND n.nspname <> 'information_schema'
        """
    ).fetchall()
    return {str(name): int(size or 0) for name, size in rows}
