"""Where an environment goes back to that has run what was edited: by downgrades, or by a backup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from migrations_ops.backups.quality import EMPTY, group_of
from migrations_ops.backups.store import BackupStore
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import OpsError, Refused
from migrations_ops.model.findings import SKIPPED_REVISION, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.operations.edited_revisions import find_to_redo, put_after
from migrations_ops.operations.preflight.state import require_changeable
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.source import has_downgrade


@dataclass(frozen=True)
class WayBack:
    """Where an environment goes back to: ``to`` is what its version table holds then.

    ``backup`` is the newest one from there; ``by_downgrade`` is whether downgrades lead there;
    ``twin`` is another environment that is there, to compare with where there is no backup.
    """

    state: DatabaseState
    to: tuple[str, ...]
    backup: Backup | None
    by_downgrade: bool
    twin: Environment | None = None

    @property
    def backup_name(self) -> str:
        """The backup that is restored; empty if downgrades lead back."""
        return "" if self.by_downgrade or self.backup is None else self.backup.name

    @property
    def target(self) -> str:
        """The argument of the downgrade."""
        return self.to[0] if self.to else "base"

    @property
    def by_hand(self) -> str:
        """The command of a person who has seen what goes."""
        name = self.state.environment.name
        return f"invoke downgrade --env {name} --to {self.target} release-migration"


def find_ways_back(
    project: Project, environments: Iterable[Environment], to: str | None = None
) -> list[WayBack]:
    """Which environments have to go back, and where to.

    :raises Refused: one of them is protected, or the last; or nothing leads back.
    """
    found = []
    for environment in environments:
        state = read_state(project, environment, to)
        findings = find_to_redo(state)
        if not findings:
            continue
        names = ", ".join(each.where for each in findings)
        name = environment.name
        if not project.settings.may_be_taken_back(environment):
            raise Refused(
                f"--redo never takes {name} back, and it has run edited revisions: {names}.",
                untouched="No database was touched.",
                next="Undo the edit, and write what is missing as a new revision:"
                f" invoke verify --env {name}",
            )
        require_changeable(state, "taken back")
        found.append(_find_way_back(project, state, findings))
    return found


def redo_leads_on(project: Project) -> bool:
    """Whether a release with ``--redo`` would take something back, and would not be refused."""
    with suppress(OpsError):
        return bool(find_ways_back(project, project.settings.path))
    return False


def _find_way_back(project: Project, state: DatabaseState, findings: Sequence[Finding]) -> WayBack:
    """:raises Refused: nothing leads back, or nothing could tell that it did."""
    history, name = state.history, state.environment.name
    gone = history.descendants([each.where for each in findings])
    reached = history.ancestors(state.inspection.revisions)
    to = history.after_upgrade(reached - gone, ())
    backup = _newest_from(BackupStore.of(project.settings, state.environment), to)
    skipped = [each.where for each in findings if each.code == SKIPPED_REVISION.code]
    # What never ran cannot be taken back by its downgrade.
    by_downgrade = (
        not skipped
        and len(to) < 2
        and all(has_downgrade(history.revisions[each]) for each in gone & reached)
    )
    way = WayBack(state, to, backup, by_downgrade)
    if backup is not None:
        return way
    no_backup = f"no backup of it is at {', '.join(to) or 'base'}"
    if not by_downgrade:
        raise Refused(
            f"{name} cannot be taken back: {no_backup}.",
            untouched="No database was touched.",
            next=put_after(history, skipped)
            if skipped
            else f"Write the downgrades, or see what to do instead: invoke verify --env {name}",
        )
    twin = _find_twin(project, state, to) if to else None
    if to and twin is None:
        raise Refused(
            f"Whether its downgrades take {name} back could not be told: {no_backup}, and neither"
            " is another environment.",
            untouched="No database was touched.",
            next=f"If you know that they do: {way.by_hand}",
        )
    return WayBack(state, to, None, by_downgrade=True, twin=twin)


def _newest_from(store: BackupStore, revisions: tuple[str, ...]) -> Backup | None:
    """The newest backup from there; not what a restore has replaced, which may be half migrated."""
    # Before the first revision, empty is what it has to be.
    may_be = ("",) if revisions else ("", EMPTY)
    found = [
        each
        for each in store.backups()
        if set(each.revisions) == set(revisions)
        and group_of(each) != "replaced"
        and each.doubt in may_be
    ]
    return found[-1] if found else None


def _find_twin(project: Project, state: DatabaseState, to: tuple[str, ...]) -> Environment | None:
    """Another environment of the same path and engine that is at these revisions."""
    for each in project.settings.path_of(state.environment):
        if each is state.environment or not project.knows_url(each):
            continue
        database = project.database(each)
        inspection = database.inspect(each.version_table)
        if database.syntax == state.database.syntax and set(inspection.revisions) == set(to):
            return each
    return None


# -- whether downgrades have led there ------------------------------------------------------------


def find_left(now: Fingerprint, schema: Mapping[str, str]) -> list[str]:
    """The objects that differ from what was there before, as fingerprints name them."""
    return sorted({key for key, _ in set(now.schema.items()) ^ set(schema.items())})


def find_lost_rows(
    now: Fingerprint, before: Fingerprint, back_then: Mapping[str, int] | None
) -> dict[str, int]:
    """How many rows of which table downgrades took that they should not have taken.

    :param before: before the downgrades.
    :param back_then: the rows of each table in the backup from before: tables that are not in it
        go, and rows that came since may have come with the revisions. None without a backup: then
        nothing tells which rows came with the revisions.
    """
    lost = {}
    for table, had in before.rows.items():
        kept = had if back_then is None else min(had, back_then.get(table, 0))
        missing = kept - now.rows.get(table, 0)
        if missing > 0:
            lost[table] = missing
    return lost
