"""The guards of every kind of database that a run may meet, as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import Transactions


class AllTransactions:
    """The guards of every kind of database that the run may meet."""

    def __init__(self, each: Sequence[Transactions]) -> None:
        self._each = each
        self.changes = False

    def install(self) -> None:
        for one in self._each:
            one.install()

    def command_begins(self, *, changes: bool) -> None:
        self.changes = changes
        for one in self._each:
            one.command_begins(changes=changes)

    def begins(self, revision: str, context: Any) -> None:
        for one in self._each:
            one.begins(revision, context)

    def ends(self, context: Any) -> None:
        for one in self._each:
            one.ends(context)

    def run_ends(self, context: Any) -> None:
        for one in self._each:
            one.run_ends(context)

    def meets(self, family: str) -> None:
        for one in self._each:
            one.meets(family)

    def version_applied(self, **applied: Any) -> None:
        for one in self._each:
            one.version_applied(**applied)

    def reason(self, error: BaseException) -> str:
        return next(filter(None, (one.reason(error) for one in self._each)), "")

    def stop(self) -> None:
        for one in self._each:
            one.stop()
