"""Release the databases of an Alembic project: backed up, rehearsed, proved, recorded.

The public API is documented in docs/api.md. It is loaded when it is used: a bare ``alembic``
imports this package for its plugin, and a task for its own modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migrations_ops.model.errors import ExitCode, OpsError
    from migrations_ops.operations.api import backup, plan, release, restore, status, verify
    from migrations_ops.project.project import Project

__version__ = "0.1.0"
__all__ = [
    "ExitCode", "OpsError", "Project", "backup", "plan", "release", "restore", "status", "verify",
]  # fmt: skip

_HOMES = {"ExitCode": "model.errors", "OpsError": "model.errors", "Project": "project.project"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = _HOMES.get(name, "operations.api")
    return getattr(import_module(f"{__name__}.{home}"), name)
