"""Finds the project's function that gives a connection what those of the application have."""

from __future__ import annotations

import importlib
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from migrations_ops.databases.interface import ConnectsLikeTheApplication, Database
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.environments import Environment


def with_connect_function(database: Database, environment: Environment, root: Path) -> Database:
    """The database, on each connection of which the environment's function is called.

    :raises ConfigurationError: it is no database of SQLite, or the function cannot be imported.
    """
    name = environment.connect or ""
    key = f"connect of environments.{environment.name}"
    if not isinstance(database, ConnectsLikeTheApplication):
        raise ConfigurationError(
            f"{key} is for SQLite, and {database.label} is no file of SQLite.",
            next="Remove that key from the configuration.",
        )
    return database.with_connect(name, _find(name, key, (environment.directory, root)))


def _find(name: str, key: str, folders: tuple[Path, ...]) -> Any:
    # They stay there: the function may import more when it is called.
    sys.path[:0] = [str(each) for each in folders if str(each) not in sys.path]
    module, _, function = name.partition(":")
    try:
        # What a module prints when it is imported is none of a task's output.
        with redirect_stdout(sys.stderr):
            found = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise ConfigurationError(
            f"{key}, {name}, cannot be imported: {type(error).__name__}: {error}.",
            next="It is MODULE:FUNCTION, imported by the interpreter that runs Invoke"
            f" ({sys.executable}).",
        ) from error
    if not callable(found):
        raise ConfigurationError(
            f"{key}, {name}, is not a function.", next="Name the function that takes a connection."
        )
    return found
