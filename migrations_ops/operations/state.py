"""Where each environment stands, by direct reads: no Alembic, no subprocess."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from migrations_ops.backups.store import BackupStore
from migrations_ops.databases import Database
from migrations_ops.journal.marks import find_half_run
from migrations_ops.journal.record import read_records
from migrations_ops.model.errors import OpsError, Refused
from migrations_ops.model.results import EnvironmentStatus, Look, Selector, State, StatusReport
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.errors import OverlappingRevisions, SeveralHeads
from migrations_ops.revisions.history import History, Revision

# A status must not become slower with each release of the past.
RECORDS_READ = 100


@dataclass(frozen=True)
class LocatedDatabase:
    """One environment's database, whatever the scripts say."""

    environment: Environment
    database: Database
    look: Look
    # The command that puts a backup back; looked for only where that may be the cure.
    way_back: str

    @property
    def exists(self) -> bool:
        """Whether there is something that could be lost."""
        return self.look.exists


@dataclass(frozen=True)
class DatabaseState(LocatedDatabase):
    """One environment's database against its scripts."""

    history: History
    kind: State
    target: tuple[str, ...]
    pending: tuple[Revision, ...] = ()
    trouble: str = ""
    # The revision that contains another row of the version table; empty nearly always.
    overlap: str = ""


def locate(project: Project, environment: Environment) -> LocatedDatabase:
    """Look at the database of an environment, without its scripts.

    :raises OpsError: the configuration cannot be read.
    """
    database = project.database(environment)
    place = LocatedDatabase(
        environment, database, database.look(environment.version_table), way_back=""
    )
    if place.look.revisions and not place.look.begun and not told_otherwise(place):
        return place
    return replace(place, way_back=BackupStore.of(project.settings, environment).way_back())


def read_state(project: Project, environment: Environment, to: str | None = None) -> DatabaseState:
    """Read where an environment stands and what an upgrade would run.

    :param to: the target instead of the configured one.
    :raises OpsError: the scripts or the configuration cannot be read, or the target is unknown.
    """
    history = project.history(environment)
    place = locate(project, environment)
    look = place.look
    target = to or environment.target
    known = look.revisions if _known(history, look) else ()
    try:
        if len(known) > 1:
            history.pending(known, "heads")
    except OverlappingRevisions as error:
        return DatabaseState(
            environment,
            place.database,
            look,
            place.way_back,
            history,
            "diverged",
            (),
            trouble=f"its version table names {error.outer}, and {error.inner}, which is in it",
            overlap=error.outer,
        )
    wanted = history.resolve(target, known)
    kind, trouble = _kind(history, look, wanted)
    pending: tuple[Revision, ...] = ()
    arrived = set(look.revisions) == set(wanted)
    if kind in ("behind", "empty", "missing", "at head") and not arrived:
        pending = history.pending(look.revisions, target)
    if kind == "at head" and pending:
        kind = "behind"
    if kind == "at head":
        kind, trouble = _half_run(project, environment)
    return DatabaseState(
        environment, place.database, look, place.way_back, history, kind, wanted, pending, trouble
    )


def _known(history: History, look: Look) -> bool:
    return not history.unknown(look.revisions)


def _kind(history: History, look: Look, wanted: tuple[str, ...]) -> tuple[State, str]:
    if look.trouble:
        return "unreachable", look.trouble
    if not look.exists:
        return "missing", ""
    half = half_applied(history, look)
    if half:
        return "dirty", f"revision {', '.join(half)} has begun there, and is half applied"
    if not look.revisions:
        return ("unversioned", "") if look.tables else ("empty", "")
    unknown = history.unknown(look.revisions)
    if unknown:
        return "ahead", f"the scripts do not have {', '.join(unknown)}"
    if set(look.revisions) == set(wanted):
        return "at head", ""
    reached = history.ancestors(look.revisions)
    if set(wanted) <= reached:
        return "at head", ""
    if history.lead_to(look.revisions, wanted):
        return "behind", ""
    return "diverged", f"{', '.join(look.revisions)} is not on the way to {', '.join(wanted)}"


def _half_run(project: Project, environment: Environment) -> tuple[State, str]:
    """The version table is no proof of what commands do after they have moved it."""
    task = find_half_run(project.settings.releases, environment.name)
    if task is None:
        return "at head", ""
    by = f"{task['task']} {task['id']}"
    return "dirty", f"its commands were broken off with {by}, and did not come to their end"


def half_applied(history: History, look: Look) -> list[str]:
    """The revisions that have begun and, as the version table tells, not come to their end.

    On MariaDB that table is written first: a crash in between leaves a note of what is whole.
    """
    if not look.begun or not _known(history, look):
        return list(look.begun)
    reached = history.ancestors(look.revisions)
    return [
        name
        for name, direction in look.begun.items()
        if (name in reached) is (direction == "downgrade")
    ]


def require_own(place: LocatedDatabase) -> None:
    """:raises Refused: the ledger says that this is another environment: a copy took its place."""
    doubt = told_otherwise(place)
    if doubt:
        name = place.environment.name
        raise Refused(
            f"{name} ({place.database.label}) is not {name}: {doubt}.",
            untouched=f"{name} was not touched.",
            next=cure_of_copy(place),
        )


def cure_of_copy(place: LocatedDatabase) -> str:
    """What to type where a copy of another environment took the place of this one."""
    name, back = place.environment.name, place.way_back
    adopt = f"if it is meant to be {name} from now on: invoke adopt --env {name}"
    if place.environment.protected:
        first = f"To have {name} back: {back}" if back else "Put the right database back"
        return f"{first}; or, {adopt}"
    rest = f"; to have the old {name} back: {back}" if back else ""
    return f"{adopt[0].upper()}{adopt[1:]}{rest}"


def advice(state: DatabaseState) -> str:
    """What to type where a database is not at head; empty where it is."""
    name = state.environment.name
    if told_otherwise(state):
        return cure_of_copy(state)
    if state.look.trouble:
        return state.look.remedy
    if state.overlap:
        return (
            f"If the database is what {state.overlap} builds:"
            f" invoke stamp --env {name} --to {state.overlap}"
        )
    match state.kind:
        case "ahead" | "diverged":
            return (
                "Fetch the scripts that belong to this database, or restore a backup:"
                f" invoke backups --env {name}"
            )
        case "unversioned":
            return _advice_without_version(state)
        case "dirty":
            return _advice_when_dirty(state)
        case "missing" | "empty":
            return _advice_without_database(state)
        case "behind":
            return f"Type: invoke upgrade-{name}"
    return ""


def _advice_without_database(place: LocatedDatabase) -> str:
    if place.way_back:
        return f"Bring it back: {place.way_back}"
    return f"Type: invoke upgrade-{place.environment.name}"


def _advice_without_version(state: DatabaseState) -> str:
    name, ran = state.environment.name, _last_ran(state)
    revision = ran if ran in state.history.revisions else "REVISION"
    stamp = f"If a revision describes it: invoke stamp --env {name} --to {revision}"
    return f"{stamp}; or put a backup back: {state.way_back}" if state.way_back else stamp


def _advice_when_dirty(state: DatabaseState) -> str:
    name = state.environment.name
    if not state.look.begun:
        return (
            f"To put back what was there before, and run them again: invoke upgrade-{name}; or"
            f" bring them to their end by hand, and then: invoke resolve --env {name} --applied"
        )
    back = state.way_back or BackupStore.restore_command(name)
    resolve = f"invoke resolve --env {name}"
    gone, whole = "if nothing of the revision is left", "if it is whole"
    if "downgrade" in state.look.begun.values():
        gone, whole = "if the revision is whole", "if nothing of it is left"
    return (
        f"Put the backup back: {back}; or repair it by hand, and say how: {resolve} --rolled-back"
        f" {gone}, {resolve} --applied {whole}"
    )


def _last_ran(state: DatabaseState) -> str:
    """The revision that ran there last, as the ledger knows; empty without one."""
    ran = list(state.database.ledger().ran) if state.look.environment else []
    return ran[-1] if ran else ""


def told_otherwise(place: LocatedDatabase) -> str:
    """What the ledger says, where that is another environment; else empty."""
    told = place.look.environment
    return f"its ledger says that it is {told}" if told not in ("", place.environment.name) else ""


def require_upgradable(state: DatabaseState, done: str = "upgraded") -> None:
    """:raises Refused: an upgrade, or a downgrade, cannot start from where the database stands."""
    name, label = state.environment.name, state.database.label
    untouched = f"{name} was not touched."
    if state.look.trouble:
        raise Refused(
            f"{name} cannot be {done}: {state.look.trouble}.",
            untouched=untouched,
            next=state.look.remedy,
        )
    require_own(state)
    state.database.require_usable()
    if state.kind == "unversioned":
        raise Refused(
            f"{name} ({label}) has tables but no version: {_why_no_version(state)}.",
            untouched=untouched,
            next=advice(state),
        )
    if state.kind in ("ahead", "diverged"):
        raise Refused(
            f"{name} ({label}) cannot be {done}: {state.trouble}.",
            untouched=untouched,
            next=advice(state),
        )
    require_whole(state, done)
    if state.look.leftovers:
        raise Refused(
            f"{name} ({label}) holds {', '.join(state.look.leftovers)}, left over from an"
            " upgrade that broke off without protection.",
            untouched=untouched,
            next="Look whether its rows are needed, drop it, and type: invoke doctor",
        )


def require_whole(state: DatabaseState, done: str = "changed") -> None:
    """:raises Refused: half of a revision stands there: another run would make it worse."""
    if state.kind == "dirty":
        name, label = state.environment.name, state.database.label
        raise Refused(
            f"{name} ({label}) cannot be {done}: {state.trouble}.",
            untouched=f"{name} was not touched.",
            next=advice(state),
        )


def _why_no_version(state: DatabaseState) -> str:
    # The ledger knows better than the version table, which somebody has emptied or dropped.
    ran = _last_ran(state)
    if ran:
        return f"its version table is empty or gone, though its ledger knows that {ran} ran there"
    return "no revision ever ran there"


def require_readable(place: LocatedDatabase) -> None:
    """:raises Refused: there is no database, or it cannot be read."""
    name = place.environment.name
    if not place.exists:
        raise Refused(
            f"{name} has no database yet: {place.database.label} does not exist.",
            untouched="Nothing was created.",
            next=_advice_without_database(place),
        )
    if place.look.trouble:
        raise Refused(
            f"{name} cannot be read: {place.look.trouble}.",
            untouched="Nothing was changed.",
            next=place.look.remedy,
        )


def read_status(project: Project, environments: list[Environment]) -> StatusReport:
    """One row for each environment; what cannot be read is said in its row."""
    return try_status(project, environments)[0]


def try_status(
    project: Project, environments: list[Environment]
) -> tuple[StatusReport, OpsError | None]:
    """As ``read_status``, with what kept the first of them from being looked at: configuration
    or scripts that cannot be read."""
    releases = _last_releases(project, {environment.name for environment in environments})
    rows: list[EnvironmentStatus] = []
    failure: OpsError | None = None
    for environment in environments:
        try:
            rows.append(_row(project, environment, releases))
        except OpsError as error:
            failure = failure or error
            rows.append(_unread_row(project, environment, releases, error))
    heads = tuple(sorted({head for row in rows for head in row.heads}))
    return StatusReport(tuple(rows), heads, read_selector(project)), failure


def _unread_row(
    project: Project, environment: Environment, releases: dict[str, str], error: OpsError
) -> EnvironmentStatus:
    """What can be told all the same of an environment whose scripts, or URL, cannot be read."""
    label, look = "-", Look(exists=True)
    with suppress(OpsError):
        place = locate(project, environment)
        label, look = place.database.label, place.look
    return EnvironmentStatus(
        name=environment.name,
        database=label,
        state="unreachable" if look.exists else "missing",
        current=look.revisions,
        heads=environment.heads,
        last_backup=_last_backup(project, environment),
        last_release=releases.get(environment.name),
        dirty=bool(look.leftovers or look.begun),
        trouble=error.what.removesuffix("."),
    )


def _last_backup(project: Project, environment: Environment) -> str | None:
    latest = BackupStore.of(project.settings, environment).latest_sidecar()
    return str(latest["name"]) if latest else None


def _last_releases(project: Project, wanted: set[str]) -> dict[str, str]:
    """The newest record of each environment in which an upgrade of it succeeded."""
    found: dict[str, str] = {}
    for document in islice(read_records(project.settings.releases), RECORDS_READ):
        for step in document.get("steps", ()):
            if step["name"] == "upgrade" and step["outcome"] == "done":
                found.setdefault(step["environment"], str(document["id"]))
        if wanted <= found.keys():
            break
    return found


def _row(project: Project, environment: Environment, releases: dict[str, str]) -> EnvironmentStatus:
    heads = environment.heads or project.history(environment).effective_heads
    trouble = ""
    try:
        state = read_state(project, environment)
    except SeveralHeads as several:
        state, trouble = read_state(project, environment, "heads"), several.what
    return EnvironmentStatus(
        name=environment.name,
        database=state.database.label,
        state=state.kind,
        current=state.look.revisions,
        heads=heads,
        pending=tuple(revision.revision for revision in state.pending),
        last_backup=_last_backup(project, environment),
        last_release=releases.get(environment.name),
        dirty=state.kind == "dirty" or bool(state.look.leftovers or state.look.begun),
        trouble=told_otherwise(state) or state.trouble or trouble,
    )


def read_selector(project: Project) -> Selector:
    """What the shell's own selector would do to a command typed by hand."""
    settings = project.settings
    name = settings.selector
    value = os.environ.get(name)
    if not value:
        effect = f"an env.py that reads it goes to {settings.default.name}"
    elif value in (environment.name for environment in settings.path):
        effect = f"an env.py that reads it goes to {value}; tasks of this tool ignore it"
    else:
        effect = "env.py takes that wherever it likes; tasks of this tool ignore it"
    return Selector(name, value, effect)
