"""Throw-away copies of a database, on its own server or another one."""

from __future__ import annotations

import hashlib
import secrets
import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from migrations_ops.databases.address import Address
from migrations_ops.model.findings import COPY_LEFT, Finding

# The prefix of all databases that this tool creates: a right can be granted on exactly these.
OWN = "migrations_ops_"


@dataclass
class ServerCopies(ABC):
    """The copies of one database that this process has made.

    ``real`` is the address of the database; ``scratch_server`` the address of a database on the
    server of the copies, from ``scratch_url`` if that is configured.
    """

    real: Address
    scratch_server: Address
    _restored: dict[tuple[int, int], str] = field(default_factory=dict)
    # Those that could not be dropped, and why.
    stuck: dict[str, str] = field(default_factory=dict)

    @property
    def is_beside(self) -> bool:
        """Whether copies are made on the real database's server."""
        return self.real.endpoint[:2] == self.scratch_server.endpoint[:2]

    def on_its_server(self) -> Self:
        """The same, with copies on the database's own server, whatever the configuration says."""
        return self if self.scratch_server is self.real else type(self)(self.real, self.real)

    @property
    def prefix(self) -> str:
        """The prefix of the names of all copies of this database."""
        host, port, database = self.real.endpoint
        if host == "localhost" or "/" in host:
            host = socket.gethostname()  # a server for copies may serve several machines
        identity = database if self.is_beside else f"{host}:{port}/{database}"
        return f"{OWN}copy_{hashlib.sha256(identity.encode()).hexdigest()[:8]}_"

    def fresh_name(self) -> str:
        """A name for another copy."""
        return f"{self.prefix}{secrets.token_hex(6)}"

    def restored(self, file: Path) -> Address:
        """A database restored from a backup, which no one writes; made once for each file.

        :raises StepFailed: it cannot be created, or the backup cannot be restored there.
        """
        found = file.stat()
        key = (found.st_ino, found.st_size)
        if key not in self._restored:
            # One at a time: the server may not have the disk space for all of them.
            self.drop_restored()
            self._restored[key] = self.filled(file).database
        return self.scratch_server.of_database(self._restored[key])

    def take(self, file: Path) -> str:
        """Hand over a restored database: its name; it is no longer a copy."""
        name = self.restored(file).database
        self._restored = {key: each for key, each in self._restored.items() if each != name}
        return name

    def drop_restored(self) -> None:
        for name in self._restored.values():
            self.drop(self.scratch_server.of_database(name))
        self._restored.clear()

    def sweep(self) -> None:
        """Drop all copies of this database: their owners are dead or no longer need them."""
        self._restored.clear()
        self.stuck.clear()
        for name in self.find_all():
            self.drop(self.scratch_server.of_database(name))

    def find_stuck(self) -> list[Finding]:
        """The copies that could not be dropped at the last sweep."""
        return [
            COPY_LEFT.found(name, database=self.real.label, reason=why)
            for name, why in self.stuck.items()
        ]

    def filled(self, file: Path) -> Address:
        """A new database with the content of a backup."""
        address = self.make()
        try:
            self.fill(address, file)
        except BaseException:
            self.drop(address)
            raise
        return address

    @abstractmethod
    def clone(self, file: Path | None) -> Address:
        """A database to be written, equal to a backup; an empty one without."""

    @abstractmethod
    def make(self) -> Address:
        """A new database, like the real one and empty.

        :raises StepFailed: this role may not create databases.
        """

    @abstractmethod
    def fill(self, address: Address, file: Path) -> None:
        """Restore a backup into an empty database."""

    @abstractmethod
    def find_all(self) -> list[str]:
        """The names of all copies of this database, none where the server does not answer."""

    @abstractmethod
    def drop(self, address: Address) -> None:
        """Drop a copy; if that is not possible now, the next task drops it."""
