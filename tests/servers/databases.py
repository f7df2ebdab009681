"""What the servers of the tests have in common: databases that come and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

_numbers = count(1)


def fresh_name() -> str:
    """A name that no other database of this server has."""
    return f"test_{next(_numbers)}"


class Server(Protocol):
    """The part that PostgreSQL and MariaDB share."""

    host: str
    port: int

    @property
    def bin(self) -> Path:
        """The folder of the server's own client programs."""
        ...

    def url(
        self,
        database: str,
        *,
        user: str | None = ...,
        password: str | None = ...,
        driver: str | None = ...,
    ) -> str: ...

    def execute(self, sql: str, *values: Any, database: str = ...) -> list[tuple[Any, ...]]: ...

    def create_database(self, name: str | None = None) -> str: ...

    def copy_database(self, source: str) -> str: ...

    def drop_database(self, name: str) -> None: ...

    def databases(self) -> set[str]: ...

    def drop_role(self, name: str) -> None: ...

    def roles(self) -> set[str]: ...

    def start(self) -> None: ...

    def answering(self) -> AbstractContextManager[None]: ...

    def in_one_session(self, database: str = ...) -> AbstractContextManager[None]: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def create_role(self, name: str, password: str, options: str = ...) -> None: ...

    def session(self, database: str = ..., **more: Any) -> AbstractContextManager[Any]: ...


@dataclass(frozen=True)
class ServerDatabase:
    """One database of a server."""

    server: Server
    name: str

    def url(self, driver: str | None = None) -> str:
        """:param driver: as SQLAlchemy writes it, such as ``postgresql+asyncpg``."""
        return self.server.url(self.name, driver=driver)

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL as the server's administrator, committed."""
        return self.server.execute(sql, *values, database=self.name)

    def in_one_session(self) -> AbstractContextManager[None]:
        """What is executed inside shares a session."""
        return self.server.in_one_session(self.name)


@contextmanager
def swept(server: Server) -> Iterator[None]:
    """A server that runs; databases and roles that come meanwhile, whoever makes them, go."""
    with server.answering():
        databases, roles = server.databases(), server.roles()
    try:
        yield
    finally:
        # A test may have ended it.
        with server.answering():
            for database in server.databases() - databases:
                server.drop_database(database)
            for role in server.roles() - roles:
                server.drop_role(role)
