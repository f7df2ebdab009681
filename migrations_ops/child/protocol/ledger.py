"""The ledger of a database as text: a list of runs, as JSON, carried by a view.

Constants and pure functions only: the parent imports this module, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .sql import literal, quoted

NAME = "migrations_ops_ledger"
# The event of a revision that was started and has not finished, where a part of it may be
# committed: as the last entry, it means that the database has a half of it.
BEGUN = "begun"

_HEAD, _TAIL = f"CREATE VIEW {NAME} AS SELECT '", "' AS ledger"

Run = dict[str, Any]


def to_text(runs: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps(list(runs))


def from_text(text: str) -> list[Run] | None:
    """The runs that a text holds; None where they are malformed."""
    try:
        runs = json.loads(text)
    except ValueError:
        return None
    sound = isinstance(runs, list) and all(isinstance(run, dict) for run in runs)
    return runs if sound else None


def sqlite_view(runs: Iterable[Mapping[str, Any]]) -> str:
    """The statement that writes a ledger; SQLite keeps its text unchanged."""
    return f"{_HEAD}{to_text(runs).replace(chr(39), chr(39) * 2)}{_TAIL}"


def from_sqlite(sql: str) -> list[Run] | None:
    """The runs that such a statement holds; None where it is another one."""
    if not (sql.startswith(_HEAD) and sql.endswith(_TAIL)):
        return None
    return from_text(sql[len(_HEAD) : -len(_TAIL)].replace("''", "'"))


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


def postgresql_view(schema: str, runs: Iterable[Mapping[str, Any]]) -> str:
    """The statement that writes a ledger, whatever standard_conforming_strings says."""
    name, text = f"{quoted(schema)}.{NAME}", literal(to_text(runs))
    return f"CREATE OR REPLACE VIEW {name} AS SELECT {text}::text AS ledger"


def mariadb_view(schema: str, runs: Iterable[Mapping[str, Any]]) -> str:
    """The statement that writes a ledger.

    As hexadecimal digits: whether a backslash escapes depends on the mode of the session, also
    of the one that some day loads a dump. A query of the view returns the plain JSON.
    """
    digits = to_text(runs).encode().hex()
    name = "`" + schema.replace("`", "``") + f"`.{NAME}"
    return (
        f"CREATE OR REPLACE SQL SECURITY INVOKER VIEW {name}"
        f" AS SELECT CONVERT(X'{digits}' USING utf8mb4) AS ledger"
    )
