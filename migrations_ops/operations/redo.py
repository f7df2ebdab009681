"""``--redo``: revisions that were edited after the first environments ran them run there again.

Each such environment goes back to before them, by their downgrades, or by the backup from before
where these fail or leave something; then the ordinary release goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from migrations_ops.backups.store import BackupStore
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.model.findings import MISSING_REVISION, SKIPPED_REVISION, Finding
from migrations_ops.model.plan import EnvironmentPlan, StepName
from migrations_ops.operations.manual.change import change
from migrations_ops.operations.plan import list_steps, plan_release
from migrations_ops.operations.preflight.state import require_changeable
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.revisions_applied import find_edited
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.targets import Target


@dataclass(frozen=True)
class WayBack:
    """Where an environment goes back to: ``to`` is what its version table holds then.

    ``backup`` is the newest one from there; ``by_downgrade`` is whether downgrades lead there.
    """

    state: DatabaseState
    to: tuple[str, ...]
    backup: Backup | None
    by_downgrade: bool

    @property
    def backup_name(self) -> str:
        """The backup that is restored; empty if downgrades lead back."""
        return "" if self.by_downgrade or self.backup is None else self.backup.name


def find_ways_back(
    project: Project, environments: Iterable[Environment], to: str | None = None
) -> list[WayBack]:
    """Which environments have to go back, and where to.

    :raises Refused: one of them is protected, or the last; or nothing leads back.
    """
    found = []
    for environment in environments:
        state = read_state(project, environment, to)
        findings = [each for each in find_edited(state) if each.code != MISSING_REVISION.code]
        if not findings:
            continue
        names = ", ".join(each.where for each in findings)
        name = environment.name
        if environment.protected or environment is project.settings.path_of(environment)[-1]:
            raise Refused(
                f"--redo never takes {name} back, and it has run edited revisions: {names}.",
                untouched="No database was touched.",
                next="Undo the edit, and write what is missing as a new revision:"
                f" invoke verify --env {name}",
            )
        require_changeable(state, "taken back")
        found.append(_way_back(project, state, findings))
    return found


def _way_back(project: Project, state: DatabaseState, findings: Sequence[Finding]) -> WayBack:
    history, name = state.history, state.environment.name
    wheres = [each.where for each in findings]
    gone = history.descendants(wheres)
    left = history.ancestors(state.look.revisions) - gone
    to = history.after_upgrade(left, ())
    store = BackupStore.of(project.settings, state.environment)
    backups = [each for each in store.backups() if set(each.revisions) == set(to)]
    backup = backups[-1] if backups else None
    skipped = any(each.code == SKIPPED_REVISION.code for each in findings)
    # What never ran cannot be taken back by its downgrade.
    by_downgrade = not skipped and len(to) < 2
    if backup is None and not by_downgrade:
        raise Refused(
            f"{name} cannot be taken back: no backup of it is at {', '.join(to) or 'base'}.",
            untouched="No database was touched.",
            next=f"See what to do instead: invoke verify --env {name}",
        )
    return WayBack(state, to, backup, by_downgrade)


def take_back(session: Session, environments: Iterable[Environment]) -> None:
    """Take each environment that has run what was edited back to before that.

    :raises Refused: see ``find_ways_back``; or the downgrades left something, and no backup is from
        before: then the database is unchanged.
    """
    for way in find_ways_back(session.project, environments):
        if not way.by_downgrade or not _downgrade(session, way):
            _put_back(session, way)


def _downgrade(session: Session, way: WayBack) -> bool:
    """Run the downgrades; whether they led back to what was there before."""
    state, table = way.state, way.state.environment.version_table
    command = ["downgrade", way.to[0] if way.to else "base"]
    try:
        change(session, state, command, name=StepName.DOWNGRADE, wanted=way.to)
    except StepFailed:
        if way.backup is None:
            raise
        return False  # the database is as it was
    now = state.database.fingerprint(table)
    if way.backup is not None:
        store = BackupStore.of(session.project.settings, state.environment)
        return now.schema == store.fingerprint(way.backup).schema
    if way.to or not now.rows:
        return True
    name = state.environment.name
    store = BackupStore.of(session.project.settings, state.environment)
    restore_and_prove(session, state.environment, store.find(session.record.result.backups[-1]))
    raise Refused(
        f"The downgrades of {name} leave {', '.join(sorted(now.rows)[:5])}, and no backup of it is"
        " from before.",
        untouched=f"{name} is unchanged.",
        next=f"Write the downgrades, or see what to do instead: invoke verify --env {name}",
    )


def _put_back(session: Session, way: WayBack) -> None:
    assert way.backup is not None
    restore_and_prove(session, way.state.environment, way.backup)


def plan_redo(
    project: Project, environments: Sequence[Environment], to: str | None
) -> list[EnvironmentPlan]:
    """What a release with ``--redo`` would do: the ways back, then the ordinary release."""
    ways = {way.state.environment.name: way for way in find_ways_back(project, environments, to)}
    plans = []
    for way in ways.values():
        commands = (("downgrade", way.to[0] if way.to else "base"),) if way.by_downgrade else ()
        step = StepName.DOWNGRADE if way.by_downgrade else StepName.RESTORE
        steps = list_steps(
            project, way.state.environment, [(StepName.BACK_UP, ()), (step, commands)]
        )
        plans.append(
            replace(steps, from_=way.state.look.revisions, to=way.to, backup=way.backup_name)
        )
    states = [
        _after(ways[each.name], to) if each.name in ways else read_state(project, each, to)
        for each in environments
    ]
    for state in states:
        require_changeable(state, "upgraded")
    return [*plans, *plan_release(project, states)]


def _after(way: WayBack, to: str | None) -> DatabaseState:
    """The state in which an environment will be when it was taken back."""
    state, word = way.state, to or way.state.environment.target
    wanted = state.history.resolve(word, way.to)
    arrival = state.history.after_upgrade(way.to, wanted)
    return replace(
        state,
        look=replace(state.look, revisions=way.to),
        kind="behind",
        target=Target(arrival, word, wanted),
        pending=state.history.pending(way.to, word),
    )
