"""PgBouncer in transaction mode before a PostgreSQL server: each transaction, another session."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from tests.servers.postgres import PostgresServer
from tests.servers.process import (
    MissingServerError,
    ServerProcess,
    free_port,
    own_folder,
    variables,
    write_private,
)


def program() -> Path:
    """:raises MissingServerError: it is not installed."""
    found = shutil.which("pgbouncer", path=variables(Path())["PATH"])
    if found is None:
        raise MissingServerError("PgBouncer is missing here: apt-get install pgbouncer brings it.")
    return Path(found)


class PgBouncer:
    """A pool of two sessions a database, shared by all who connect."""

    def __init__(self, server: PostgresServer, **settings: str) -> None:
        """Make and start it; the superuser of the server may come in with his password.

        :param settings: of pgbouncer.ini, over our own, such as ``pool_mode="session"``.
        :raises MissingServerError: it is not installed.
        """
        found = program()
        self.server = server
        self.folder = own_folder("bouncer")
        self.host, self.port = server.host, free_port()
        users = write_private(self.folder / "users", f'"postgres" "{server.password}"\n')
        chosen = {
            "listen_addr": self.host,
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(users),
            "pool_mode": "transaction",
            "default_pool_size": "2",
            # A transaction gets whichever session has waited longest, never the same one twice.
            "server_round_robin": "1",
            "ignore_startup_parameters": "extra_float_digits",
        }
        lines = [f"{name} = {value}" for name, value in (chosen | settings).items()]
        file = write_private(
            self.folder / "pgbouncer.ini",
            f"[databases]\n* = host={server.host} port={server.port}\n"
            "[pgbouncer]\n" + "\n".join(lines) + "\n",
        )
        self.process = ServerProcess([found, file], self.folder, ready=self._answers)
        self.process.start()

    def _answers(self) -> bool:
        import psycopg

        try:
            with self.server.session(port=self.port):
                return True
        except psycopg.OperationalError:
            return False

    def url(self, database: str, *, driver: str = "postgresql+psycopg") -> str:
        """The URL of a database of the server, through the pool."""
        where = f"{self.host}:{self.port}/{quote(database, safe='')}"
        return f"{driver}://postgres:{quote(self.server.password, safe='')}@{where}"

    def close(self) -> None:
        """End it and remove its folder."""
        self.process.close()
