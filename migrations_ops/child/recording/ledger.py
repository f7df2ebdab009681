"""The ledger: which environment a database is, and what was applied to it, by whom, from which
sources.

It is a view that carries its content in its own text, as JSON. So no Alembic sees it, with or
without our plugin: autogenerate compares tables. It is written on Alembic's own connection,
inside the transaction of the run: what is rolled back was never applied, and is never in it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ..channel import Events
from ..failures import sentence
from ..families import Family, find_family, load
from ..protocol.events import LedgerFailed
from ..protocol.instructions import Instructions
from ..protocol.ledger import (
    BEGUN,
    FOUND,
    VERSION_TABLE,
    Run,
    environment_in,
    of_table,
    recorded_as_there,
    split_unrecorded,
)
from ..protocol.source import code_hash


class Ledger:
    """Notes what a command applies.

    :param instructions: ``ledger_entry`` has the facts that every entry of this run repeats.
        Without it, as for a bare ``alembic``, only a ledger that exists is continued.
    """

    def __init__(self, instructions: Instructions, events: Events | None = None) -> None:
        self._instructions = instructions
        self._events = events or Events()
        self._runs: list[Run] = []
        self._step: tuple[Any, str] | None = None
        self._context: Any = None
        # The content before this run; None where there was no ledger.
        self._before: list[Run] | None = None
        self._opening: list[Run] | None = None
        self._writes: bool | None = None
        # What the version table held when this run began, and what Alembic knows of it.
        self._heads: Any = ()
        self._revisions: Any = None
        # As which role the run began: a revision may go on as another one, which owns no ledger.
        self._role: str | None = None
        # Whether a part of this run is committed, so that the rest cannot be rolled back with it;
        # and what then commits each revision that is done, with its entry.
        self.partly_committed = False
        self.commit: Callable[[Any], None] = lambda context: None

    def follow(self, steps: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
        """Alembic's list of steps; when the last one is done, and not committed, all are recorded.

        Where each of them is committed by itself, each is recorded when it is done.
        """

        def followed(revision: Any, context: Any) -> Iterator[Any]:
            self._begin_run(context, revision)
            for step in steps(revision, context):
                if self._role is None:
                    self._role = self._current_role()
                self._revisions = step.revision_map
                started, clock = _now(), time.perf_counter()
                self._step = (step.info, started)
                yield step
                self._step = None
                self._record(step.info, started, round(time.perf_counter() - clock, 4))
                if self._commits_each:
                    self._write()
                elif self.partly_committed:
                    self._write()
                    self.commit(context)
            if not self._commits_each:
                self._write()

        return followed

    def _begin_run(self, context: Any, heads: Any) -> None:
        self._context, self._runs, self._step = context, [], None
        self._before, self._opening, self._writes = None, None, None
        self._heads, self._revisions = heads, None
        self.partly_committed, self._role = False, None

    @property
    def _family(self) -> Family | None:
        context = self._context
        offline = context is None or context.as_sql or context.connection is None
        return None if offline else find_family(context.connection.dialect)

    @property
    def _commits_each(self) -> bool:
        return self._family is not None and not self._family.is_transactional

    def _current_role(self) -> str:
        family = self._family
        return "" if family is None else load(family.ledger).role(self._context.connection)

    def record_begun(self, **more: Any) -> None:
        """Note that the revision at work has begun, where a part of it may be committed.

        The entry is replaced as soon as the revision is done, or by the next of these.

        :param more: further facts that a later process needs.
        """
        if self._step is not None and not self._step[0].is_stamp:
            self._write(self._begun(*self._step) | more)

    def withdraw(self) -> None:
        """Remove the entry of a revision that was started and then rolled back completely."""
        family = self._family
        if not self._writes or family is None:
            return
        if self._before is None and not self._runs:
            load(family.ledger).remove(self._context.connection, self._context.version_table_schema)
        else:
            self._write()

    def _begun(self, step: Any, started: str) -> Run:
        touched = list(_events(step))
        return {
            "event": BEGUN,
            "outcome": BEGUN,
            "direction": touched[0][0] if touched else "upgrade",
            "started": started,
            "revisions": [
                {
                    "revision": revision.revision,
                    **hashes(revision.path),
                    "started": started,
                }
                for _, revision in touched
            ],
        }

    def _record(self, step: Any, started: str, seconds: float) -> None:
        for event, revision in _events(step):
            if not self._runs or self._runs[-1]["event"] != event:
                self._runs.append({"event": event, "revisions": []})
            self._runs[-1]["revisions"].append(
                {
                    "revision": revision.revision,
                    **(hashes(revision.path) if event == "upgrade" else {}),
                    "started": started,
                    "seconds": seconds,
                }
            )

    def _write(self, begun: Run | None = None) -> None:
        """Rewrite the ledger: its old content, what this run did, and what it has begun."""
        family, context = self._family, self._context
        if family is None or not (self._runs or begun or self._writes):
            return
        ledger, connection = load(family.ledger), context.connection
        role = self._current_role()
        if role == self._role:
            self._replace(ledger, begun)
            return
        ledger.set_role(connection, str(self._role))
        try:
            self._replace(ledger, begun)
        finally:
            ledger.set_role(connection, role)

    def _replace(self, ledger: Any, begun: Run | None) -> None:
        connection = self._context.connection
        schema = self._context.version_table_schema
        if self._writes is None:
            self._before = ledger.find(connection, schema)
            unwanted = not self._instructions.begins_ledger or ledger.is_taken(connection, schema)
            self._writes = not (self._before is None and unwanted)
        if not self._writes:
            return
        try:
            ledger.write(connection, schema, self._content(begun))
        except Exception as error:
            if ledger.must_be_written(error, begins=begun is not None):
                raise
            self._events.emit(LedgerFailed(sentence(error)))

    def _content(self, begun: Run | None) -> list[Run]:
        table = str(self._context.version_table)
        mine = of_table(self._before, table)
        facts: Run = {"outcome": "done", **(self._instructions.ledger_entry or {})}
        facts["environment"] = environment_in(mine) or self._instructions.environment
        facts["version_table"] = table
        if self._opening is None:
            self._opening = [*self._identity(mine), *self._found(mine)]
        runs = [*self._opening, *self._runs, *([] if begun is None else [begun])]
        return [*(self._before or []), *(facts | run for run in runs)]

    def _identity(self, mine: list[Run]) -> list[Run]:
        if environment_in(mine) or not self._instructions.begins_ledger:
            return []
        return [{"event": "identity", "identity": os.urandom(16).hex(), "started": _now()}]

    def _found(self, mine: list[Run]) -> list[Run]:
        """What was there before this run, and no run has recorded."""
        known = self._revisions
        try:
            parents = {
                name: [known.get_revision(above).revision for above in _parents(each)]
                for name, each in _ancestors(known, _tuple(self._heads)).items()
            }
        except Exception:
            return []  # a revision without a script
        found, _ = split_unrecorded(parents, recorded_as_there(mine))
        return [{"event": FOUND, "revisions": [{"revision": each} for each in found]}][: len(found)]


def ledger_of(connection: Any, options: Mapping[str, Any]) -> list[Run]:
    """What the ledger of a database knows of a version table; nothing where there is none.

    :param options: what env.py configures; they name the version table.
    """
    family = find_family(connection.dialect)
    schema = options.get("version_table_schema")
    runs = load(family.ledger).find(connection, schema) if family else None
    return of_table(runs, str(options.get("version_table") or VERSION_TABLE))


def environment_of(connection: Any, options: Mapping[str, Any]) -> str | None:
    """The environment that the ledger of a database names; None without one."""
    return environment_in(ledger_of(connection, options)) or None


def hashes(file: Any) -> dict[str, str | None]:
    """The SHA-256 of a script with its line endings as one, of a compiled script byte for byte;
    and that of its code.

    The same as the parent's, which compares them later with the script that then lies there.
    """
    path = str(file)
    if not os.path.exists(path):
        return {"source_hash": None}
    with open(path, "rb") as stream:
        source = stream.read()
    code = code_hash(source)
    if not path.endswith((".pyc", ".pyo")):
        source = source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return {"source_hash": hashlib.sha256(source).hexdigest(), "code_hash": code}


def _events(step: Any) -> list[tuple[str, Any]]:
    """What a step of Alembic did to which revisions."""
    if not step.is_stamp:
        return [("upgrade" if step.is_upgrade else "downgrade", each) for each in step.up_revisions]
    left, arrived = (
        _ancestors(step.revision_map, names)
        for names in (step.source_revision_ids, step.destination_revision_ids)
    )
    return [
        *(("unstamp", left[name]) for name in left if name not in arrived),
        *(("stamp", arrived[name]) for name in arrived if name not in left),
    ]


def _ancestors(revisions: Any, names: Any) -> dict[str, Any]:
    """These revisions and all that they build on, newest first."""
    found: dict[str, Any] = {}
    waiting = list(names)
    while waiting:
        revision = revisions.get_revision(waiting.pop())
        if revision is not None and revision.revision not in found:
            found[revision.revision] = revision
            waiting += _parents(revision)
    return found


def _parents(revision: Any) -> list[str]:
    """What it builds on; a dependency may be a label."""
    return [*_tuple(revision.down_revision), *_tuple(revision.dependencies)]


def _tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
