"""Where each environment stands, by direct reads: no Alembic, no subprocess."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice

from migrations_ops.backups import Shelf
from migrations_ops.databases import Database
from migrations_ops.environments import Environment
from migrations_ops.errors import Refused
from migrations_ops.project import Project
from migrations_ops.records import read_records
from migrations_ops.results import EnvironmentStatus, Look, Selector, State, StatusReport
from migrations_ops.revision_errors import SeveralHeads
from migrations_ops.revisions import History, Revision

# A status must not become slower with each release of the past.
RECORDS_READ = 100


@dataclass(frozen=True)
class Place:
    """One environment's database, whatever the scripts say."""

    environment: Environment
    database: Database
    look: Look

    @property
    def exists(self) -> bool:
        """Whether there is something that could be lost."""
        return self.look.exists


@dataclass(frozen=True)
class Standing(Place):
    """One environment's database against its scripts."""

    history: History
    state: State
    target: tuple[str, ...]
    pending: tuple[Revision, ...] = ()
    trouble: str = ""


def locate(project: Project, environment: Environment) -> Place:
    """Look at the database of an environment, without its scripts.

    :raises OpsError: the configuration cannot be read.
    """
    database = project.database(environment)
    return Place(environment, database, database.look(environment.version_table))


def stand(project: Project, environment: Environment, to: str | None = None) -> Standing:
    """Read where an environment stands and what an upgrade would run.

    :param to: the target instead of the configured one.
    :raises OpsError: the scripts or the configuration cannot be read, or the target is unknown.
    """
    history = project.history(environment)
    place = locate(project, environment)
    look = place.look
    target = to or environment.target
    wanted = history.resolve(target, look.revisions if _known(history, look) else ())
    state, trouble = _state(history, look, wanted)
    pending: tuple[Revision, ...] = ()
    arrived = set(look.revisions) == set(wanted)
    if state in ("behind", "empty", "missing", "at head") and not arrived:
        pending = history.pending(look.revisions, target)
    if state == "at head" and pending:
        state = "behind"
    return Standing(environment, place.database, look, history, state, wanted, pending, trouble)


def _known(history: History, look: Look) -> bool:
    return not history.unknown(look.revisions)


def _state(history: History, look: Look, wanted: tuple[str, ...]) -> tuple[State, str]:
    if look.trouble:
        return "unreachable", look.trouble
    if not look.exists:
        return "missing", ""
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


def require_own(place: Place) -> None:
    """:raises Refused: the ledger says that this is another environment: a copy took its place."""
    doubt = told_otherwise(place)
    if doubt:
        name = place.environment.name
        raise Refused(
            f"{name} ({place.database.label}) is not {name}: {doubt}.",
            untouched=f"{name} was not touched.",
            next=f"If it is meant to be {name} from now on: invoke adopt --env {name}",
        )


def told_otherwise(place: Place) -> str:
    """What the ledger says, where that is another environment; else empty."""
    told = place.look.environment
    return f"its ledger says that it is {told}" if told not in ("", place.environment.name) else ""


def require_upgradable(standing: Standing) -> None:
    """:raises Refused: an upgrade cannot start from where the database stands."""
    name, label = standing.environment.name, standing.database.label
    untouched = f"{name} was not touched."
    if standing.look.trouble:
        raise Refused(
            f"{name} cannot be upgraded: {standing.look.trouble}.",
            untouched=untouched,
            next=standing.look.remedy,
        )
    require_own(standing)
    standing.database.require_usable()
    if standing.state == "unversioned":
        raise Refused(
            f"{name} ({label}) has tables but no version: no revision ever ran there.",
            untouched=untouched,
            next=f"If a revision describes it: invoke stamp --env {name} --to REVISION",
        )
    if standing.state in ("ahead", "diverged"):
        raise Refused(
            f"{name} ({label}) cannot be upgraded: {standing.trouble}.",
            untouched=untouched,
            next="Fetch the scripts that belong to this database, or restore a backup:"
            f" invoke backups --env {name}",
        )
    if standing.look.leftovers:
        raise Refused(
            f"{name} ({label}) holds {', '.join(standing.look.leftovers)}, left over from an"
            " upgrade that broke off without protection.",
            untouched=untouched,
            next="Look whether its rows are needed, drop it, and type: invoke doctor",
        )


def require_readable(place: Place) -> None:
    """:raises Refused: there is no database, or it cannot be read."""
    name = place.environment.name
    if not place.exists:
        raise Refused(
            f"{name} has no database yet: {place.database.label} does not exist.",
            untouched="Nothing was created.",
            next=f"Type: invoke upgrade-{name}",
        )
    if place.look.trouble:
        raise Refused(
            f"{name} cannot be read: {place.look.trouble}.",
            untouched="Nothing was changed.",
            next=place.look.remedy,
        )


def read_status(project: Project, environments: list[Environment]) -> StatusReport:
    """One row for each environment; what cannot be read is said in its row.

    :raises OpsError: the configuration or the scripts cannot be read.
    """
    releases = _last_releases(project, {environment.name for environment in environments})
    rows = tuple(_row(project, environment, releases) for environment in environments)
    heads = tuple(sorted({head for row in rows for head in row.heads}))
    return StatusReport(rows, heads, read_selector(project))


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
    backups = Shelf.of(project.settings, environment).sidecars()
    last_backup = backups[-1]["name"] if backups else None
    last_release = releases.get(environment.name)
    heads = environment.heads or project.history(environment).effective_heads
    trouble = ""
    try:
        standing = stand(project, environment)
    except SeveralHeads as several:
        standing, trouble = stand(project, environment, "heads"), several.what
    return EnvironmentStatus(
        name=environment.name,
        database=standing.database.label,
        state=standing.state,
        current=standing.look.revisions,
        heads=heads,
        pending=tuple(revision.revision for revision in standing.pending),
        last_backup=last_backup,
        last_release=last_release,
        dirty=bool(standing.look.leftovers),
        trouble=told_otherwise(standing) or standing.trouble or trouble,
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
