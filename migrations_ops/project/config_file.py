"""The configuration file: ``[tool.migrations_ops]`` in pyproject.toml, or migrations_ops.toml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.system.reading import read_bytes, read_toml

OWN_FILE = "migrations_ops.toml"
PYPROJECT = "pyproject.toml"
ALEMBIC_INI = "alembic.ini"


def find_file(folder: Path) -> Path | None:
    """The configuration file of a project folder, or None if there is none."""
    own = folder / OWN_FILE
    if own.is_file():
        return own
    pyproject = folder / PYPROJECT
    try:
        configured = b"tool.migrations_ops" in read_bytes(pyproject)
    except OSError:
        # A file that cannot be read counts: reading it raises the error that says so.
        configured = pyproject.is_file()
    return pyproject if configured else None


def find_project(directory: Path) -> Path:
    """The folder of the project that a directory belongs to: the nearest with a configuration,
    upward as Invoke looks for a tasks.py; without one, the directory itself."""
    upward = (directory, *directory.parents)
    return next((folder for folder in upward if find_file(folder) is not None), directory)


def read_table(file: Path) -> dict[str, Any]:
    """The tool's table of a configuration file, unchecked.

    :raises ConfigurationError: the file cannot be read, is not TOML, or has no such table.
    """
    try:
        table = read_toml(file)
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}.", next=f"Check {file}, and try again."
        ) from None
    except ValueError as error:
        raise ConfigurationError(
            f"{file.name} is not valid TOML: {error}.", next=f"Fix {file} and try again."
        ) from None
    if file.name == PYPROJECT or "tool" in table:
        for name in ("tool", "migrations_ops"):
            table = table.get(name, {})
            if not isinstance(table, dict):
                raise ConfigurationError(
                    f"{name} in {file.name} must be a table.",
                    next=f"Fix {file} and try again.",
                )
    return table


def alembic_file(folder: Path) -> str:
    """The default path of Alembic's own configuration, as Alembic finds it.

    It reads ``[tool.alembic]`` of pyproject.toml also where there is no alembic.ini
    (https://alembic.sqlalchemy.org/en/latest/tutorial.html#using-pyproject-toml-for-configuration).
    """
    pyproject = folder / PYPROJECT
    if (folder / ALEMBIC_INI).exists() or not pyproject.is_file():
        return ALEMBIC_INI
    try:
        return PYPROJECT if b"[tool.alembic]" in read_bytes(pyproject) else ALEMBIC_INI
    except OSError:
        return ALEMBIC_INI


def environment_names(folder: Path) -> list[str]:
    """The names of the configured environments, as far as the file can be read.

    Task names are made from them before anything is checked, so that even with a broken
    configuration each task exists and can say what is wrong.
    """
    file = find_file(folder)
    if file is None:
        return []
    try:
        table = read_table(file).get("environments")
        names = list(table) if isinstance(table, dict) else []
    except ConfigurationError:
        names = _names_in_broken_file(file)
    return [name for name in names if makes_a_task(name)]


def _names_in_broken_file(file: Path) -> list[str]:
    try:
        text = read_bytes(file).decode("utf-8", "replace")
    except OSError:
        return []
    header = r"(?m)^\s*\[(?:tool\.migrations_ops\.)?environments\.[\"']?([\w-]+)[\"']?\]"
    return list(dict.fromkeys(re.findall(header, text)))


def makes_a_task(name: str) -> bool:
    """Whether the name of an environment can be part of a task name."""
    return name.replace("_", "").replace("-", "").isalnum() and not name.startswith("-")
