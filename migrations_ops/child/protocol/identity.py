"""SQL that parent and child share: the identity of a server's database, and the names of our locks.

Constants and pure functions only: the parent imports this module too.
"""

from __future__ import annotations

import hashlib
import re

# A restored or copied cluster keeps its system identifier, and its databases their oids: the moment
# of its start, in microseconds, distinguishes it from its original.
POSTGRESQL_IDENTITY = """
SELECT concat_ws(':', 'postgresql',
    (SELECT system_identifier FROM pg_control_system()),
    (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,
    (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
# MySQL has an identity of its own, and so has MariaDB since 10.11.2; each ignores the other's
# comment.
FOLDED_NAME = "IF(@@lower_case_table_names, LOWER(DATABASE()), DATABASE())"
MARIADB_IDENTITY = f"""
SELECT CONCAT_WS(':', 'mariadb', @@hostname, @@port, @@socket, @@datadir, @@server_id
    /*!80000 , @@server_uuid */ /*M!101102 , @@server_uid */,
    {FOLDED_NAME})
"""
# An identity begins with the name of its engine; the letter of a drive does not count.
_OF_SERVER = re.compile(r"[a-z][a-z0-9_]+:")
# Advisory locks of PostgreSQL belong to one database: the same two keys serve in each. One is taken
# for a whole release, the other one by each step that changes the database, so that the next task
# waits for an orphaned one.
RELEASE_KEY, STEP_KEY = (
    int.from_bytes(hashlib.sha256(b"migrations_ops " + what).digest()[:8], "big", signed=True)
    for what in (b"release", b"step")
)


def lock_name(what: str, database: str) -> str:
    """The name of a lock of MariaDB, which is known in the whole server.

    :param what: ``release`` or ``step``.
    :returns: 64 characters at most, as much as TiDB takes.
    """
    name = f"migrations_ops {what} {database}"
    if len(name) <= 64:
        return name
    return f"migrations_ops {what} {hashlib.sha256(database.encode()).hexdigest()[:40]}"


def is_server(identity: str | None) -> bool:
    """Whether an identity is that of a server's database, and not the path of a file."""
    return identity is not None and _OF_SERVER.match(identity) is not None
