"""Finds the tables that MariaDB copies, row by row, while it alters them.

It counts the rows of an ALTER TABLE only where it copies them; done in place, or at once, it counts
none. While rows are copied others can read the table and not write
(https://mariadb.com/kb/en/innodb-online-ddl-overview/).
"""

from __future__ import annotations

import re
import time
from typing import Any

from ..protocol.events import TableLocked, TableRewritten
from .measuring import Ran

COPY = "COPY"
_ALTER = re.compile(
    r"ALTER\s+(?:ONLINE\s+)?(?:IGNORE\s+)?TABLE\s+(?:IF\s+EXISTS\s+)?"
    r"((?:`(?:[^`]|``)+`|[\w$.])+)",
    re.IGNORECASE,
)


class MariaDBCopies:
    """The tables that one run has copied."""

    def __init__(self) -> None:
        self._found: list[TableLocked | TableRewritten] = []

    def begins(self, connection: Any) -> None:
        """Nothing has to be known before."""

    def statement_ran(self, connection: Any, ran: Ran) -> None:
        altered = _ALTER.match(ran.sql)
        if altered is None or ran.rows < 1:
            return
        table = altered[1].replace("`", "")
        seconds = round(time.perf_counter() - ran.since, 6)
        self._found += [
            TableRewritten(ran.revision, table),
            TableLocked(ran.revision, table, COPY, seconds),
        ]

    def take(self) -> list[TableLocked | TableRewritten]:
        found, self._found = self._found, []
        return found
