"""Refuses a release whose record or evidence is needed later, and could not be written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.errors import Refused
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.system.files import nearest_folder
from migrations_ops.system.reading import what_else


def require_recordable(session: Session, states: Sequence[DatabaseState]) -> None:
    """If everything is rolled back automatically, a release continues without a record.

    But the project's own commands, and an engine that commits each change of a schema, can only be
    undone with the record, if they are killed; and a later environment accepts only what has passed
    the earlier ones according to the evidence.

    :raises Refused: what is needed cannot be written.
    """
    releases = session.project.settings.releases
    pending = [state for state in states if state.pending]
    obstacle = ""
    if any(state.environment.commands or not state.database.is_transactional for state in pending):
        obstacle = _find_closed(releases)
    if any(state.pending for state in states[1:]):
        obstacle = obstacle or Evidence(releases).find_obstacle()
    if obstacle:
        raise Refused(
            f"The release could not be recorded: {obstacle}.",
            untouched="No database was touched.",
            next="Fix that, and try again. What a newer migrations_ops wrote needs that version.",
        )


def _find_closed(releases: Path) -> str:
    """Why no record can be written, as far as can be checked; else empty."""
    folder = nearest_folder(releases)
    if not folder.is_dir():
        return f"{folder} is {what_else(folder) or 'a file'}, not a folder"
    return "" if os.access(folder, os.W_OK) else f"{folder} may not be written"
