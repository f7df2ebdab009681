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
from migrations_ops.databases.mariadb.exchange import exchange
from migrations_ops.databases.server_copies import OWN, ServerCopies
from migrations_ops.errors import StepFailed
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
        """
        kept = f"{OWN}kept_{self.real.database[:24]}_{local_stamp()}"
        self.make_database(kept)
        try:
            with self.server() as connection:
                exchange(connection, self.real.database, new, kept)
        except pymysql.MySQLError as error:
            self._drop_if_empty(kept)
            what = f"No backup can take the place of {self.real.label}"
            raise self._failed(what, error) from error
        return kept

    def _drop_if_empty(self, name: str) -> None:
        sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s"
        with suppress(pymysql.MySQLError), self.server() as connection:
            if ask(connection, sql, name) == [(0,)]:
                ask(connection, f"DROP DATABASE {quoted(name)}")

    def _failed(self, what: str, error: pymysql.MySQLError) -> StepFailed:
        return StepFailed(
            f"{what}: {in_words(error, 'its server')}.",
            untouched=f"{self.real.label} is as it was.",
            next=remedy(error),
        )
