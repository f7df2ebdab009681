"""The common part of all server databases; each engine adds its own queries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from migrations_ops.databases.address import Address
from migrations_ops.databases.interface import Database
from migrations_ops.databases.server_copies import ServerCopies
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.model.findings import UNREACHABLE, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import Ledger, LedgerEntry
from migrations_ops.model.text import is_typo

if TYPE_CHECKING:
    from migrations_ops.child.protocol.sql import Syntax


class ReleaseLock(Protocol):
    """The lock of a release, in a separate session."""

    def require_lock(self) -> None:
        """:raises StepFailed: it was lost."""


@dataclass
class Resources:
    """What this process created for a database: copies, and the lock of a release."""

    copies: ServerCopies
    lock: ReleaseLock | None = None


@dataclass(frozen=True)
class ServerDatabase(ABC):
    """One database of a server.

    ``is_copy`` marks a copy, which is dropped in the end; ``summed`` that its fingerprint has
    checksums. ``_errors`` are those of the driver.
    """

    address: Address
    is_copy: bool = False
    summed: bool = False
    _own: Resources = field(kw_only=True, compare=False, repr=False)
    is_server: ClassVar[bool] = True
    syntax: ClassVar[Syntax]
    _errors: ClassVar[type[Exception]]

    # -- how a server is queried ------------------------------------------------------------------

    @abstractmethod
    def _asked(self, purpose: str = "") -> AbstractContextManager[Any]:
        """A connection that is closed unless small queries are answered soon."""

    @abstractmethod
    def _in_words(self, error: Exception, label: str = "") -> str:
        """Describe an error of the driver for a person."""

    @abstractmethod
    def _advice_on(self, error: Exception) -> str:
        """What the user can do about it."""

    @abstractmethod
    def _is_missing(self, error: Exception) -> bool:
        """Whether it says that there is no such database."""

    @abstractmethod
    def _inspect(self, connection: Any, version_table: str) -> Inspection: ...

    @abstractmethod
    def _read_ledger(self, connection: Any, version_table: str) -> Ledger: ...

    @abstractmethod
    def _add_to_ledger(self, connection: Any, entry: LedgerEntry) -> None: ...

    @abstractmethod
    def _read_size(self, connection: Any) -> int: ...

    @abstractmethod
    def _read_identity(self, connection: Any) -> str: ...

    @abstractmethod
    def _read_fingerprint(self, version_table: str, *, summed: bool) -> Fingerprint: ...

    @abstractmethod
    def _read_schema(self, version_table: str) -> Mapping[str, str]: ...

    @abstractmethod
    def _why_only_read(self, connection: Any) -> tuple[str, str] | None:
        """Why the database cannot be written, and what to do about it; None if it can."""

    @abstractmethod
    def _find_blocking_sessions(self, connection: Any) -> list[str]: ...

    @abstractmethod
    def _find_obstacles(self, others: Mapping[str, str]) -> list[Finding]: ...

    # -- reading ------------------------------------------------------------------------------

    def inspect(self, version_table: str) -> Inspection:
        try:
            with self._asked("inspect") as connection:
                return self._inspect(connection, version_table)
        except self._errors as error:
            if self._is_missing(error):
                return Inspection(exists=False)
            return Inspection(
                exists=True, trouble=self._in_words(error), advice=self._advice_on(error)
            )

    def fingerprint(self, version_table: str) -> Fingerprint:
        try:
            return self._read_fingerprint(version_table, summed=self.summed)
        except self._errors as error:
            raise self._failed("", error) from error

    def read_schema(self, version_table: str) -> Mapping[str, str]:
        try:
            return self._read_schema(version_table)
        except self._errors as error:
            raise self._failed("", error) from error

    def unchanged_since(
        self, taken: Fingerprint, source: Mapping[str, int | str] | None, version_table: str
    ) -> bool:
        if not taken.sums and taken.rows:
            return False
        with suppress(self._errors):
            return self._read_fingerprint(version_table, summed=True) == taken
        return False

    def size(self) -> int:
        with suppress(self._errors), self._asked() as connection:
            return self._read_size(connection)
        return 0

    def ledger(self, version_table: str) -> Ledger:
        with suppress(self._errors), self._asked() as connection:
            return self._read_ledger(connection, version_table)
        return Ledger()

    def add_to_ledger(self, entry: LedgerEntry) -> None:
        try:
            with self._asked() as connection:
                self._add_to_ledger(connection, entry)
        except self._errors as error:
            raise self._failed("The ledger could not be written", error) from error

    def find_damage(self) -> str:
        try:
            with self._asked():
                return ""
        except self._errors as error:
            return self._in_words(error)

    def neighbours(self) -> Iterator[Self]:
        names: list[str] = []
        with suppress(self._errors):
            names = self._names_beside()
        for name in names:
            if is_typo(name, self.address.database):
                yield replace(self, address=self.address.of_database(name))

    @abstractmethod
    def _names_beside(self) -> list[str]:
        """The databases of its server that this role may open."""

    # -- before a release -----------------------------------------------------------------------

    def require_usable(self) -> None:
        try:
            with self._asked() as connection:
                found = self._why_only_read(connection)
        except self._errors as error:
            if self._is_missing(error):
                return
            found = self._in_words(error), self._advice_on(error)
        if found is not None:
            raise Refused(
                f"No upgrade can start: {found[0]}.",
                untouched="No database was changed.",
                next=found[1],
            )

    def find_obstacles(self, others: Mapping[str, str] = MappingProxyType({})) -> list[Finding]:
        try:
            return self._find_obstacles(others)
        except self._errors as error:
            why, advice = self._in_words(error), self._advice_on(error)
            return [UNREACHABLE.found(self.label, reason=why, advice=advice)]

    def find_blocking_sessions(self) -> list[str]:
        with suppress(self._errors), self._asked() as connection:
            return self._find_blocking_sessions(connection)
        return []

    def identity(self) -> str:
        try:
            with self._asked() as connection:
                return self._read_identity(connection)
        except self._errors as error:
            if self._is_missing(error):
                return f"{self.syntax}:missing:{self.label}"
            raise self._failed("", error) from error

    def _failed(self, what: str, error: Exception, label: str = "") -> StepFailed:
        """:param what: what could not be done; empty where the error says it.
        :param label: what the error is about, if not this database."""
        why = self._in_words(error, label)
        return StepFailed(
            f"{what}: {why}." if what else f"{why}.",
            untouched=f"{self.label} is unchanged.",
            next=self._advice_on(error),
        )

    @property
    def label(self) -> str:
        return self.address.label

    def same_as(self, other: Database) -> bool:
        return isinstance(other, type(self)) and self.address.endpoint == other.address.endpoint

    # -- one release at a time ------------------------------------------------------------------

    @property
    def lock_order(self) -> str:
        return ":".join((self.syntax, *map(str, self.address.endpoint)))

    def require_lock(self) -> None:
        if self._own.lock is not None:
            self._own.lock.require_lock()

    @contextmanager
    def _swept(self) -> Iterator[None]:
        """Drop leftover copies: this process has the lock, so no live process owns them."""
        self._own.copies.sweep()
        try:
            yield
        finally:
            self._own.copies.sweep()
            self._own.lock = None

    def find_stuck_copies(self) -> list[Finding]:
        return self._own.copies.find_stuck()

    # -- copying ------------------------------------------------------------------------------

    @contextmanager
    def opened_copy(self, file: Path) -> Iterator[Self]:
        yield self._copy(self._own.copies.restored(file), summed=True)

    def make_scratch(self, file: Path, backup: Path | None) -> Self:
        return self._copy(self._own.copies.clone(backup))

    def _copy(self, address: Address, *, summed: bool = False) -> Self:
        return replace(self, address=address, is_copy=True, summed=summed)

    # -- the child ----------------------------------------------------------------------------

    def redirect(self) -> dict[str, Any] | None:
        if not self.is_copy:
            return None
        copies = self._own.copies
        if copies.scratch_server is copies.real:
            return {"database": self.address.database}
        return {
            "host": self._host(),
            "port": self.address.endpoint[1],
            "user": self.address.user,
            "password": self.address.password,
            "database": self.address.database,
        }

    def _host(self) -> str:
        return self.address.host
