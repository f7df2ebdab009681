"""The ledger: what a database remembers of itself, that is which environment it is, and what was
applied to it, by whom, from which sources.

It is a view that carries its content in its own text, as JSON. So no Alembic sees it, with or
without our plugin: autogenerate compares tables. It is written on Alembic's own connection,
inside the transaction of the run: what is rolled back was never applied, and never stands there.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from .driver import ask_driver
from .orders import Orders

NAME = "migrations_ops_ledger"
_HEAD, _TAIL = f"CREATE VIEW {NAME} AS SELECT '", "' AS ledger"

Run = dict[str, Any]


class Ledger:
    """Notes what a command applies.

    :param orders: ``ledger`` has what every entry of this run tells. Without it, as for a bare
        ``alembic``, only a ledger that exists is continued.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._runs: list[Run] = []

    def follow(self, steps: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
        """Alembic's list of steps; when the last one is done, and not committed, all are noted."""

        def followed(revision: Any, context: Any) -> Iterator[Any]:
            for step in steps(revision, context):
                started, clock = _now(), time.perf_counter()
                yield step
                self._note(step.info, started, round(time.perf_counter() - clock, 4))
            if not context.as_sql:
                self._write(context.connection)

        return followed

    def _note(self, step: Any, started: str, seconds: float) -> None:
        for event, revision in _events(step):
            if not self._runs or self._runs[-1]["event"] != event:
                self._runs.append({"event": event, "revisions": []})
            self._runs[-1]["revisions"].append(
                {
                    "revision": revision.revision,
                    "source_hash": source_hash(revision.path),
                    "started": started,
                    "seconds": seconds,
                }
            )

    def _write(self, connection: Any) -> None:
        noted, self._runs = self._runs, []
        if not noted or connection is None or connection.dialect.name != "sqlite":
            return
        written = _find(connection)
        if written is None and (self._orders.ledger is None or _is_taken(connection)):
            return
        facts: Run = {"outcome": "done", **(self._orders.ledger or {})}
        facts["environment"] = _environment_in(written or []) or self._orders.environment
        if written is None:
            identity = {"event": "identity", "identity": os.urandom(16).hex(), "started": _now()}
            noted.insert(0, identity)
        else:
            ask_driver(connection, f"DROP VIEW {NAME}")
        ask_driver(connection, _text_of([*(written or []), *(facts | run for run in noted)]))


def environment_of(connection: Any) -> str | None:
    """Which environment the ledger of a SQLite database says that it is; None without one."""
    return _environment_in(_find(connection) or []) or None


def _environment_in(runs: list[Run]) -> str:
    """The environment of the last identity; empty where there is none."""
    told = [run.get("environment") for run in runs if run.get("event") == "identity"]
    return str(told[-1] or "") if told else ""


def _text_of(runs: list[Run]) -> str:
    return f"{_HEAD}{json.dumps(runs).replace(chr(39), chr(39) * 2)}{_TAIL}"


def _find(connection: Any) -> list[Run] | None:
    """The content of the ledger; None where there is none, or something else of its name."""
    sql = f"SELECT sql FROM sqlite_master WHERE type = 'view' AND name = '{NAME}'"
    rows = ask_driver(connection, sql)
    text = str(rows[0][0]) if rows else ""
    if not (text.startswith(_HEAD) and text.endswith(_TAIL)):
        return None
    try:
        runs = json.loads(text[len(_HEAD) : -len(_TAIL)].replace("''", "'"))
    except ValueError:
        return None
    sound = isinstance(runs, list) and all(isinstance(run, dict) for run in runs)
    return runs if sound else None


def _is_taken(connection: Any) -> bool:
    """Whether something that is no ledger has its name."""
    return bool(ask_driver(connection, f"SELECT 1 FROM sqlite_master WHERE name = '{NAME}'"))


def source_hash(file: Any) -> str | None:
    """The SHA-256 of a script with its line endings as one; a compiled script byte for byte.

    The same as the parent's, which compares it later with the script that then lies there.
    """
    path = str(file)
    if not os.path.exists(path):
        return None
    with open(path, "rb") as stream:
        source = stream.read()
    if not path.endswith((".pyc", ".pyo")):
        source = source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return hashlib.sha256(source).hexdigest()


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
            waiting += [*_tuple(revision.down_revision), *_tuple(revision.dependencies)]
    return found


def _tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
