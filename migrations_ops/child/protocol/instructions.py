"""The instructions that the parent sends to the child: its destination, and what it must not
reach."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import VERSION, ProtocolError
from .identity import is_server

# In the arguments of the child: before them all, the dialect to import ahead if it is not SQLite,
# as in --dialect=postgresql+psycopg; between two commands of Alembic; and in the place of one,
# for a list of the revision scripts.
DIALECT, THEN, SCRIPTS = "--dialect=", "--then", "scripts"
# After the first command, a line that lets the child go on.
GO_ON = "{}"


@dataclass(frozen=True)
class Instructions:
    """The destination of one step, and its options.

    ``real`` is the environment's database: the path of its file, or the identity that its server
    reports (see identity.py). ``scratch`` is the copy that a rehearsal uses instead, and ``others``
    are the databases of the other environments, by name. ``label`` is the name of the real database
    in messages. ``redirect`` has the parts of the address that differ for a server's scratch
    database: host, port, user, password, database.

    ``ledger_entry`` has the facts that each entry of this run in the ledger repeats; without it,
    no ledger is begun. ``report_sole_writer`` asks between which two moments no other process can
    have written, and ``measure`` for the time, rows and locks of each statement; ``values`` also
    for the values of parameters, and ``script`` for each statement with its values in it.
    ``allow`` has the findings that the user accepts, as ``CODE`` or ``CODE:WHERE``.

    The timeouts are in seconds, None for the usual ones.
    ``step_lock`` locks out other steps of a server's database, after waiting ``step_wait`` seconds
    for a running one.
    """

    environment: str
    label: str = ""
    real: str | None = None
    scratch: str | None = None
    redirect: Mapping[str, Any] | None = None
    others: Mapping[str, str] = field(default_factory=dict)
    ini_url: str | None = None
    # Names the Flask application in whose context env.py runs, as FLASK_APP does.
    flask: str | None = None
    lock_timeout: float | None = None
    statement_timeout: float | None = None
    step_lock: bool = False
    step_wait: float = 10.0
    stdout: str | None = None
    ledger_entry: Mapping[str, Any] | None = None
    report_sole_writer: bool = False
    measure: bool = False
    values: bool = False
    script: bool = False
    allow: tuple[str, ...] = ()
    # Where the version is to be; a table of None means that anything goes.
    version_table: str | None = None
    version_table_schema: str | None = None

    def to_json(self) -> str:
        return json.dumps({"version": VERSION, **vars(self)})

    @classmethod
    def from_json(cls, line: str | bytes) -> Instructions:
        """:raises ProtocolError: the line is from a parent of another version."""
        fields = json.loads(line)
        version = fields.pop("version", None)
        if version != VERSION:
            raise ProtocolError(
                f"migrations_ops was replaced while it worked: this step reads version {VERSION} of"
                f" its instructions, and was sent version {version}"
            )
        return cls(**fields | {"allow": tuple(fields["allow"])})

    @property
    def begins_ledger(self) -> bool:
        """Whether a database that has no ledger gets one."""
        return self.ledger_entry is not None

    @property
    def destination(self) -> str | None:
        """The database that a connection must have open."""
        return self.scratch or self.real

    @property
    def name(self) -> str:
        """The name of the real database in messages: for a file, its path."""
        return (is_server(self.real) and self.label) or str(self.real)


def same_file(one: str | None, other: str | None) -> bool:
    """Whether two paths name the same file, across links and letter case."""
    if one is None or other is None:
        return False
    try:
        return os.path.samefile(one, other)
    except ValueError:
        return False  # no file has a NUL in its name
    except OSError:
        # One of them does not exist (yet): two names of it can only differ by links in folders.
        return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))
