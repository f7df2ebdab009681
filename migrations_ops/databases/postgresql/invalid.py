"""Indexes that are INVALID: what a CREATE INDEX CONCURRENTLY leaves that was broken off.

No query uses them, every write keeps them up, and they have the name that the next attempt needs.
A dump leaves them out, so that no rehearsal meets them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from migrations_ops.child.servers import STEP_KEY
from migrations_ops.databases.addresses import Address
from migrations_ops.databases.postgresql.connect import Connection, connect
from migrations_ops.databases.postgresql.schema import find_invalid_indexes
from migrations_ops.results import Finding

# How long, in seconds, somebody is waited for who is in the way of dropping one; how long one
# attempt waits; and after which time the next one is made.
PATIENCE = 10.0
_ATTEMPT = 3.0
_AGAIN = 0.2
_PLAIN = re.compile("[a-z_][a-z0-9_]*")
_AT_WORK = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = %s::bigint::oid AND objid = %s::bigint::oid
"""


@dataclass(frozen=True)
class Invalid:
    """One of them; ``oid`` is its own for as long as the database is not replaced."""

    oid: int
    name: str
    table: str

    @property
    def typed(self) -> str:
        """Its name as SQL wants it: one word, with its schema in it if that is not the usual."""
        parts = self.name.split(".", 1)
        return ".".join(
            each if _PLAIN.fullmatch(each) else sql.Identifier(each).as_string() for each in parts
        )

    @property
    def cure(self) -> str:
        return f"DROP INDEX CONCURRENTLY {self.typed}"


def find_invalid(connection: Connection) -> list[Invalid]:
    """:raises psycopg.Error: the server cannot be asked."""
    return [Invalid(*each) for each in find_invalid_indexes(connection)]


def findings(connection: Connection) -> list[Finding]:
    """:raises psycopg.Error: the server cannot be asked."""
    return [
        Finding(
            "invalid-index",
            "warning",
            f"the index {each.name} of {each.table} is INVALID: no query uses it, and another one"
            f" of its name cannot be made. {each.cure}; and create it again",
            each.name,
        )
        for each in find_invalid(connection)
    ]


def drop_all_but(address: Address, others: Collection[int]) -> tuple[list[str], list[str]]:
    """Drop them, and wait a while for whoever is in the way: the orphan of a step that was killed
    still builds one, or an application's transaction has its table.

    :param others: those that are left alone.
    :returns: the names of those that were dropped, and of those that are still there.
    """
    dropped: list[str] = []
    left: dict[int, Invalid] = {}
    until = time.monotonic() + PATIENCE
    while True:
        is_at_work = True
        with suppress(psycopg.Error), connect(address, "clean up") as connection:
            is_at_work = _is_at_work(connection)
            left = {each.oid: each for each in find_invalid(connection) if each.oid not in others}
            if not is_at_work:
                for each in _drop(connection, left.values(), until):
                    dropped.append(each.name)
                    del left[each.oid]
        if (not left and not is_at_work) or time.monotonic() >= until:
            return dropped, [each.typed for each in left.values()]
        time.sleep(_AGAIN)


def _drop(connection: Connection, wanted: Collection[Invalid], until: float) -> Iterator[Invalid]:
    for each in list(wanted):
        rest = max(0.1, min(_ATTEMPT, until - time.monotonic()))
        connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{rest * 1000:.0f}",))
        with suppress(psycopg.Error):
            # What is broken off here can be dropped by the next attempt.
            connection.execute(sql.SQL(each.cure))
            yield each


def _is_at_work(connection: Connection) -> bool:
    """Whether a step is: the server has not noticed yet that its process is gone."""
    unsigned = STEP_KEY & 0xFFFF_FFFF_FFFF_FFFF
    keys = (unsigned >> 32, unsigned & 0xFFFF_FFFF)
    return connection.execute(_AT_WORK, keys).fetchone() != (0,)
