"""Timeouts for what a step asks of a server, on any driver: an application never waits long for us.

All later statements queue behind one that waits for a lock, so it gives up early, and the
parent tries again later.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import Any

from ..driver import ask
from ..protocol.instructions import Instructions

# How long to wait for a lock, in seconds. MariaDB's 0 means: do not wait for a table's at all.
_POSTGRESQL_LOCK, _MARIADB_LOCK = 0.5, 0.0
STATEMENT = 3600.0
IDLE = 60.0
# How long, in seconds, MariaDB waits for a row unless that is set.
_USUAL_ROW_TIMEOUT = 50
# How often, in milliseconds, PostgreSQL looks during a statement whether we are still there.
CHECK_INTERVAL = 500
APPLICATION = "migrations_ops"
# These wait for all older transactions, but no session waits for them; if one is canceled, the
# index that was being built stays behind, invalid.
_CONCURRENT = re.compile(
    r"\b(?:INDEX|TABLE|SCHEMA|DATABASE|SYSTEM|PARTITION\s+\S+)\s+CONCURRENTLY\b"
    r"|\bREINDEX\s*\([^)]*\bCONCURRENTLY\b",
    re.IGNORECASE,
)


def set_postgresql(driver: Any, instructions: Instructions) -> None:
    """Set them for the life of a connection, which is outside of any transaction."""
    lock = _or(instructions.lock_timeout, _POSTGRESQL_LOCK)
    settings = {
        # Its 0 would mean: wait for ever.
        "lock_timeout": max(1, _milliseconds(lock)),
        "statement_timeout": _milliseconds(_or(instructions.statement_timeout, STATEMENT)),
        "idle_in_transaction_session_timeout": _milliseconds(IDLE),
    }
    settings_sql = [f"set_config('{name}', '{value}', false)" for name, value in settings.items()]
    settings_sql.append(
        "set_config('application_name', coalesce(nullif(current_setting('application_name'), ''),"
        f" '{APPLICATION}'), false)"
    )
    ask(driver, f"SELECT {', '.join(settings_sql)}")
    driver.commit()  # or the first rollback would undo it
    with suppress(Exception):  # a server on Windows cannot look
        name = "client_connection_check_interval"
        ask(driver, f"SELECT set_config('{name}', '{CHECK_INTERVAL}', false)")
        driver.commit()
    driver.rollback()


def set_mariadb(driver: Any, instructions: Instructions) -> None:
    """The same for a connection to MariaDB."""
    lock = _or(instructions.lock_timeout, _MARIADB_LOCK)
    statement = _or(instructions.statement_timeout, STATEMENT)
    rows = _rows(lock)
    # MySQL waits a second at least, and has a limit for queries only.
    ask(driver, f"SET SESSION lock_wait_timeout = {int(lock)}, innodb_lock_wait_timeout = {rows}")
    with suppress(Exception):
        ask(driver, f"SET SESSION max_statement_time = {statement:f}")


def set_row_timeout(driver: Any, instructions: Instructions, *, usual: bool) -> None:
    """How long a connection to MariaDB waits for a row: as all others do, or hardly at all."""
    lock = _or(instructions.lock_timeout, _MARIADB_LOCK)
    as_others = f"GREATEST(@@global.innodb_lock_wait_timeout, {_USUAL_ROW_TIMEOUT})"
    seconds = as_others if usual else str(_rows(lock))
    ask(driver, f"SET SESSION innodb_lock_wait_timeout = {seconds}")


def _or(seconds: float | None, usual: float) -> float:
    return usual if seconds is None else seconds


def _rows(lock: float) -> int:
    """Whole seconds: it takes no others."""
    return max(1, math.ceil(lock))


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


class LockTimeout:
    """Disables the lock timeout for CONCURRENTLY statements: they block no one while waiting."""

    def __init__(self) -> None:
        self._before: dict[int, str] = {}

    def prepare(self, driver: Any, sql: str) -> None:
        """Before a statement of a connection to PostgreSQL that commits each by itself."""
        if not _CONCURRENT.search(sql):
            self.restore(driver)
        elif id(driver) not in self._before:
            self._before[id(driver)] = str(ask(driver, "SHOW lock_timeout")[0][0])
            ask(driver, "SET lock_timeout = 0")

    def restore(self, driver: Any) -> None:
        """Back to what was set before."""
        if id(driver) in self._before:
            ask(driver, f"SET lock_timeout = '{self._before.pop(id(driver))}'")
