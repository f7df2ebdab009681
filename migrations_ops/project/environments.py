"""An environment: a named stage of the path, with one database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Drift = Literal["off", "warn", "strict"]


@dataclass(frozen=True, slots=True)
class UrlFromVariable:
    """The URL is in a variable of the caller's shell."""

    variable: str


@dataclass(frozen=True, slots=True)
class UrlFromFile:
    """The URL is under a key of a TOML, JSON, INI or ``.env`` file."""

    file: Path
    key: str


@dataclass(frozen=True, slots=True)
class UrlFromCommand:
    """The URL is the standard output of a command, a secret store's client for instance."""

    argv: tuple[str, ...]


UrlSource = str | UrlFromVariable | UrlFromFile | UrlFromCommand


@dataclass(frozen=True, slots=True)
class Command:
    """One argv that replaces Alembic's upgrade, and the exit codes that mean success."""

    argv: tuple[str, ...]
    success: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Environment:
    """One stage of the path, as configured.

    ``url`` is passed to env.py; ``inspect_url`` is what this tool reads, if different;
    ``scratch_url`` is a database of the server for copies, if different. ``allow`` names the
    findings that are accepted. Paths are absolute.
    """

    name: str
    url: UrlSource
    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    x: tuple[str, ...] = ()
    section: str = "alembic"
    # Which scripts it has, where the configuration names several; environments of the same scripts
    # are one path.
    scripts: str = ""
    ini_url: bool = False
    # The application in whose context env.py runs, as FLASK_APP names it.
    flask: str | None = None
    python: Path | None = None
    passed_variables: tuple[str, ...] = ()
    version_table: str = "alembic_version"
    version_table_schema: str | None = None
    lock_timeout: float | None = None
    statement_timeout: float | None = None
    inspect_url: UrlSource | None = None
    scratch_url: UrlSource | None = None
    engine_untested: bool = False
    # MODULE:FUNCTION, which gives a connection what the application's have.
    connect: str | None = None
    commands: tuple[Command, ...] = ()
    target: str = "head"
    heads: tuple[str, ...] = ()
    drift: Drift = "warn"
    allow: tuple[str, ...] = ()
    timeout: float | None = None
    protected: bool = False
    ask: bool = False

    @property
    def compares_models(self) -> bool:
        """Whether ``alembic check`` can compare the models with the database."""
        return self.drift != "off" and not self.commands
