"""What databases of all kinds of servers have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from migrations_ops.databases.address import Address
from migrations_ops.databases.interface import Database
from migrations_ops.databases.server_copies import ServerCopies
from migrations_ops.model.findings import Finding

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax


class HeldLock(Protocol):
    """The lock of a release, in a session of its own."""

    def require_lock(self) -> None:
        """:raises StepFailed: it was lost."""


@dataclass
class Held:
    """What one process holds of a database: its copies, and its lock; and in words, what it found
    half done when it took that."""

    copies: ServerCopies
    lock: HeldLock | None = None


@dataclass(frozen=True)
class ServerDatabase:
    """One database of a server.

    ``is_copy`` tells a throw-away database; ``summed`` that its fingerprint has checksums.
    """

    address: Address
    is_copy: bool = False
    summed: bool = False
    _held: Held = field(kw_only=True, compare=False, repr=False)
    is_server: ClassVar[bool] = True
    syntax: ClassVar[Syntax]

    @property
    def label(self) -> str:
        return self.address.label

    def same_as(self, other: Database) -> bool:
        return isinstance(other, type(self)) and self.address.place == other.address.place

    # -- one release at a time ------------------------------------------------------------------

    @property
    def lock_order(self) -> str:
        return ":".join((self.syntax, *map(str, self.address.place)))

    def require_lock(self) -> None:
        if self._held.lock is not None:
            self._held.lock.require_lock()

    @contextmanager
    def _swept(self) -> Iterator[None]:
        """Inside, the lock is held: what others made of this database is of the dead."""
        self._held.copies.sweep()
        try:
            yield
        finally:
            self._held.copies.sweep()
            self._held.lock = None

    def find_stuck_copies(self) -> list[Finding]:
        return self._held.copies.find_stuck()

    # -- copying ------------------------------------------------------------------------------

    @contextmanager
    def opened_copy(self, file: Path) -> Iterator[Self]:
        yield self._copy(self._held.copies.restored(file), summed=True)

    def _copy(self, address: Address, *, summed: bool = False) -> Self:
        return replace(self, address=address, is_copy=True, summed=summed)

    # -- the child ----------------------------------------------------------------------------

    def redirect(self) -> dict[str, Any] | None:
        if not self.is_copy:
            return None
        copies = self._held.copies
        if copies.place is copies.real:
            return {"database": self.address.database}
        return {
            "host": self._host(),
            "port": self.address.place[1],
            "user": self.address.user,
            "password": self.address.password,
            "database": self.address.database,
        }

    def _host(self) -> str:
        return self.address.host
