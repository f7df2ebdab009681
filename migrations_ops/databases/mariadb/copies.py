"""Databases beside the real one: copies of it that are thrown away, and the exchange of tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pymysql

from migrations_ops.databases.addresses import Address
from migrations_ops.databases.mariadb.connect import (
    Connection,
    ask,
    close,
    connect,
    in_words,
    quoted,
    remedy,
)
from migrations_ops.databases.mariadb.dump import restore
from migrations_ops.databases.mariadb.exchange import HalfDoneError, exchange, take_up
from migrations_ops.databases.server_copies import OWN, ServerCopies
from migrations_ops.errors import NeedsAPerson, StepFailed
from migrations_ops.files import local_stamp


class Copies(ServerCopies):
    """The copies of a database of MariaDB."""

    def fill(self, file: Path) -> Address:
        return self.clone(file)

    def clone(self, file: Path | None) -> Address:
        """A database to be written, equal to a backup; an empty one without."""
        address = self.make()
        if file is not None:
            try:
                restore(file, address, None)
            except BaseException:
                self.drop(address)
                raise
        return address

    def make(self) -> Address:
        """:raises StepFailed: this role may not make databases."""
        name = self.fresh_name()
        self.make_database(name)
        return self.place.of_database(name)

    def make_database(self, name: str) -> None:
        """An empty database with the character set of the real one.

        :raises StepFailed: this role may not make it.
        """
        try:
            with self.server() as connection:
                rows = ask(
                    connection,
                    "SELECT default_character_set_name, default_collation_name"
                    " FROM information_schema.schemata WHERE schema_name = %s",
                    self.real.database,
                )
                like = "".join(f" CHARACTER SET {row[0]} COLLATE {row[1]}" for row in rows)
                ask(connection, f"CREATE DATABASE {quoted(name)}{like}")
        except pymysql.MySQLError as error:
            raise self._failed(f"No copy of {self.real.label} could be made", error) from error

    @contextmanager
    def server(self) -> Iterator[Connection]:
        """A session on the server of the copies, in no database.

        :raises pymysql.MySQLError: there is none.
        """
        connection = connect(self.place, "copies", database=False)
        try:
            yield connection
        finally:
            close(connection)

    def drop(self, address: Address) -> None:
        assert address.database.startswith(self.prefix), "only copies are dropped"
        with suppress(pymysql.MySQLError), self.server() as connection:
            ask(connection, f"DROP DATABASE IF EXISTS {quoted(address.database)}")

    def find_all(self) -> list[str]:
        with suppress(pymysql.MySQLError), self.server() as connection:
            rows = ask(connection, "SELECT schema_name FROM information_schema.schemata")
            return [str(name) for (name,) in rows if str(name).startswith(self.prefix)]
        return []

    def exchange(self, new: str) -> str:
        """Give the real database the tables of a restored one; its own are kept in a third.

        :returns: the name of that one.
        :raises StepFailed: it could not be done; the real database is as it was.
        :raises NeedsAPerson: it is not, and what it lacks is written down.
        """
        kept = f"{OWN}kept_{self.real.database[:20]}_{local_stamp()}"
        self.make_database(kept)
        try:
            exchange(self.server, self.real.database, new, kept)
        except pymysql.MySQLError as error:
            what = f"No backup can take the place of {self.real.label}"
            raise self._failed(what, error) from error
        except HalfDoneError as half:
            raise self._half_done(half) from half
        return kept

    def take_up_exchange(self) -> None:
        """Finish an exchange that was broken off, with the lock of a release.

        :raises NeedsAPerson: that is not possible now.
        """
        try:
            take_up(self.server, self.real.database)
        except HalfDoneError as half:
            raise self._half_done(half) from half

    def _half_done(self, half: HalfDoneError) -> NeedsAPerson:
        return NeedsAPerson(
            f"A restore of {self.real.label} was broken off, and can neither be finished nor"
            f" undone now: {in_words(half.error, 'its server')}.",
            untouched="No rows are lost; views, triggers, routines and events that may be missing"
            f" are written down in {half.record}.",
            next=f"{remedy(half.error)} Then type the same again: whatever task works on it next"
            " takes that up first.",
        )

    def _failed(self, what: str, error: pymysql.MySQLError) -> StepFailed:
        return StepFailed(
            f"{what}: {in_words(error, 'its server')}.",
            untouched=f"{self.real.label} is as it was.",
            next=remedy(error),
        )
