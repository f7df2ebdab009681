"""A history as Hypothesis draws it: a database, the revisions that are pending, and a failure."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.histories.changes import Change, draw_change, draw_risk
from tests.histories.draws import Chance, draw_model
from tests.histories.model import Model

BASE = "base00000000"

_TOP = '''
import os
import signal
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import op


def run(sql):
    op.get_bind().exec_driver_sql(sql)


def fail(place, way):
    """Break off, where this database is that of the place."""
    [file] = [row[2] for row in op.get_bind().exec_driver_sql("PRAGMA database_list")
              if row[1] == "main"]
    name = Path(file).name
    if place != {"db.dev.sqlite3": "dev", "db.sqlite3": "prod"}.get(name, "copy"):
        return
    if way == "raise":
        raise RuntimeError("broken as drawn")
    if way == "sql":
        op.execute("INSERT INTO nowhere VALUES (1)")
    if way == "exit":
        sys.exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
'''


@dataclass(frozen=True)
class Revision:
    """One pending revision."""

    name: str
    down: str
    changes: tuple[Change, ...]
    failure: tuple[int, str, str] | None = None

    def text(self) -> str:
        """The file, as Alembic reads it."""
        up = [line for change in self.changes for line in change.up]
        if self.failure is not None:
            place, where, way = self.failure
            before = [line for change in self.changes[:place] for line in change.up]
            up.insert(len(before), f"fail({where!r}, {way!r})")
        back: list[str] | None = []
        for change in reversed(self.changes):
            back = None if back is None or change.down is None else back + change.down
        down = ["raise NotImplementedError"] if back is None else back or ["pass"]
        return (
            f'"""{self.name}"""\n{_TOP}\n\nrevision = {self.name!r}\ndown_revision = {self.down!r}'
            f"\n\n\ndef upgrade():\n{_body(up)}\n\n\ndef downgrade():\n{_body(down)}\n"
        )


def _body(lines: list[str]) -> str:
    return "\n".join(f"    {line}" for line in lines) or "    pass"


@dataclass(frozen=True)
class Story:
    """Where it begins, what is pending, and where it should end."""

    before: Model
    after: Model
    revisions: tuple[Revision, ...]
    mode: str

    @property
    def failure(self) -> tuple[int, str, str] | None:
        return next((each.failure for each in self.revisions if each.failure), None)

    def may_stop(self) -> list[str]:
        """Why the release may be refused, or fail."""
        changes = [change for revision in self.revisions for change in revision.changes]
        return [change.may_stop for change in changes if change.may_stop]

    def must_stop(self) -> list[str]:
        """Why it has to be: something is lost, and no later change says so."""
        found = []
        for table in self.after.tables.values():
            found += [column.lossy for column in table.columns if column.lossy]
            kept = [id(column) for column in table.columns]
            found += [name for name, column in table.forgotten if id(column) in kept]
        return found

    def __str__(self) -> str:
        parts = [f"-- {self.mode}", *self.before.statements()]
        for revision in self.revisions:
            head = f"-- {revision.name} {revision.failure or ''}"
            parts += [head, *(line for change in revision.changes for line in change.up)]
        return "\n".join(parts)


@st.composite
def stories(draw: Any) -> Story:
    """One to three revisions of one to four changes; three of ten stories fail somewhere.

    Two of five have a single change, so that one loss is not hidden behind another.
    """
    chance = Chance(draw)
    before = draw_model(chance)
    model = copy.deepcopy(before)
    single = chance.number(0, 4) >= 3
    count = 1 if single else chance.number(1, 3)
    fails = chance.number(1, count) if chance.number(0, 9) >= 7 else 0
    revisions: list[Revision] = []
    for number in range(1, count + 1):
        if single:
            drawn = [draw_risk(chance, model)]
        else:
            drawn = [draw_change(chance, model) for _ in range(chance.number(1, 4))]
        changes = tuple(change for change in drawn if change is not None)
        failure = None
        if number == fails:
            where, way = chance.one(["dev", "copy", "prod"]), chance.one(_WAYS)
            failure = (chance.number(0, len(changes)), where, way)
        down = revisions[-1].name if revisions else BASE
        revisions.append(Revision(f"rev{number}00000000", down, changes, failure))
    return Story(before, model, tuple(revisions), chance.one(["WAL", "DELETE"]))


_WAYS = ("raise", "sql", "exit", "kill")
