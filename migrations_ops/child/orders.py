"""What the parent tells the child in the first line: where to go, and where not."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Orders:
    """The destination of one step.

    ``intended`` is the database's file; ``instead`` the scratch copy that a rehearsal runs on
    in its place; ``others`` are the files of the other environments, by name. ``lock_timeout``
    is in seconds. ``ledger`` is what each entry of this run in the ledger tells; without it,
    none is begun. ``watched`` asks to be told when nobody else can have written.
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
    statements: bool = False
    stdout: str | None = None
    ledger: Mapping[str, Any] | None = None
    watched: bool = False

    @classmethod
    def from_line(cls, line: bytes) -> Orders:
        return cls(**json.loads(line))

    @property
    def destination(self) -> str | None:
        """The file that a connection must have open."""
        return self.instead or self.intended


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
