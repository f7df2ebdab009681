"""Databases beside the real one: copies of it that are thrown away, and the swap of tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pymysql

from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.cluster import read_replication, why_local
from migrations_ops.databases.mariadb.connect import Connection, ask, close, connect
from migrations_ops.databases.mariadb.dump import restore
from migrations_ops.databases.mariadb.errors import advice_on, code_of, in_words
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.swap.record import KEPT, UNDONE
from migrations_ops.databases.mariadb.swap.swap import HalfDoneError, Resumed, resume, swap
from migrations_ops.databases.server_copies import ServerCopies
from migrations_ops.model.errors import Memory, NeedsAPerson, StepFailed
from migrations_ops.system.files import local_stamp

# CREATE DATABASE says that another session was quicker.
_EXISTS = 1007


class Copies(ServerCopies):
    """The copies of a database of MariaDB."""

    def fill(self, address: Address, file: Path) -> None:
        restore(file, address)

    def clone(self, file: Path | None) -> Address:
        return self.make() if file is None else self.filled(file)

    def make(self) -> Address:
        name = self.fresh_name()
        try:
            with self.server() as connection:
                self._make_database(connection, name)
        except pymysql.MySQLError as error:
            raise self._failed(f"No copy of {self.real.label} could be made", error) from error
        return self.scratch_server.of_database(name)

    def _make_database(self, connection: Connection, name: str) -> None:
        """With the character set of the real one.

        :raises StepFailed: on its node of a cluster, it would be of that node alone.
        """
        found = why_local(read_replication(connection))
        if found is not None:
            raise StepFailed(
                f"{self.scratch_server.label} is on a node of a Galera cluster, and {found[0]}.",
                untouched=f"{self.real.label} is unchanged.",
                next=found[1],
            )
        rows = ask(
            connection,
            "SELECT default_character_set_name, default_collation_name"
            " FROM information_schema.schemata WHERE schema_name = %s",
            self.real.database,
        )
        like = "".join(f" CHARACTER SET {row[0]} COLLATE {row[1]}" for row in rows)
        ask(connection, f"CREATE DATABASE {quoted(name)}{like}")

    def _make_previous(self) -> str:
        """An empty database to keep what the real one holds, under a name that no other has.

        :raises StepFailed: this role may not make it.
        """
        # With what follows, at most 64 characters, of which a server wants no more.
        base = f"{KEPT}{self.real.database[:17]}_{local_stamp()}"
        try:
            with self.server() as connection:
                rows = ask(connection, "SELECT schema_name FROM information_schema.schemata")
                taken = {str(name).removesuffix(UNDONE) for (name,) in rows}
                for name in (base, *(f"{base}_{number}" for number in range(2, 100))):
                    if name in taken:
                        continue
                    try:
                        self._make_database(connection, name)
                    except pymysql.MySQLError as error:
                        if code_of(error) != _EXISTS or name.endswith("_99"):
                            raise
                    else:
                        return name
        except pymysql.MySQLError as error:
            what = f"No place for what {self.real.label} holds could be made"
            raise self._failed(what, error) from error
        raise AssertionError("a hundred restores in one second")

    @contextmanager
    def server(self) -> Iterator[Connection]:
        """A session on the server of the copies, in no database.

        :raises pymysql.MySQLError: there is none.
        """
        connection = connect(self.scratch_server, "copies", database=False)
        try:
            yield connection
        finally:
            close(connection)

    def drop(self, address: Address) -> None:
        assert address.database.startswith(self.prefix), "only copies are dropped"
        try:
            with self.server() as connection:
                ask(connection, f"DROP DATABASE IF EXISTS {quoted(address.database)}")
        except pymysql.MySQLError as error:
            self.stuck[address.database] = in_words(error, address.database)

    def find_all(self) -> list[str]:
        with suppress(pymysql.MySQLError), self.server() as connection:
            rows = ask(connection, "SELECT schema_name FROM information_schema.schemata")
            return [str(name) for (name,) in rows if str(name).startswith(self.prefix)]
        return []

    def swap(self, new: str) -> str:
        """Give the real database the tables of a restored one; its own are kept in a third.

        :returns: the name of that one.
        :raises StepFailed: it could not be done; the real database is as it was.
        :raises NeedsAPerson: it is not, and what it lacks is written down.
        """
        previous = self._make_previous()
        try:
            swap(self.server, self.real.database, new, previous)
        except pymysql.MySQLError as error:
            what = f"No backup can take the place of {self.real.label}"
            raise self._failed(what, error) from error
        except HalfDoneError as half:
            raise self._half_done(half) from half
        return previous

    def resume_swap(self) -> list[str]:
        """Finish a swap that was killed, with the lock of a release.

        :returns: what was done, in words.
        :raises NeedsAPerson: that is not possible now.
        """
        try:
            return [self._in_words(each) for each in resume(self.server, self.real.database)]
        except HalfDoneError as half:
            raise self._half_done(half) from half

    def _in_words(self, done: Resumed) -> str:
        if done.finished:
            return (
                "a restore that was interrupted has been finished now: the tables of its backup"
                f" are there, and what was there before is in the database {done.previous}"
            )
        return (
            "a restore that was interrupted has been undone now: what was there before it is back"
        )

    def _half_done(self, half: HalfDoneError) -> NeedsAPerson:
        return NeedsAPerson(
            f"A restore of {self.real.label} was interrupted, and can neither be finished nor"
            f" undone now: {in_words(half.error, 'its server')}.",
            untouched="No rows are lost; views, triggers, routines and events that may be missing"
            f" are written down in {half.record}.",
            next=f"{advice_on(half.error)} Then run the same command again: the next task on it"
            " finishes that first.",
            memory=Memory.DATABASE,
        )

    def _failed(self, what: str, error: pymysql.MySQLError) -> StepFailed:
        return StepFailed(
            f"{what}: {in_words(error, 'its server')}.",
            untouched=f"{self.real.label} is unchanged.",
            next=advice_on(error),
        )
