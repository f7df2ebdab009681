"""Reads the state of each environment's database without Alembic or a subprocess."""

from __future__ import annotations

from dataclasses import dataclass, replace

from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import Database
from migrations_ops.journal.unfinished import find_unfinished_commands
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import Ledger
from migrations_ops.model.status import State
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.errors import OverlappingRevisions, SeveralHeads
from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.targets import Target


@dataclass(frozen=True)
class LocatedDatabase:
    """One environment's database, regardless of its scripts."""

    environment: Environment
    database: Database
    inspection: Inspection
    # The command that restores a backup; determined only where that may be the fix.
    way_back: str

    def ledger(self) -> Ledger:
        """The ledger of this environment's version table."""
        return self.database.ledger(self.environment.version_table)

    @property
    def exists(self) -> bool:
        """Whether there is anything that could be lost."""
        return self.inspection.exists

    @property
    def is_live(self) -> bool:
        """Whether applications may write to it while it is released: an automatic restore of the
        backup would hide what they wrote since."""
        return self.environment.protected and self.database.is_server

    def has_structure(self, before: Fingerprint) -> bool:
        """Whether it has this revision and schema now; its rows may have changed."""
        table = self.environment.version_table
        if not self.database.inspect(table).exists:
            return before == Fingerprint.EMPTY
        return self.database.fingerprint(table).structure_equals(before)


@dataclass(frozen=True)
class DatabaseState(LocatedDatabase):
    """One environment's database against its scripts."""

    history: History
    kind: State
    target: Target
    pending: tuple[Revision, ...] = ()
    trouble: str = ""
    # The revision that contains another row of the version table; empty nearly always.
    overlap: str = ""

    @property
    def to_flag(self) -> str:
        """`` --to TARGET`` if another target than the configured one was chosen; else empty."""
        is_chosen = self.target.word not in ("", self.environment.target)
        return f" --to {self.target.argument}" if is_chosen else ""


def locate(project: Project, environment: Environment) -> LocatedDatabase:
    """Inspect the database of an environment, without its scripts.

    :raises OpsError: the configuration cannot be read.
    """
    database = project.database(environment)
    located = LocatedDatabase(
        environment, database, database.inspect(environment.version_table), way_back=""
    )
    if (
        located.inspection.revisions
        and not located.inspection.begun
        and not identity_mismatch(located)
    ):
        return located
    return replace(located, way_back=BackupStore.of(project.settings, environment).way_back())


def read_state(
    project: Project, environment: Environment, to: str | Target | None = None
) -> DatabaseState:
    """Read the state of an environment and what an upgrade would run.

    :param to: the target instead of the configured one.
    :raises OpsError: the scripts or the configuration cannot be read, or the target is unknown.
    """
    history = project.history(environment)
    located = _with_way_back(project, locate(project, environment), history)
    inspection = located.inspection
    target = to or environment.target
    word = target.word if isinstance(target, Target) else target
    known = inspection.revisions if _known(history, inspection) else ()
    overlap, trouble = _overlap(history, known)
    if overlap:
        nowhere = Target((), word)
        return _against(located, history, "diverged", nowhere, trouble=trouble, overlap=overlap)
    try:
        wanted = _resolved(history, inspection, target, known)
    except SeveralHeads as several:
        raise several.of(environment.name) from None
    kind, trouble = _kind(history, inspection, wanted, word)
    pending: tuple[Revision, ...] = ()
    arrived = set(inspection.revisions) == set(wanted)
    if kind in ("behind", "empty", "missing", "at head") and not arrived:
        pending = _pending(history, inspection, target, wanted)
    arrival = history.after_upgrade(inspection.revisions, wanted) if pending else wanted
    if kind == "at head" and pending:
        kind = "behind"
    if kind in ("at head", "behind"):
        unfinished = _unfinished_commands(
            project, environment, inspection, is_at_head=kind == "at head"
        )
        if unfinished:
            kind, trouble, pending = "dirty", unfinished, ()
    return _against(located, history, kind, Target(arrival, word, wanted), pending, trouble)


def _against(
    located: LocatedDatabase,
    history: History,
    kind: State,
    target: Target,
    pending: tuple[Revision, ...] = (),
    trouble: str = "",
    overlap: str = "",
) -> DatabaseState:
    """A database against its scripts."""
    return DatabaseState(
        located.environment,
        located.database,
        located.inspection,
        located.way_back,
        history,
        kind,
        target,
        pending,
        trouble,
        overlap,
    )


def read_state_without_target(project: Project, environment: Environment) -> DatabaseState:
    """As ``read_state``, for tasks that do not upgrade to the configured target.

    Where it means several revisions, and a release has reached one of them by ``--to``, they go on.
    """
    try:
        return read_state(project, environment)
    except SeveralHeads:
        return read_state(project, environment, "heads")


def _with_way_back(project: Project, located: LocatedDatabase, history: History) -> LocatedDatabase:
    """Of a database that is ahead: the newest backup that these scripts know."""
    if located.way_back or not history.unknown(located.inspection.revisions):
        return located
    store = BackupStore.of(project.settings, located.environment)
    return replace(located, way_back=store.way_back_to(history.revisions))


def _pending(
    history: History, inspection: Inspection, target: str | Target, wanted: tuple[str, ...]
) -> tuple[Revision, ...]:
    if isinstance(target, Target):
        return history.between(inspection.revisions, wanted)
    return history.pending(inspection.revisions, target)


def _overlap(history: History, known: tuple[str, ...]) -> tuple[str, str]:
    """A row of the version table that another one contains, or that is there twice, and what is
    wrong with it; empty nearly always."""
    try:
        if len(known) > 1:
            history.between(known, ())
    except OverlappingRevisions as error:
        reason = f"its version table names {error.outer}, and {error.inner}, which is in it"
        return error.outer, reason
    twice = [name for name in dict.fromkeys(known) if known.count(name) > 1]
    if twice:
        return twice[0], f"its version table has the row {twice[0]} more than once"
    return "", ""


def _resolved(
    history: History, inspection: Inspection, target: str | Target, known: tuple[str, ...]
) -> tuple[str, ...]:
    """What a target means; nothing where the scripts have several heads, and those of the database
    are gone: a merge of them may have been there, and is not to be made again."""
    if isinstance(target, Target):
        return target.meant or target.revisions
    try:
        return history.resolve(target, known)
    except SeveralHeads:
        if history.unknown(inspection.revisions):
            return ()
        raise


def _known(history: History, inspection: Inspection) -> bool:
    return not history.unknown(inspection.revisions)


def _kind(
    history: History, inspection: Inspection, wanted: tuple[str, ...], word: str
) -> tuple[State, str]:
    if inspection.trouble:
        return "unreachable", inspection.trouble
    if not inspection.exists:
        return "missing", ""
    half = half_applied(history, inspection)
    if half:
        how = f"{inspection.at_work} may be running it" if inspection.at_work else "is half applied"
        return "dirty", f"revision {', '.join(half)} was started there, and {how}"
    if not inspection.revisions:
        # In a database that several projects share, the tables may be another one's.
        is_own = inspection.environment or not inspection.shared
        return ("unversioned", "") if inspection.tables and is_own else ("empty", "")
    unknown = history.unknown(inspection.revisions)
    if unknown:
        return "ahead", f"the scripts do not have {', '.join(unknown)}"
    if set(inspection.revisions) == set(wanted):
        return "at head", ""
    reached = history.ancestors(inspection.revisions)
    if set(wanted) <= reached:
        return "at head", ""
    if history.lead_to(inspection.revisions, wanted, word):
        return "behind", ""
    return "diverged", f"{', '.join(inspection.revisions)} is not on the way to {', '.join(wanted)}"


def _unfinished_commands(
    project: Project, environment: Environment, inspection: Inspection, *, is_at_head: bool
) -> str:
    """Why commands are not done although the version table is where they lead; empty if they are.

    It does not prove what they do after they have changed it.
    """
    task = find_unfinished_commands(project.settings.releases, environment.name)
    if task is None:
        return ""
    # With --to they lead to somewhere before the head.
    has_arrived = is_at_head or set(inspection.revisions) == set(
        task.targets.get(environment.name, ())
    )
    if not has_arrived:
        return ""
    reason = f"its commands were interrupted with {task.title}, and did not finish"
    return f"{reason}{inspection.besides}"


def half_applied(history: History, inspection: Inspection) -> list[str]:
    """The revisions that were started and, according to the version table, not finished.

    On MariaDB that table is written first: after a crash in between, the ledger still lists a
    complete revision.
    """
    if not inspection.begun or not _known(history, inspection):
        return list(inspection.begun)
    reached = history.ancestors(inspection.revisions)
    return [
        name
        for name, direction in inspection.begun.items()
        if (name in reached) is (direction == "downgrade")
    ]


def identity_mismatch(located: LocatedDatabase) -> str:
    """Describe that the ledger names another environment; empty if it does not."""
    recorded = located.inspection.environment
    is_own = recorded in ("", located.environment.name)
    return "" if is_own else f"its ledger says that it is {recorded}"
