"""Views that no longer work, and triggers, routines and events that name what went.

MariaDB drops a column from under a view; from then on no backup can be taken, since a dump asks
each view.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pymysql

from migrations_ops.databases.broken import name_that_went
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.errors import code_of
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.schema.reading import read_bodies
from migrations_ops.model.findings import BROKEN, Finding
from migrations_ops.model.text import bare

# The database, column, table, routine that a view needs is not there; its own reference is invalid.
MISSING = frozenset({1049, 1054, 1146, 1305, 1356})
_VIEWS = (
    "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE() ORDER BY 1"
)


def find_broken(connection: Connection, gone: Collection[str]) -> Iterator[Finding]:
    """:raises pymysql.MySQLError: the server cannot be asked."""
    for (view,) in ask(connection, _VIEWS):
        try:
            ask(connection, f"SELECT 1 FROM {quoted(str(view))} LIMIT 0")
        except pymysql.MySQLError as error:
            if code_of(error) in MISSING:
                yield BROKEN.found(str(view), kind="view", reason=str(error.args[-1]))
    if not gone:
        return
    for key, body in read_bodies(connection):
        kind, _, name = key.partition(" ")
        on = {body[number + 1].text.lower() for number in range(len(body) - 1)
              if kind == "trigger" and body[number].means("ON")}  # fmt: skip
        named = name_that_went(body, gone, on)
        if named:
            reason = f"it names {named}, which is gone"
            yield BROKEN.found(bare(name), kind=kind, reason=reason)
