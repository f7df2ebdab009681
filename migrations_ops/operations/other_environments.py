"""Watches the other environments while a project's own commands run, which may change any of them.

Our child does not run inside such commands, so their destination is not proved. A configuration
file that names production takes the commands of dev there, whatever their variables say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import Memory, NeedsAPerson, OpsError, Unresolved
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.operations.backup import find_doubt
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import LocatedDatabase, locate
from migrations_ops.project.environments import Environment


@dataclass(frozen=True)
class _Watched:
    """The state of another environment before; ``backup`` is from then, None if none was taken;
    ``newest`` names the newest good one."""

    located: LocatedDatabase
    before: Fingerprint
    backup: Backup | None
    newest: str = ""

    @property
    def name(self) -> str:
        return self.located.environment.name

    @property
    def is_changed(self) -> bool:
        try:
            return not self.located.has_structure(self.before)
        except OpsError:
            return False  # it cannot be read now: nothing is known

    @property
    def way_back(self) -> str:
        if self.backup is None:
            return self.located.way_back or f"invoke backups --env {self.name}"
        return BackupStore.restore_command(self.name, self.backup.name)

    @property
    def unresolved(self) -> Unresolved:
        return Unresolved(self.name, self.backup.name if self.backup else self.newest)


@contextmanager
def watched_others(session: Session, environment: Environment) -> Iterator[None]:
    """Compare revision and schema of the other environments before and after commands of this one.

    Rows are not compared: an application may write there all the time.

    :raises NeedsAPerson: another environment was changed; the message has its way back.
    """
    if not environment.commands:
        yield
        return
    watched = list(_watch(session, environment))
    try:
        yield
    except (OpsError, KeyboardInterrupt) as error:
        _require_unchanged(environment, watched, error)
        raise
    _require_unchanged(environment, watched)


def _watch(session: Session, environment: Environment) -> Iterator[_Watched]:
    project = session.project
    for other in project.settings.path:
        if other is environment or not project.knows_url(other):
            continue
        with suppress(OpsError):
            located = locate(project, other)
            if located.database is project.database(environment):
                continue
            if located.exists and not located.inspection.trouble:
                before = located.database.fingerprint(other.version_table)
                backup = _back_up(session, located)
                newest = BackupStore.of(project.settings, other).latest_sidecar()
                yield _Watched(located, before, backup, newest.name if newest else "")


def _back_up(session: Session, located: LocatedDatabase) -> Backup | None:
    """Take the backup that its own upgrade would take; it is reused then."""
    settings = session.project.settings
    if not settings.is_rehearsed(located.environment):
        return None
    with suppress(OpsError):
        store = BackupStore.of(settings, located.environment)
        doubt = find_doubt(session.project, located)
        backup = take_backup(store, located.database, doubt=doubt)
        session.record.add_backup(backup)
        return backup
    return None


def _require_unchanged(
    environment: Environment, watched: list[_Watched], error: BaseException | None = None
) -> None:
    """:param error: what has stopped the commands."""
    changed = [each for each in watched if each.is_changed]
    if not changed:
        return
    names = " and ".join(each.name for each in changed)
    stopped = error if isinstance(error, OpsError) else None
    own = stopped.unresolved if isinstance(stopped, NeedsAPerson) else ()
    back = "; ".join(each.way_back for each in changed)
    raise NeedsAPerson(
        f"{f'{stopped.what} And the' if stopped else 'The'} commands of {environment.name}"
        f" changed {names}.",
        untouched=stopped.untouched if stopped else "",
        next=f"Put {names} back: {back}; and see where the commands of environments."
        f"{environment.name} learn their database.",
        memory=Memory.RECORD,
        unresolved=(*own, *(each.unresolved for each in changed)),
    ) from error
