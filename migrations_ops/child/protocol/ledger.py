"""The ledger of a database as text: a list of runs, as JSON, carried by a view.

A run belongs to a version table: several Alembic projects may share a database, each with its own.
Constants and pure functions only: the parent imports this module too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .sql import literal, quoted

NAME = "migrations_ops_ledger"
# Where Alembic keeps the version unless env.py says otherwise.
VERSION_TABLE = "alembic_version"
# The event of a revision that was started and has not finished, where a part of it may be
# committed: as the last entry, it means that the revision is half applied.
BEGUN = "begun"
# The event of revisions that were there and that no run had recorded: those from before the ledger
# began, and those that something else has run since then.
FOUND = "found"
# Increment it whenever a text would be read differently.
FORMAT = 1

_HEAD, _TAIL = f"CREATE VIEW {NAME} AS SELECT '", "' AS ledger"

Run = dict[str, Any]


def to_text(runs: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps({"format": FORMAT, "runs": list(runs)})


def from_text(text: str) -> list[Run] | None:
    """The runs that a text holds; None where they are malformed, or of another format."""
    document = _document(text)
    runs = document.get("runs") if document.get("format") == FORMAT else None
    sound = isinstance(runs, list) and all(isinstance(run, dict) for run in runs)
    return runs if sound else None


def _names_revisions(run: Run) -> bool:
    revisions = run.get("revisions", [])
    return isinstance(revisions, list | tuple) and all(
        isinstance(each, dict) and isinstance(each.get("revision"), str) for each in revisions
    )


def other_format(text: str) -> str:
    """The format of a text that another version of this package wrote; empty for our own."""
    written = _document(text).get("format", FORMAT)
    return "" if written == FORMAT else str(written)


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError, MemoryError):
        return {}
    return document if isinstance(document, dict) else {}


def of_table(runs: Iterable[Run] | None, version_table: str) -> list[Run]:
    """The runs that belong to a version table, without those that are malformed."""
    ours = (run for run in runs or () if run.get("version_table") == version_table)
    return [run for run in ours if _names_revisions(run)]


def sqlite_view(runs: Iterable[Mapping[str, Any]]) -> str:
    """The statement that writes a ledger; SQLite stores its text unchanged."""
    return f"{_HEAD}{to_text(runs).replace(chr(39), chr(39) * 2)}{_TAIL}"


def text_in_sqlite(sql: str) -> str | None:
    """The text that such a statement holds; None where it is another one."""
    if not (sql.startswith(_HEAD) and sql.endswith(_TAIL)):
        return None
    return sql[len(_HEAD) : -len(_TAIL)].replace("''", "'")


def from_sqlite(sql: str) -> list[Run] | None:
    """The runs that such a statement holds; None where it is another one."""
    text = text_in_sqlite(sql)
    return None if text is None else from_text(text)


def environment_in(runs: Iterable[Run]) -> str:
    """The environment of the last identity; empty where there is none."""
    named = [run.get("environment") for run in runs if run.get("event") == "identity"]
    return str(named[-1] or "") if named else ""


def revisions_begun(runs: Iterable[Run]) -> list[str]:
    """The revisions that were started and have not finished."""
    begun: dict[str, None] = {}
    for run in runs:
        for each in run.get("revisions", ()):
            begun.pop(each["revision"], None)
            if run.get("event") == BEGUN:
                begun[each["revision"]] = None
    return list(begun)


def recorded_as_there(runs: Iterable[Run]) -> set[str]:
    """The revisions that are in the database, according to the ledger."""
    there: set[str] = set()
    for run in runs:
        names = {each["revision"] for each in run.get("revisions", ())}
        if run.get("event") in ("upgrade", "stamp", FOUND):
            there |= names
        elif run.get("event") in ("downgrade", "unstamp"):
            there -= names
    return there


def split_unrecorded(
    reached: Mapping[str, Sequence[str]], recorded: Collection[str]
) -> tuple[list[str], list[str]]:
    """Split the revisions that the version table implies but the ledger does not contain.

    A revision below a recorded one was inserted later and never ran: otherwise the recorded one
    could not have run. The others were run by something that keeps no ledger.

    :param reached: each revision that the version table implies, with its predecessors.
    :param recorded: those in the ledger.
    :returns: those that something else ran; those that never ran.
    """
    below: set[str] = set()
    waiting = [name for name in reached if name in recorded]
    while waiting:
        for parent in reached[waiting.pop()]:
            if parent in reached and parent not in below:
                below.add(parent)
                waiting.append(parent)
    unrecorded = [name for name in reached if name not in recorded]
    return [name for name in unrecorded if name not in below], [
        name for name in unrecorded if name in below
    ]


def postgresql_view(schema: str, runs: Iterable[Mapping[str, Any]]) -> str:
    """The statement that writes a ledger, under any standard_conforming_strings."""
    name, text = f"{quoted(schema)}.{NAME}", literal(to_text(runs))
    return f"CREATE OR REPLACE VIEW {name} AS SELECT {text}::text AS ledger"


def mariadb_view(schema: str, runs: Iterable[Mapping[str, Any]]) -> str:
    """The statement that writes a ledger.

    The text is written as hexadecimal digits: whether a backslash escapes depends on the mode of
    the session, including one that later loads a dump. A query of the view returns the plain JSON.
    """
    digits = to_text(runs).encode().hex()
    name = "`" + schema.replace("`", "``") + f"`.{NAME}"
    return (
        f"CREATE OR REPLACE SQL SECURITY INVOKER VIEW {name}"
        f" AS SELECT CONVERT(X'{digits}' USING utf8mb4) AS ledger"
    )
