"""What must hold on a server after each round: each check says what does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from migrations_ops.backups.integrity import file_digest
from migrations_ops.child.protocol.identity import lock_name
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.system.reading import read_json
from tests.chaos.history import FIRST, LAST, ORDER, ROWS
from tests.chaos.invariants import left_in_need
from tests.chaos.servers.world import NAMES, SECRETS, VERSION_TABLE, World, fingerprint
from tests.chaos.world import name_of

PATIENCE = 20.0


def wait_for_quiet(world: World) -> list[str]:
    """What a killed process had begun on the server comes to its end there."""
    until = time.monotonic() + PATIENCE
    while left := world.sessions():
        if time.monotonic() > until:
            return [f"sessions outlive the command: {left}"]
        time.sleep(0.05)
    return []


def problems(world: World) -> list[str]:
    """What does not hold now; a half applied revision that is said to be so is no problem."""
    found = [*_lost_tokens(world), *_torn_backups(world), *_own_failures(world)]
    for name in NAMES:
        found += _whole(world, name)
    if world.seen.exists():
        found += [f"the application saw {line}" for line in world.seen.read_text().splitlines()[:3]]
    return [*found, *_secrets(world)]


def problems_at_rest(world: World) -> list[str]:
    """What does not hold after the release that ends the round."""
    found = problems(world)
    for name in NAMES:
        at = fingerprint(world, name).revisions
        found += [] if at == (LAST,) else [f"{name} is not at the head: {at}"]
        found += [f"{name} is dirty"] * in_need(world, name)
    found += [f"{record['id']} is still unfinished" for record in unfinished(world)]
    return [*found, *_copies(world), *_leftovers(world), *_locks(world)]


def records(world: World) -> list[dict[str, Any]]:
    files = sorted((world.repom / "releases").glob("*/release.json"))
    return [each for each in map(read_json, files) if isinstance(each, dict)]


def unfinished(world: World) -> list[dict[str, Any]]:
    """The records of tasks that were interrupted while they worked on a database."""
    return [each for each in records(world) if each.get("outcome") is None]


def dirty(world: World, name: str) -> list[str]:
    """The revisions of which a half may stand there, as its ledger says."""
    return list(world.opened(name).inspect(VERSION_TABLE).begun)


def in_need(world: World, name: str) -> bool:
    """Whether half of a revision may stand there, or a record says that it needs a person."""
    return bool(dirty(world, name)) or name in left_in_need(world)


# -- databases --------------------------------------------------------------------------------


def _whole(world: World, name: str) -> list[str]:
    now = fingerprint(world, name)
    found = []
    counts = {table: now.rows.get(table) for table in ("parents", "children")}
    if set(counts.values()) != {ROWS}:
        found.append(f"{name}: {counts} of {ROWS}")
    if in_need(world, name):
        return found
    if len(now.revisions) != 1 or now.revisions[0] not in ORDER:
        return [*found, f"{name} stands at {now.revisions}"]
    return found + _belongs(world, name, now)


def _belongs(world: World, name: str, now: Fingerprint) -> list[str]:
    """Revision, schema and what the revisions do with the rows belong together."""
    [revision] = now.revisions
    found = []
    unlike = sorted({key for key, _ in now.schema.items() ^ world.schemas[revision].items()})
    if unlike:
        found.append(f"{name}: the schema is not that of {revision}: {unlike}")
    database = world.of(name)
    wrong = wrong_names(world, name)
    if wrong:
        found.append(f"{name}: {len(wrong)} names are not those of {revision}")
    if revision != FIRST and "column parents.upper_name" in now.schema:
        [(empty,)] = database.execute("SELECT count(*) FROM parents WHERE upper_name IS NULL")
        if empty:
            found.append(f"{name}: {empty} rows lack what {revision} fills in")
    return found


def wrong_names(world: World, name: str) -> list[int]:
    """The rows that are not as the revision has them at which the database stands."""
    [revision] = world.opened(name).inspect(VERSION_TABLE).revisions
    names = world.of(name).execute("SELECT id, name FROM parents")
    return [key for key, each in names if each != name_of(revision, key)]


def _kept(world: World) -> set[str]:
    """Where the tool keeps what a restore has replaced."""
    known = (f"{NAMES['prod']}_replaced_", f"migrations_ops_kept_{NAMES['prod']}")
    return {name for name in world.server.databases() if name.startswith(known)}


def _lost_tokens(world: World) -> Iterator[str]:
    """What a writer was told is committed is in production, or in what a restore replaced."""
    kept = _kept(world)
    if kept and not any("restore" in _steps_of(record, "prod") for record in records(world)):
        yield f"no restore is recorded, but there are {sorted(kept)}"
    acknowledged = set(world.tokens.read_text().split()) if world.tokens.exists() else set()
    lost = acknowledged - _tokens(world, NAMES["prod"])
    for name in sorted(kept) if lost else ():
        lost -= _tokens(world, name)
    if lost:
        share, some = f"{len(lost)} of {len(acknowledged)}", sorted(lost)[:3]
        yield f"{share} commits are nowhere: {some}; kept: {kept}"


def _tokens(world: World, database: str) -> set[str]:
    return {row[0] for row in world.server.execute("SELECT token FROM journal", database=database)}


def _steps_of(record: dict[str, Any], name: str) -> set[str]:
    steps = [*record.get("steps", ()), record.get("under_way") or {}]
    return {step.get("name", "") for step in steps if step.get("environment") == name}


def _copies(world: World) -> Iterator[str]:
    for name in sorted(world.server.databases()):
        if "copy" in name or name.endswith("_new"):
            yield f"the copy {name} stays behind"


def _locks(world: World) -> Iterator[str]:
    if world.engine == "postgresql":
        held = world.server.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory'")
        if held:
            yield f"locks are still held: {held}"
        return
    for database in NAMES.values():
        for what in ("release", "step"):
            [(free,)] = world.server.execute("SELECT IS_FREE_LOCK(%s)", lock_name(what, database))
            if not free:
                yield f"the {what} lock of {database} is still held"


# -- files ------------------------------------------------------------------------------------


def _torn_backups(world: World) -> Iterator[str]:
    """A file under a backup's final name is whole, described, and what its sidecar says."""
    for backup in (world.repom / "backups").glob("db*"):
        if backup.suffix == ".json" or ".part" in backup.name:
            continue
        sidecar = read_json(backup.with_suffix(".json"))
        if not isinstance(sidecar, dict):
            yield f"{backup.name} has no sidecar"
        elif sidecar["sha256"] != file_digest(backup):
            yield f"{backup.name} is not what its sidecar says"


def _own_failures(world: World) -> Iterator[str]:
    for file in world.repom.glob("releases/*/traceback.txt"):
        yield f"an error of the tool itself: {file.read_text()[-1500:]}"


def _secrets(world: World) -> Iterator[str]:
    for file in (world.sandbox.folder / "data").rglob("*"):
        if file.is_file():
            text = file.read_bytes()
            if any(secret.encode() in text for secret in SECRETS):
                yield f"a password stands in {file.name}"


def _leftovers(world: World) -> Iterator[str]:
    for pattern in ("releases/*/rehearsal*", "**/*.part*", "**/*.cnf", "**/*pgpass*"):
        for file in world.repom.glob(pattern):
            if not file.name.endswith(".log"):
                yield f"{file.relative_to(world.repom)} stays behind"
