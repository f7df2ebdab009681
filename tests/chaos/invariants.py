"""What must hold after each round, whatever was killed when: each check says what does not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from migrations_ops.backups.integrity import file_digest
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.serialisation import from_document
from migrations_ops.system.reading import read_json
from tests.chaos.history import FIRST, LAST, ORDER, ROWS
from tests.chaos.shots import Files
from tests.chaos.world import World, name_of
from tests.support import query

VERSION_TABLE = "alembic_version"
# Records tell milliseconds.
TICK = timedelta(milliseconds=3)


def problems(world: World, *, stamped: bool = True) -> list[str]:
    """What does not hold now.

    What a killed upgrade had committed on its own, as its record says, waits for the next task, and
    what was left to a person for that person.

    :param stamped: False where production may have no revision yet.
    """
    waiting = {name for record in unfinished(world) for name in record.get("committed", ())}
    waiting |= left_in_need(world)
    found = list(_lost_tokens(world)) + list(_torn_backups(world)) + list(_own_failures(world))
    for name, file in zip(("dev", "prod"), world.files, strict=True):
        found += _rows(file) if name in waiting else _whole(world, file, stamped)
    if world.seen.exists():
        found += [f"a reader saw {line}" for line in world.seen.read_text().splitlines()[:3]]
    return found


def problems_at_rest(world: World) -> list[str]:
    """What does not hold after the release that ends the round."""
    found = [
        f"{file.name} is not at the head"
        for file in world.files
        if query(file, f"SELECT version_num FROM {VERSION_TABLE}") != [(LAST,)]
    ]
    found += [f"{record['id']} is still unfinished" for record in unfinished(world)]
    return [*problems(world), *found, *_leftovers(world), *_locks(world)]


def left_in_need(world: Files) -> set[str]:
    """The environments that a task has left to a person, or to the next task."""
    left = set()
    for file in (world.repom / "releases").glob("*/release.json"):
        record = read_json(file)
        if isinstance(record, dict):
            names = {each["environment"] for each in record.get("unresolved", ())}
            left |= names.union(record.get("unfinished", ())) - set(record.get("closed", ()))
    return left


def unfinished(world: World) -> list[dict[str, Any]]:
    """The records of tasks that were interrupted while they worked on a database."""
    files = sorted((world.repom / "releases").glob("*/release.json"))
    found = [read_json(file) for file in files]
    return [each for each in found if isinstance(each, dict) and each.get("outcome") is None]


# -- databases --------------------------------------------------------------------------------


def _whole(world: World, file: Path, stamped: bool) -> list[str]:
    found = _rows(file)
    now = SQLite(file, file.name).fingerprint(VERSION_TABLE)
    if not now.revisions and not stamped and now.schema == world.schemas[LAST].schema:
        return found
    if len(now.revisions) != 1 or now.revisions[0] not in ORDER:
        return [*found, f"{file.name} stands at {now.revisions}"]
    return found + _belongs(world, file, now)


def _belongs(world: World, file: Path, now: Fingerprint) -> list[str]:
    """Revision, schema and what the revisions do with the rows belong together."""
    [revision] = now.revisions
    found = []
    if now.schema != world.schemas[revision].schema:
        found.append(f"{file.name}: the schema is not that of {revision}")
    names = query(file, "SELECT id, name FROM parents")
    wrong = [key for key, name in names if name != name_of(revision, key)]
    if wrong:
        found.append(f"{file.name}: {len(wrong)} names are not those of {revision}")
    if revision != FIRST and "column parents.upper_name" in now.schema:
        [(empty,)] = query(file, "SELECT count(*) FROM parents WHERE upper_name IS NULL")
        if empty:
            found.append(f"{file.name}: {empty} rows lack what {revision} fills in")
    return found


def _rows(file: Path) -> list[str]:
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchall()
        [(parents,)] = connection.execute("SELECT count(*) FROM parents").fetchall()
        [(children,)] = connection.execute("SELECT count(*) FROM children").fetchall()
    found = [] if sound == [("ok",)] else [f"{file.name}: {sound}"]
    if (parents, children) != (ROWS, ROWS):
        found.append(f"{file.name}: {parents} parents, {children} children of {ROWS}")
    return found


def _lost_tokens(world: World) -> Iterator[str]:
    """What a writer was told is committed is in production, or in a backup that is listed."""
    acknowledged = set(world.tokens.read_text().split()) if world.tokens.exists() else set()
    lost = acknowledged - _tokens(world.sandbox.prod)
    for backup in world.repom.glob("backups/db_*.sqlite3") if lost else ():
        if backup.with_suffix(".json").exists():
            lost -= _tokens(backup)
    if lost:
        yield f"{len(lost)} commits are nowhere: {sorted(lost)[:3]}"


def _tokens(file: Path) -> set[str]:
    return {row[0] for row in query(file, "SELECT token FROM journal")}


# -- files ------------------------------------------------------------------------------------


def _torn_backups(world: World) -> Iterator[str]:
    """A file under a backup's final name is whole, described, and what its sidecar says."""
    for backup in world.repom.glob("backups/*.sqlite3"):
        sidecar = read_json(backup.with_suffix(".json"))
        if not isinstance(sidecar, dict):
            yield f"{backup.name} has no sidecar"
        elif sidecar["sha256"] != file_digest(backup):
            yield f"{backup.name} is not what its sidecar says"
        else:
            copy = SQLite(backup, backup.name, immutable=True)
            if copy.fingerprint(VERSION_TABLE) != from_document(
                Fingerprint, sidecar["fingerprint"]
            ):
                yield f"{backup.name} has not the fingerprint of its sidecar"


def _own_failures(world: World) -> Iterator[str]:
    for file in world.repom.glob("releases/*/traceback.txt"):
        yield f"an error of the tool itself: {file.read_text().splitlines()[-1]}"


def _leftovers(world: World) -> Iterator[str]:
    patterns = ("releases/*/rehearsal*", "releases/*/stamp*.sqlite3*", "**/*.part*", "*-holder")
    for pattern in patterns:
        for file in world.repom.glob(pattern):
            if not file.name.endswith(".log"):
                yield f"{file.relative_to(world.repom)} stays behind"


def _locks(world: World) -> Iterator[str]:
    for file in world.repom.glob(".*.release-lock"):
        try:
            with FileLock(file, timeout=0):
                continue
        except Timeout:
            yield f"{file.name} is still held"


# -- what was said ----------------------------------------------------------------------------


def two_at_work(world: Files) -> list[str]:
    """Whether steps of two tasks were under way at the same time."""
    steps = []
    for file in world.repom.glob("releases/*/release.json"):
        record = read_json(file) or {}
        for step in record.get("steps", ()):
            began = datetime.fromisoformat(step["started"])
            ended = began + timedelta(seconds=step["seconds"])
            steps.append((began, ended, record["id"], step["name"]))
    steps.sort()
    return [
        f"two at work at once: {one} of {first} and {other} of {second}"
        for (_, ended, first, one), (began, _, second, other) in pairwise(steps)
        if first != second and began < ended - TICK
    ]


def bad_words(what: str, code: int, out: str, err: str, *, as_json: bool) -> list[str]:
    """What a command printed that it must not print, or left unsaid."""
    found = []
    # One that is interrupted while Python itself starts or ends says so in Python's own words.
    if "Traceback" in out + err and not (code == -2 and err.strip().endswith("KeyboardInterrupt")):
        found.append(f"{what} printed a traceback: {err[-1500:]}")
    if code > 0 and not err.strip():
        found.append(f"{what} ended with {code} and said nothing")
    if as_json and code >= 0:
        try:
            json.loads(out)
        except ValueError:
            found.append(f"{what} ended with {code} and printed no JSON document: {out[-300:]!r}")
    return found
