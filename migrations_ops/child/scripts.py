"""The revisions as Alembic itself loads them, for scripts that must be executed to be read."""

from __future__ import annotations

from typing import Any

from .protocol.events import Events


def tell(config: Any, events: Events) -> None:
    """Load the scripts of a configuration and tell the parent what they form."""
    from alembic.script import ScriptDirectory

    directory = ScriptDirectory.from_config(config)
    revisions = [
        {
            "revision": script.revision,
            "down": _tuple(script.down_revision),
            "depends_on": _tuple(script.dependencies),
            # As written in the file: Script.branch_labels also holds the inherited ones.
            "labels": _tuple(getattr(script.module, "branch_labels", None)),
            "file": str(script.path),
            "message": script.doc,
        }
        for script in directory.walk_revisions("base", "heads")
    ]
    events.emit("scripts", revisions=revisions)


def _tuple(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
