"""A MariaDB server of the tests' own, from the system's package."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.servers.databases import fresh_name
from tests.servers.process import (
    MissingServerError,
    ServerProcess,
    as_user,
    free_port,
    own_folder,
    run_as_user,
    variables,
    write_private,
)
from tests.servers.running import RunningServer

PASSWORD = "hidden-word-of-root"
# Nothing here has to survive a power cut; a crash of the server alone still loses nothing, which
# innodb-flush-log-at-trx-commit=0 would. Small, since each test process has one.
SETTINGS = {
    "innodb-flush-log-at-trx-commit": "2",
    "innodb-buffer-pool-size": "32M",
    "innodb-log-file-size": "8M",
    "innodb-doublewrite": "0",
    "aria-pagecache-buffer-size": "8M",
    "key-buffer-size": "1M",
    "performance-schema": "0",
    "max-connections": "100",
    "skip-name-resolve": "1",
    "skip-log-bin": "1",
    "default-time-zone": "+00:00",
}
SYSTEM = {"mysql", "sys", "information_schema", "performance_schema"}


def program(name: str) -> Path:
    """A program of the system's package, which may lie outside of a user's PATH.

    :raises MissingServerError: it is not installed.
    """
    found = shutil.which(name, path=variables(Path())["PATH"])
    if found is None:
        raise MissingServerError(
            "MariaDB is missing here: apt-get install --no-install-recommends mariadb-server"
            " brings it (and no server of the system has to run)."
        )
    return Path(found)


class MariaServer(RunningServer):
    """A server with one administrator, ``root``, who has to give his password."""

    administrator, password, driver = "root", PASSWORD, "mysql+pymysql"

    def __init__(self, **settings: str) -> None:
        """Make and start the server.

        :param settings: options of mariadbd over our own, with ``_`` for ``-``.
        :raises MissingServerError: its programs are not installed.
        """
        as_user()
        server, install = program("mariadbd"), program("mariadb-install-db")
        self.bin = program("mariadb-dump").parent
        self.folder = own_folder("maria")
        self.port = free_port()
        own = {name.replace("_", "-"): value for name, value in settings.items()}
        words = [f"--{name}={value}" for name, value in (SETTINGS | own).items()]
        try:
            self._initialise(install)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.process = ServerProcess(
            [
                server,
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                f"--socket={self.folder / 'socket'}",
                f"--pid-file={self.folder / 'pid'}",
                f"--tmpdir={self.folder}",
                f"--bind-address={self.host}",
                f"--port={self.port}",
                f"--init-file={self._first_words()}",
                *words,
            ],
            self.folder,
            ready=self._answers,
        )
        self.start()

    def _initialise(self, install: Path) -> None:
        words = ["--no-defaults", f"--datadir={self.folder / 'data'}", "--skip-test-db"]
        words += ["--auth-root-authentication-method=normal", "--skip-name-resolve"]
        words += ["--innodb-log-file-size=8M", "--innodb-doublewrite=0"]
        words += ["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"]
        # In a folder shared with others, each server that starts removes what it takes for its own.
        words += [f"--tmpdir={self.folder}"]
        run_as_user([install, *words], self.folder)

    def _first_words(self) -> Path:
        """What the server does before it listens: nobody gets in without a password."""
        return write_private(
            self.folder / "first.sql",
            "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> '%');\n"
            "FLUSH PRIVILEGES;\n"
            f"CREATE OR REPLACE USER root@'%' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n",
        )

    def _answers(self) -> bool:
        import pymysql

        try:
            self.execute("SELECT 1")
        except pymysql.OperationalError:
            return False
        return True

    @contextmanager
    def session(self, database: str | None = None, **more: Any) -> Iterator[Any]:
        """A PyMySQL connection of root, in autocommit unless told; closed afterwards."""
        import pymysql

        given: dict[str, Any] = {"host": self.host, "port": self.port, "user": "root"}
        given |= {"password": self.password, "connect_timeout": 10, "autocommit": True}
        # Else PyMySQL reads all certificates of the system, 30 ms each time.
        given |= {"ssl_disabled": True}
        with closing(pymysql.connect(database=database, **(given | more))) as connection:
            yield connection

    def execute(self, sql: str, *values: Any, database: str = "") -> list[tuple[Any, ...]]:
        """Run one statement as root, committed."""
        with self.session(database or None) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def create_database(self, name: str | None = None, *, options: str = "") -> str:
        """:param options: what follows in CREATE DATABASE, such as ``CHARACTER SET latin1``."""
        made = name or fresh_name()
        self.execute(f"CREATE DATABASE {quoted(made)} {options}")
        return made

    def copy_database(self, source: str) -> str:
        """A new database that is equal to another one."""
        made = self.create_database()
        self.client("mariadb", made, given=self.client("mariadb-dump", "--routines", source))
        return made

    def client(self, name: str, *arguments: str, given: bytes = b"") -> bytes:
        """Run one of MariaDB's own programs as root to its end; returns what it printed."""
        login = ["--no-defaults", f"--host={self.host}", f"--port={self.port}", "--user=root"]
        return subprocess.run(
            [str(self.bin / name), *login, *arguments],
            env={"MYSQL_PWD": self.password},
            input=given,
            capture_output=True,
            check=True,
        ).stdout

    def drop_database(self, name: str) -> None:
        """Drop a database; whoever holds a lock in it is thrown out first, and foreign keys of
        others that refer to it are none that count."""
        sessions = "SELECT id FROM information_schema.processlist WHERE db = %s"
        for (number,) in self.execute(sessions, name):
            self._kill_session(number)
        with self.session() as connection, connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            cursor.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")

    def _kill_session(self, number: int) -> None:
        import pymysql

        try:
            self.execute(f"KILL HARD CONNECTION {number}")
        except pymysql.OperationalError as error:
            if error.args[0] != 1094:  # It has gone by itself.
                raise

    def databases(self) -> set[str]:
        """The names of all databases that are not the system's."""
        return {name for (name,) in self.execute("SHOW DATABASES")} - SYSTEM

    def create_role(self, name: str, password: str, options: str = "") -> None:
        """A user who may log in from anywhere, and may do nothing.

        :param options: what follows, such as ``REQUIRE SSL``; rights are given by GRANT.
        """
        self.execute(f"CREATE USER {account(name)} IDENTIFIED BY {text(password)} {options}")

    def drop_role(self, name: str) -> None:
        """Drop a user."""
        self.execute(f"DROP USER {account(name)}")

    def roles(self) -> set[str]:
        """The names of all users that are not the system's."""
        found = self.execute("SELECT User FROM mysql.user WHERE Host = '%'")
        return {name for (name,) in found} - {"root"}


def quoted(name: str) -> str:
    """An identifier for MariaDB."""
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """A string for MariaDB."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def account(name: str) -> str:
    """A user for MariaDB, from whatever host."""
    return f"{quoted(name)}@`%`"
