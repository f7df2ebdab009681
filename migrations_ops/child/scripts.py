"""The revisions as Alembic itself loads them, for scripts that must be executed to be read."""

from __future__ import annotations

from typing import Any

from .channel import Events
from .protocol.events import ScriptFound


def report_scripts(config: Any, events: Events) -> None:
    """Load the scripts of a configuration and report each of them."""
    from alembic.script import ScriptDirectory

    for script in ScriptDirectory.from_config(config).walk_revisions("base", "heads"):
        events.emit(
            ScriptFound(
                revision=script.revision,
                down=_tuple(script.down_revision),
                depends_on=_tuple(script.dependencies),
                # As written in the file: Script.branch_labels also holds the inherited ones.
                labels=_tuple(getattr(script.module, "branch_labels", None)),
                file=str(script.path),
                doc=script.doc,
            )
        )


def _tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
