"""A project: its settings, and each environment's database and revision history."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from migrations_ops.child.protocol.redaction import keep_secret_texts, keep_secrets_of_urls
from migrations_ops.databases.interface import Database
from migrations_ops.databases.open import open_database
from migrations_ops.model.errors import ConfigurationError, StepFailed
from migrations_ops.project import settings as configuration
from migrations_ops.project.config_file import find_project
from migrations_ops.project.environments import Environment, UrlSource
from migrations_ops.project.secrets import keep_configured_secrets
from migrations_ops.project.settings import Settings
from migrations_ops.project.urls import resolve_url
from migrations_ops.project.variables import step_variables
from migrations_ops.revisions.history import History

if TYPE_CHECKING:
    from migrations_ops.revisions.location import ScriptLocation


class Project:
    """The configuration and databases of a task; everything is read once, when first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._urls: dict[str, str] = {}
        self._databases: dict[str, Database] = {}
        self._histories: dict[tuple[str, Path, Path | None, tuple[str, ...]], History] = {}
        keep_configured_secrets(settings, os.environ)

    @classmethod
    def load(cls, path: str | Path = ".") -> Project:
        """The project that a folder belongs to: the nearest with a configuration, upward.

        :raises ConfigurationError: there is none, or its configuration cannot be read.
        """
        return cls.read(find_project(Path(path).resolve()))

    @classmethod
    def read(cls, folder: Path) -> Project:
        """:raises ConfigurationError: the configuration cannot be read."""
        return cls(configuration.read(folder))

    def url(self, environment: Environment) -> str:
        """The URL that is passed to env.py.

        :raises ConfigurationError: the configured source yields none.
        """
        if environment.name not in self._urls:
            self._urls[environment.name] = self._resolve(environment.url, environment)
        return self._urls[environment.name]

    def _resolve(self, source: UrlSource, environment: Environment) -> str:
        """A URL of an environment, whose password is hidden from now on wherever it appears."""
        url = resolve_url(source, environment, self.settings.root)
        keep_secrets_of_urls([url])
        if "://" not in url:
            keep_secret_texts([url])  # written wrongly, or no URL at all but its password
        return url

    def variables(self, environment: Environment) -> dict[str, str]:
        """The variables that each step of an environment gets.

        :raises ConfigurationError: a variable that the configuration names is missing or empty.
        """
        return step_variables(environment, self.settings.selector, self.url(environment))

    def database(self, environment: Environment) -> Database:
        """The database of an environment.

        :raises ConfigurationError: two environments share it, or no engine reads its URL.
        """
        if environment.name not in self._databases:
            scratch = environment.scratch_url
            root = self.settings.root
            database = open_database(
                self._url_to_read(environment),
                root,
                environment.version_table_schema,
                None if scratch is None else self._resolve(scratch, environment),
            )
            if environment.connect is not None:
                from migrations_ops.project.connect_function import with_connect_function

                database = with_connect_function(database, environment, root)
            for name, other in self._databases.items():
                if database.same_as(other):
                    self._require_shareable(environment, self.settings.environment(name), other)
                    # One lock, and one set of copies.
                    database = other
                    break
            self._databases[environment.name] = database
        return self._databases[environment.name]

    def _require_shareable(
        self, environment: Environment, other: Environment, database: Database
    ) -> None:
        """Two sets of scripts may share a database if each has its own version table."""
        shared = f"{other.name} and {environment.name} are the same database, {database.label}"
        is_one_path = environment.scripts == other.scripts
        if is_one_path or environment.version_table_schema != other.version_table_schema:
            raise ConfigurationError(
                f"{shared}.", next="Give each environment a database of its own."
            )
        if environment.version_table == other.version_table:
            raise ConfigurationError(
                f"{shared}, and their scripts would share the table {other.version_table}.",
                next="Give each a version table of its own: version_table, in env.py and here.",
            )

    def opened_databases(self) -> list[Database]:
        """The databases that have been opened so far."""
        return [*self._databases.values()]

    def _url_to_read(self, environment: Environment) -> str:
        source = environment.inspect_url
        return self.url(environment) if source is None else self._resolve(source, environment)

    def knows_url(self, environment: Environment) -> bool:
        """Whether the URL of an environment is available on this machine.

        A developer's machine upgrades dev without the secret of production.
        """
        try:
            return bool(self._url_to_read(environment))
        except ConfigurationError:
            return False

    def other_identities(self, environment: Environment) -> dict[str, str]:
        """The identities of the other environments' databases, which the child must not open.

        :raises ConfigurationError: one of them is the database of this environment.
        """
        self.database(environment)
        found = {}
        for other in self.settings.path:
            if other is not environment and self.knows_url(other):
                if self.database(other) is self.database(environment):
                    continue
                # A server that cannot be reached from here cannot be reached by a step either.
                with suppress(StepFailed):
                    found[other.name] = self.database(other).identity()
        return found

    def require_startable(self, environment: Environment) -> None:
        """Make sure that steps of an environment can be started, before anything is done for them.

        :raises ConfigurationError: a variable is missing, or its database is that of another
            environment too.
        """
        self.variables(environment)
        self.other_identities(environment)

    def history(self, environment: Environment) -> History:
        """The revision scripts, read directly; by Alembic itself where they must be executed.

        :raises OpsError: they cannot be read, or contradict each other.
        """
        heads = _stated_heads(environment)
        key = (environment.section, environment.directory, environment.python, heads)
        if key not in self._histories:
            self._histories[key] = (
                self._read_stated(environment, heads) if heads else self._read_history(environment)
            )
        return self._histories[key]

    def _read_stated(self, environment: Environment, heads: tuple[str, ...]) -> History:
        """The history of the scripts if it contains the stated heads; else a StatedHistory."""
        from migrations_ops.revisions.stated_history import StatedHistory

        with suppress(ConfigurationError):
            history = self._read_history(environment)
            if not history.unknown(heads):
                return history
        return StatedHistory.stating(heads)

    def _read_history(self, environment: Environment) -> History:
        from migrations_ops.revisions.errors import ComputedRevision

        try:
            return self.read_sources(environment)
        except ComputedRevision:
            from migrations_ops.project.executed_history import read_executed_history

            return read_executed_history(self, environment)

    def read_sources(self, environment: Environment) -> History:
        """The revision scripts as their sources have them, without running one.

        :raises ComputedRevision: one has to run to tell who it is.
        :raises OpsError: they cannot be read, or contradict each other.
        """
        from migrations_ops.revisions.loader import read_history

        location = self.script_location(environment)
        return read_history(location, self.settings.releases / ".scripts.json")

    def script_location(self, environment: Environment) -> ScriptLocation:
        """Where the scripts of an environment are.

        :raises ConfigurationError: the configuration of Alembic does not lead to scripts.
        """
        from migrations_ops.revisions.location import find_scripts

        ini = self.settings.alembic
        if not ini.is_file():
            raise ConfigurationError(
                f"There is no {ini.name} in {ini.parent}.",
                next=f'Check alembic = "..." in {self.settings.file.name}.',
            )
        if not environment.directory.is_dir():
            raise ConfigurationError(
                f"The directory of {environment.name}, {environment.directory}, does not exist.",
                next=f"Check environments.{environment.name}.directory.",
            )
        return find_scripts(
            ini,
            environment.section,
            directory=environment.directory,
            find_package=self._finder(environment),
        )

    def _finder(self, environment: Environment) -> Callable[[str], Path | None] | None:
        """Finds packages for an environment with its own interpreter; else None."""
        python = environment.python
        if python is None:
            return None

        def find(top: str) -> Path | None:
            from migrations_ops.project.interpreters import find_package

            return find_package(python, top, self.variables(environment), environment.directory)

        return find


def _stated_heads(environment: Environment) -> tuple[str, ...]:
    """The heads that the configuration states, for commands that find their scripts themselves."""
    if not environment.commands:
        return ()
    named = environment.target not in ("head", "heads") and "@" not in environment.target
    return environment.heads or ((environment.target,) if named else ())
