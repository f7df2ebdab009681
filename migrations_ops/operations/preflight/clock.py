"""Warns where the clock of this host shows an earlier time than a backup or a record has."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.ids import by_time, ids_in
from migrations_ops.model.findings import CLOCK_BEHIND, Finding
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.system.files import milliseconds, now

# The clocks of two hosts may differ by so much.
_TOLERANCE = timedelta(minutes=1)
# When summer time ends, local time goes back by so much.
_SUMMER_TIME = timedelta(hours=1)


def find_clock_behind(project: Project, environment: Environment) -> list[Finding]:
    """The newest backup of an environment, and the newest record, that are from the future."""
    name, found = environment.name, []
    sidecars = BackupStore.of(project.settings, environment).sidecars()
    latest = max(sidecars, key=lambda each: milliseconds(each.taken), default=None)
    ahead = milliseconds(latest.taken) - milliseconds(now()) if latest else 0
    if latest and ahead > _TOLERANCE / timedelta(milliseconds=1):
        found.append(CLOCK_BEHIND.found(name, what=f"the backup {latest.name}", time=latest.taken))
    newest, _ = by_time(next(reversed(ids_in(project.settings.releases)), ""))
    with suppress(ValueError):  # no date at all
        began = datetime.strptime(newest, "%Y%m%d_%H%M%S")
        if began > datetime.now() + _TOLERANCE + _SUMMER_TIME:
            found.append(CLOCK_BEHIND.found(name, what="the newest record", time=f"{began}"))
    return found
