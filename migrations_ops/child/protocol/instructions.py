"""What the parent tells the child in the first line: where to go, and where not."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .identity import is_server


@dataclass(frozen=True)
class Instructions:
    """The destination of one step.

    ``intended`` is the database's file, or what its server calls it (see servers.py); ``instead``
    the scratch copy that a rehearsal runs on in its place; ``others`` are those of the other
    environments, by name. ``label`` is what a person calls the intended database, and
    ``redirect`` has what differs in the address of a server's scratch database: host, port, user,
    password, database. ``ledger`` is what each entry of this run in the ledger tells; without it,
    none is begun. ``watched`` asks to be told when nobody else can have written.

    The timeouts are in seconds, None for the usual ones. ``step_lock`` asks to keep other steps
    away from a server's database, and to wait ``step_wait`` seconds for one still at work.
    """

    environment: str
    label: str = ""
    intended: str | None = None
    instead: str | None = None
    redirect: Mapping[str, Any] | None = None
    others: Mapping[str, str] = field(default_factory=dict)
    ini_url: str | None = None
    lock_timeout: float | None = None
    statement_timeout: float | None = None
    idle_timeout: float | None = None
    step_lock: bool = False
    step_wait: float = 10.0
    statements: bool = False
    stdout: str | None = None
    ledger: Mapping[str, Any] | None = None
    watched: bool = False
    # Where the version is to be; a table of None means that anything goes.
    version_table: str | None = None
    version_table_schema: str | None = None

    @classmethod
    def from_line(cls, line: bytes) -> Instructions:
        return cls(**json.loads(line))

    @property
    def destination(self) -> str | None:
        """What a connection must have open."""
        return self.instead or self.intended

    @property
    def name(self) -> str:
        """The intended database as a person calls it: a file by its path."""
        return (is_server(self.intended) and self.label) or str(self.intended)


def same_file(one: str | None, other: str | None) -> bool:
    """Whether two paths lead to the same file, through links and whatever the case rules."""
    if one is None or other is None:
        return False
    try:
        return os.path.samefile(one, other)
    except ValueError:
        return False  # no file has a NUL in its name
    except OSError:
        # One of them does not exist (yet): two names of it can only differ by links in folders.
        return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))
