"""mariadb-dump and mariadb: found, of the right version, and given the password in a file only."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.connect import (
    ANSWER_SECONDS,
    Connection,
    checks_host,
    local_socket,
)
from migrations_ops.databases.mariadb.server import is_mariadb, server_version
from migrations_ops.model.errors import Refused
from migrations_ops.system import process
from migrations_ops.system.files import open_own
from migrations_ops.system.variables import base_variables

# What an option file writes in another way within double quotes.
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_VERSION = re.compile(r"(?:Distrib|from|Ver) (\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Tools:
    """The two programs of one installation of the clients."""

    dump: str
    client: str
    version: tuple[int, ...]
    is_mariadb: bool

    @property
    def title(self) -> str:
        kind = "MariaDB" if self.is_mariadb else "MySQL"
        return f"{Path(self.dump).name} of {kind} {'.'.join(map(str, self.version))}"


def find_tools(*, mariadb: bool) -> Tools | None:
    """The clients in PATH that are of the server's own kind, None where there are none."""
    pairs = (("mariadb-dump", "mariadb"), ("mysqldump", "mysql"))
    for dump, client in pairs if mariadb else reversed(pairs):
        tools = _tools(dump, client, base_variables().get("PATH", os.defpath))
        if tools is not None and tools.is_mariadb == mariadb:
            return tools
    return None


def require_tools(connection: Connection) -> Tools:
    """The clients with which this server is copied.

    :raises Refused: there are none, or they are older than the server.
    """
    mariadb, version = is_mariadb(connection), server_version(connection)
    tools = find_tools(mariadb=mariadb)
    if tools is not None and tools.version[:1] >= version[:1]:
        return tools
    kind = "MariaDB" if mariadb else "MySQL"
    server = ".".join(map(str, version[:2]))
    program = "mariadb-dump" if mariadb else "mysqldump"
    has = f"there is no {program} in PATH" if tools is None else f"{tools.title} is older"
    raise Refused(
        f"The server is {kind} {server}, and {has}: no backup could be taken.",
        untouched="No database was changed.",
        next=f"Install {kind}'s clients of version {version[0] if version else server} or later"
        " (mariadb-client), and see that their folder is in PATH.",
    )


@cache
def _tools(dump: str, client: str, path: str) -> Tools | None:
    found = [shutil.which(name, path=path) for name in (dump, client)]
    if found[0] is None or found[1] is None:
        return None
    with suppress(OSError, process.TooLong):
        argv = [found[0], "--no-defaults", "--version"]
        run = process.run(argv, base_variables(), Path(found[0]).parent, timeout=ANSWER_SECONDS)
        message = run.stdout.decode(errors="replace")
        # "Ver 10.19 Distrib 10.11.19-MariaDB", "from 11.4.2-MariaDB, client 10.19", "Ver 8.0.36"
        versions = _VERSION.findall(message)
        if versions:
            numbers = tuple(int(part) for part in versions[-1] if part)
            return Tools(found[0], found[1], numbers, "mariadb" in message.lower())
    return None


class Credentials:
    """A file that tells a client where to go and as whom, and that no other user may read."""

    def __init__(self, folder: Path, address: Address) -> None:
        self.file = folder / "client.cnf"
        descriptor = open_own(self.file, os.O_WRONLY | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(_option_file(address))

    def forget(self) -> None:
        """The client has read it: should we be killed now, no password is left anywhere."""
        with suppress(OSError):
            self.file.unlink()


@contextmanager
def credentials(address: Address) -> Iterator[tuple[Credentials, dict[str, str]]]:
    """The file, and the variables, of a client; no variable of the shell tells it anything."""
    # On Windows the file may still be open when the client has just been killed.
    with tempfile.TemporaryDirectory(prefix="migrations_ops-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # MySQL's clients read that file in any case, and after all others.
        variables = base_variables() | {"MYSQL_TEST_LOGIN_FILE": str(folder / "none")}
        made = Credentials(folder, address)
        try:
            yield made, variables
        finally:
            made.forget()


def _option_file(address: Address) -> str:
    settings = {"user": address.user, "password": address.password}
    settings |= {name: address.options.get(f"ssl_{name[4:]}", "") for name in
             ("ssl-ca", "ssl-capath", "ssl-cert", "ssl-key", "ssl-cipher")}  # fmt: skip
    socket = local_socket(address)
    if socket is not None:
        settings |= {"protocol": "socket", "socket": socket}
    else:
        # Else the clients would take a socket for localhost, whatever the port says.
        settings |= {"protocol": "tcp", "host": address.host or "localhost"}
        settings["port"] = str(address.port or 3306)
    proves = bool(settings["ssl-ca"] or settings["ssl-capath"])
    # From 11.4 on they ask every server who it is, even without a certificate to compare with.
    settings["loose-ssl-verify-server-cert"] = (
        "1" if proves and checks_host(address.options) else "0"
    )
    lines = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in settings.items() if value]
    return "\n".join(["[client]", *lines, ""])
