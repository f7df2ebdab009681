"""What each server of the tests is, of whatever kind: one that starts, suffers and ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from urllib.parse import quote

from tests.servers.process import ServerProcess


class RunningServer:
    """A server on loopback, with one administrator who has to give his password."""

    process: ServerProcess
    host = "127.0.0.1"
    port: int
    administrator: str
    password: str
    driver: str

    @property
    def pid(self) -> int:
        """The process id of the server, of the first one where it has several."""
        return self.process.pid

    def start(self) -> None:
        """Start it again after ``stop`` or ``kill``; a server that runs goes on, unpaused."""
        self.process.start()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """A server that runs and answers, whatever was done to it before."""
        self.start()
        with self.in_one_session():
            yield

    def in_one_session(self, database: str = "") -> AbstractContextManager[None]:
        """What the administrator executes there shares a session, where one is dear."""
        return nullcontext()

    def stop(self) -> None:
        """End it in good order; sessions are interrupted."""
        self.process.stop()

    def kill(self) -> None:
        """A crash: all its processes get SIGKILL."""
        self.process.kill()

    def pause(self) -> None:
        """SIGSTOP for all its processes: connections stay open, nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """Go on after ``pause``."""
        self.process.resume()

    def close(self) -> None:
        """End it for good and remove its folder."""
        self.process.close()

    def url(
        self,
        database: str,
        *,
        user: str | None = None,
        password: str | None = None,
        driver: str | None = None,
    ) -> str:
        """The URL of a database as SQLAlchemy reads it."""
        name = quote(user or self.administrator, safe="")
        secret = quote(self.password if password is None else password, safe="")
        where = f"{self.host}:{self.port}/{quote(database, safe='')}"
        return f"{driver or self.driver}://{name}:{secret}@{where}"
