"""What the child tells the parent: one JSON object a line.

=============  ================================================================
event          fields
=============  ================================================================
ready          the imports are done; the child waits for its orders
opened         database: the file or name that env.py opened, proved to be right;
               begun: env.py had begun a transaction before, which Alembic leaves to it
started        revision, up: a revision begins
done           revision, up, seconds, statements
statement      revision, sql (without its parameters), seconds, rows
operation      revision, kind, table, name, type: what the revision asked to drop or rename
alone          since, until: two stamps of the database's file, between which nobody else wrote
drift          differences: the models and the database differ
scripts        revisions: what Alembic itself knows of the scripts
committed      revision: a part of it is, or is about to be, committed before its end, by an
               autocommit_block() or by DDL that MariaDB cannot roll back; the child waits for
               a line of the parent's before it goes on
wrote          revision: in what is committed then it has changed rows, or may have
apart          revision, sql: this statement, in an autocommit_block(), commits by itself
ledger-failed  message: the ledger of a server's database could not be written; the run goes on
failed         kind (refused, error, guard, exit, usage, interrupted), type, message,
               revision, where, sqlstate (of a server: "55P03", "1205")
finished       command: an Alembic command has returned
=============  ================================================================
"""

from __future__ import annotations

import json
import threading
from typing import IO, Any

from ..redaction import redacted


class Events:
    """The writing end of the channel to the parent; without a channel it swallows everything."""

    def __init__(self, channel: IO[bytes] | None = None) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def emit(self, event: str, **fields: Any) -> None:
        if self._channel is None:
            return
        if "message" in fields:
            fields["message"] = redacted(str(fields["message"]))
        line = json.dumps({"event": event, **fields}, default=str).encode() + b"\n"
        with self._lock:
            try:
                self._channel.write(line)
                self._channel.flush()
            except OSError:
                # The parent is gone: its end of standard input tells so too, and acts on it.
                self._channel = None
