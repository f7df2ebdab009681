"""``--redo``: revisions that were edited after the first environments ran them run there again.

Each such environment goes back to before them, by their downgrades, or by the backup from before
where these fail or leave something; then the ordinary release goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from migrations_ops.backups.quality import OF_EMPTY
from migrations_ops.backups.store import BackupStore
from migrations_ops.model.errors import ConfigurationError, NeedsAPerson, Refused, StepFailed
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.plan import EnvironmentPlan, StepName
from migrations_ops.operations.hooks import run_first_hook
from migrations_ops.operations.manual.change import change
from migrations_ops.operations.plan.steps import list_steps, plan_release
from migrations_ops.operations.preflight.state import require_changeable
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.operations.ways_back import (
    WayBack,
    find_left,
    find_lost_rows,
    find_ways_back,
)
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.targets import Target


def take_back(session: Session, environments: Iterable[Environment]) -> None:
    """Take each environment that has run what was edited back to before that.

    :raises Refused: see ``find_ways_back``; or the downgrades left something, and no backup is from
        before: then the database is unchanged.
    """
    for way in find_ways_back(session.project, environments):
        run_first_hook(session.project.settings, session.record)
        if not way.by_downgrade or not _downgrade(session, way):
            _put_back(session, way)


def _downgrade(session: Session, way: WayBack) -> bool:
    """Run the downgrades, and restore the backup from before if they led elsewhere; False if they
    failed, and the database is as it was.

    :raises Refused: they did not, and no backup is from before: the database is as it was.
    """
    state, table = way.state, way.state.environment.version_table
    store = BackupStore.of(session.project.settings, state.environment)
    try:
        change(session, state, ["downgrade", way.target], name=StepName.DOWNGRADE, wanted=way.to)
    except StepFailed:
        if way.backup is None:
            raise
        return False  # the database is as it was
    with _after_the_downgrades(way):
        now = state.database.fingerprint(table)
        taken = store.find(session.record.result.backups[-1])
        before = store.fingerprint(taken)
        then = store.fingerprint(way.backup) if way.backup is not None else None
    if then is not None:
        if not find_left(now, then.schema) and not find_lost_rows(now, before, then.rows):
            return True
        with _after_the_downgrades(way):
            _put_back(session, way)
        return True
    left = find_left(now, _schema_without_backup(session.project, way, now))
    lost = find_lost_rows(now, before, None)
    if not left and not lost:
        return True
    with _after_the_downgrades(way):
        restore_and_prove(session, state.environment, taken)
    raise _not_taken_back(way, left, lost)


@contextmanager
def _after_the_downgrades(way: WayBack) -> Iterator[None]:
    """What fails now does not find the database as it was.

    :raises NeedsAPerson: a backup is gone, or could not be restored.
    """
    name, at = way.state.environment.name, ", ".join(way.to) or "base"
    try:
        yield
    except (ConfigurationError, Refused, StepFailed) as error:
        raise NeedsAPerson(
            f"The downgrades of {name} have run, and what they led to cannot be compared with what"
            f" was there before, or put back: {error.what}",
            untouched=f"{name} is at {at}; no other environment was touched.",
            next=error.next or f"Look at it: invoke verify --env {name}",
        ) from error


def _schema_without_backup(project: Project, way: WayBack, now: Fingerprint) -> Mapping[str, str]:
    """What should be there after the downgrades, where no backup tells."""
    if way.twin is None:
        return {key: text for key, text in now.schema.items() if key in OF_EMPTY}
    return project.database(way.twin).fingerprint(way.twin.version_table).schema


def _not_taken_back(way: WayBack, left: Sequence[str], lost: Mapping[str, int]) -> Refused:
    name = way.state.environment.name
    if left:
        what = f"leave something other than what was there before: {', '.join(left[:5])}"
        advice = f"Fix the downgrades, or see what to do instead: invoke verify --env {name}"
    else:
        what = f"take rows: {', '.join(f'{rows} of {table}' for table, rows in lost.items())}"
        advice = f"If these may go: {way.by_hand}"
    return Refused(
        f"The downgrades of {name} {what}; and no backup of it is from before.",
        untouched=f"{name} is unchanged.",
        next=advice,
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
        commands = (("downgrade", way.target),) if way.by_downgrade else ()
        step = StepName.DOWNGRADE if way.by_downgrade else StepName.RESTORE
        steps = list_steps(
            project, way.state.environment, [(StepName.BACK_UP, ()), (step, commands)]
        )
        plans.append(
            replace(steps, from_=way.state.inspection.revisions, to=way.to, backup=way.backup_name)
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
        inspection=replace(state.inspection, revisions=way.to),
        kind="behind",
        target=Target(arrival, word, wanted),
        pending=state.history.pending(way.to, word),
    )
