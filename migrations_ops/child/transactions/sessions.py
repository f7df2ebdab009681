"""What each session of a step on a server gets before anybody uses it: timeouts, and the lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..driver import MARIADB, POSTGRESQL, close_quietly, family_of, is_idle, is_pooled
from ..protocol.instructions import Instructions
from .step_lock import StepLock
from .timeouts import set_timeouts


class Listener(Protocol):
    """Whoever must know the sessions, to end what they are doing."""

    changes: bool

    def opened(self, driver: Any, again: Callable[[], Any] | None) -> None: ...

    def opened_apart(self) -> None: ...


class Sessions:
    """Those of this process to the destination.

    :param refuse: raises; told what was opened, and what is wrong with it.
    """

    def __init__(
        self, instructions: Instructions, listener: Listener, refuse: Callable[[str, str], None]
    ) -> None:
        self._instructions = instructions
        self._listener = listener
        self._refuse = refuse
        self._lock = StepLock(instructions)
        self._known: list[Any] = []

    def opened(self, driver: Any, family: str, again: Callable[[], Any] | None) -> None:
        """A new one was made; another one like it is made by ``again``."""
        if family == POSTGRESQL and is_pooled(driver):
            close_quietly(driver)
            self._refuse(
                f"{self._instructions.name} through a pooler such as PgBouncer",
                "timeouts and locks would then be left to other clients' transactions: give env.py"
                " the address of the server itself",
            )
        self._known.append(driver)
        set_timeouts(driver, family, self._instructions)
        self._listener.opened(driver, again)

    def opened_apart(self) -> None:
        """One was made whose statements nobody sees."""
        self._listener.opened_apart()

    def proved(self, connection: Any) -> None:
        """Alembic is about to use this one, which a function of env.py's may have made.

        :raises StepLocked: another step is still at work.
        """
        family = family_of(connection.dialect)
        driver = connection.connection.dbapi_connection
        known = any(driver is each for each in self._known)
        if not known and (family == MARIADB or is_idle(connection.connection.driver_connection)):
            self.opened(driver, family, None)
        if self._listener.changes:
            self._lock.take(connection, family)
