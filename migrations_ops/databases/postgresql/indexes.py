"""Indexes that are INVALID: what a failed CREATE INDEX CONCURRENTLY leaves.

No query uses them, every write keeps them up, and they have the name that the next attempt needs.
A dump leaves them out, so that no rehearsal meets them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from migrations_ops.child.protocol.identity import STEP_KEY
from migrations_ops.child.protocol.sql import shown
from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import Connection, connect
from migrations_ops.databases.postgresql.schema.catalog import OWN_SCHEMAS, Catalog, reading
from migrations_ops.model.findings import HALF_DETACHED, INVALID_INDEX, Finding
from migrations_ops.model.ledger import BuiltIndex, MadeIndexes

# How long, in seconds, to wait for sessions that prevent a DROP; how long one attempt waits; and
# the pause before the next one.
DROP_SECONDS = 10.0
_ATTEMPT_SECONDS = 3.0
_PAUSE_SECONDS = 0.2
_AT_WORK = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = %s::bigint::oid AND objid = %s::bigint::oid
"""
# Whether an index is still INVALID, and no session is about to build on its table: a DROP would
# wait for that session, and then drop what it has made valid. Of those that hold the same lock,
# a VACUUM and an ANALYZE build none.
_MAY_BE_DROPPED = """
SELECT NOT x.indisvalid AND NOT EXISTS (
    SELECT FROM pg_locks l WHERE l.locktype = 'relation' AND l.relation = x.indrelid
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = l.pid)
    AND NOT EXISTS (SELECT FROM pg_stat_progress_analyze a WHERE a.pid = l.pid))
FROM pg_index x WHERE x.indexrelid = %s::bigint::oid
"""
# What a REINDEX CONCURRENTLY calls the new one, and the old one when it has taken its place.
_AGAIN_BUILT = re.compile(r".*_cc(new|old)\d*")


@dataclass(frozen=True)
class Index:
    """An index; ``oid`` identifies it for as long as the database is not replaced.

    :param typed: its name as SQL wants it.
    """

    oid: int
    name: str
    table: str
    table_oid: int
    typed: str

    @property
    def statement(self) -> str:
        return f"DROP INDEX CONCURRENTLY {self.typed}"


def find_invalid(connection: Connection) -> list[Index]:
    """:raises psycopg.Error: the server cannot be asked."""
    return _find_indexes(connection, "NOT x.indisvalid")


def _find_indexes(connection: Connection, condition: str) -> list[Index]:
    with reading(connection) as schema:
        catalog = Catalog(connection, schema)
        rows = catalog.ask(
            "SELECT i.oid::bigint, n.nspname, i.relname, t.relname, t.oid::bigint,"
            " i.oid::regclass::text FROM pg_index x"
            " JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid"
            " JOIN pg_namespace n ON n.oid = i.relnamespace"
            f" WHERE {condition} AND i.relkind = 'i' AND {OWN_SCHEMAS} ORDER BY 2, 3"
        )
        return [
            Index(oid, catalog.name(nsp, index), catalog.name(nsp, table), table_oid, typed)
            for oid, nsp, index, table, table_oid, typed in rows
        ]


def findings(connection: Connection) -> list[Finding]:
    """:raises psycopg.Error: the server cannot be asked."""
    return [*_half_detached(connection), *_invalid(connection)]


def _half_detached(connection: Connection) -> list[Finding]:
    """The partitions whose DETACH CONCURRENTLY was canceled: no query sees their rows, and a copy
    has them again."""
    if connection.info.server_version < 140000:
        return []
    rows = connection.execute(
        "SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits"
        " WHERE inhdetachpending ORDER BY 1"
    )
    return [HALF_DETACHED.found(str(child), parent=str(parent)) for child, parent in rows]


def _invalid(connection: Connection) -> list[Finding]:
    return [
        INVALID_INDEX.found(each.name, table=each.table, statement=each.statement)
        for each in find_invalid(connection)
    ]


def find_others(
    connection: Connection, made: MadeIndexes, before: Collection[int]
) -> Mapping[str, bool]:
    """The indexes that are none of these, as fingerprints name them, and whether INVALID.

    :param before: those that were INVALID before, which are left out.
    :raises psycopg.Error: the server cannot be asked.
    """
    valid = [] if made.unseen else _find_indexes(connection, "x.indisvalid")
    found = {f"index {shown(each.name)}": False for each in valid if not _is_of(made, each)}
    broken = [each for each in find_invalid(connection) if each.oid not in before]
    return found | {f"index {shown(each.name)}": True for each in broken if not _is_of(made, each)}


def _is_of(made: MadeIndexes, index: Index) -> bool:
    return any(_is_built(each, index) for each in made.built)


def _is_built(built: BuiltIndex, index: Index) -> bool:
    if built.table != index.table_oid:
        return False
    if built.again:
        return _AGAIN_BUILT.fullmatch(index.name) is not None
    return built.name in ("", index.name) or index.name.endswith(f".{built.name}")


def drop_own(
    address: Address, made: MadeIndexes, before: Collection[int]
) -> tuple[list[str], list[str]]:
    """Drop those that a revision has made, and wait a while for sessions in the way: the orphan
    of a step that was killed still builds one, or an application's transaction has its table.

    :param before: those that were INVALID before it.
    :returns: the names of those that were dropped, and of those that are still there.
    """
    dropped: list[str] = []
    left: dict[int, Index] = {}
    until = time.monotonic() + DROP_SECONDS
    while True:
        is_at_work = True
        with suppress(psycopg.Error), connect(address, "clean up") as connection:
            is_at_work = _is_at_work(connection)
            left = {
                each.oid: each
                for each in find_invalid(connection)
                if each.oid not in before and _is_of(made, each)
            }
            if not is_at_work:
                for each in _drop(connection, left.values(), until):
                    dropped.append(each.name)
                    del left[each.oid]
        if (not left and not is_at_work) or time.monotonic() >= until:
            return dropped, [each.typed for each in left.values()]
        time.sleep(_PAUSE_SECONDS)


def _drop(connection: Connection, wanted: Collection[Index], until: float) -> Iterator[Index]:
    for each in list(wanted):
        rest = max(0.1, min(_ATTEMPT_SECONDS, until - time.monotonic()))
        connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{rest * 1000:.0f}",))
        if connection.execute(_MAY_BE_DROPPED, (each.oid,)).fetchone() != (True,):
            continue
        with suppress(psycopg.Error):
            # What is canceled here can be dropped by the next attempt.
            connection.execute(sql.SQL(each.statement))
            yield each


def _is_at_work(connection: Connection) -> bool:
    """Whether a step is: the server has not noticed yet that its process is gone."""
    unsigned = STEP_KEY & 0xFFFF_FFFF_FFFF_FFFF
    keys = (unsigned >> 32, unsigned & 0xFFFF_FFFF)
    return connection.execute(_AT_WORK, keys).fetchone() != (0,)
