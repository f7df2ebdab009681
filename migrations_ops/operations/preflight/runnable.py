"""Refuses a release whose steps could not be started, or whose scripts could not be read."""

from __future__ import annotations

from migrations_ops.backups.space import OPEN_IT, find_closed
from migrations_ops.backups.store import BackupStore
from migrations_ops.model.errors import Refused
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.revisions.source import find_syntax_error
from migrations_ops.steps.own_commands import require_rehearsable


def require_readable_scripts(session: Session, state: DatabaseState) -> None:
    """:raises Refused: a pending revision is not valid Python."""
    for revision in state.pending:
        if revision.file and (found := find_syntax_error(revision)):
            reason, line = found
            raise Refused(
                f"Revision {revision.revision} is not valid Python: {reason}.",
                untouched="No database was touched.",
                next=f"Fix {revision.file}:{line}",
            )


def require_runnable(session: Session, state: DatabaseState) -> None:
    """:raises ConfigurationError: the steps of an environment lack a variable, or its database is
        that of another environment too.
    :raises Refused: there is no space for the backup.
    """
    environment, project = state.environment, session.project
    project.require_startable(environment)
    if not state.pending:
        return
    if project.settings.is_rehearsed(environment):
        require_rehearsable(project, environment)
    store = BackupStore.of(project.settings, environment)
    obstacle = find_closed(store) if state.exists else ""
    if obstacle:
        raise Refused(obstacle, untouched="No database was touched.", next=OPEN_IT)
