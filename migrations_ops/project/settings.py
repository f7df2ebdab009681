"""The configuration: ``[tool.migrations_ops]`` in pyproject.toml, or a file migrations_ops.toml."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.environments import (
    Command,
    Environment,
    UrlFromCommand,
    UrlFromFile,
    UrlFromVariable,
    UrlSource,
)
from migrations_ops.project.settings_schema import (
    ANY,
    COUNT,
    COUNT_FROM_ONE,
    FLAG,
    NAMES,
    SECONDS,
    TABLE,
    TEXT,
    TEXTS,
    VARIABLE,
    VARIABLES,
    Check,
    Table,
    anchored,
    are_texts,
    is_text,
    is_variable,
    nearest,
)

OWN_FILE = "migrations_ops.toml"
PYPROJECT = "pyproject.toml"


@dataclass(frozen=True)
class Settings:
    """What the configuration says. ``path`` is the promotion path, in order; paths are absolute.

    ``keep`` counts the verified backups kept for each environment, and ``keep_days`` the days
    for which those beyond that number are kept as well; ``wait`` is how many seconds a task
    waits for another release before it leaves with exit code 5.
    """

    file: Path
    alembic: Path
    selector: str
    backups: Path
    releases: Path
    keep: int
    keep_days: int
    wait: float
    path: tuple[Environment, ...]

    @property
    def root(self) -> Path:
        """The folder that relative paths of the configuration start from."""
        return self.file.parent

    @property
    def last(self) -> Environment:
        """The last environment of the path: the one that users are served from."""
        return self.path[-1]

    @property
    def default(self) -> Environment:
        """The environment that a bare ``alembic`` reaches while the selector is unset."""
        by_name = {environment.name: environment for environment in self.path}
        return by_name.get("prod", self.last)

    def environment(self, name: str) -> Environment:
        """The environment of that name.

        :raises ConfigurationError: there is none; the nearest name is suggested.
        """
        for environment in self.path:
            if environment.name == name:
                return environment
        names = [environment.name for environment in self.path]
        raise ConfigurationError(
            f"There is no environment {name!r} in {self.file.name}{nearest(name, names)}",
            next=f"Configured are: {', '.join(names)}.",
        )

    def before(self, environment: Environment) -> tuple[Environment, ...]:
        """The environments that come before this one on the path."""
        return self.path[: self.path.index(environment)]


def find_file(folder: Path) -> Path | None:
    """The configuration file of a project folder, or None where nothing configures the tool."""
    own = folder / OWN_FILE
    if own.is_file():
        return own
    pyproject = folder / PYPROJECT
    try:
        configured = b"tool.migrations_ops" in pyproject.read_bytes()
    except OSError:
        # One that is there and cannot be read is said to be so by whoever reads it.
        configured = pyproject.is_file()
    return pyproject if configured else None


def read(folder: Path) -> Settings:
    """Read the configuration of a project folder.

    :raises ConfigurationError: there is none, it is no TOML, or a key or value is not understood.
    """
    file = find_file(folder)
    if file is None:
        raise ConfigurationError(
            f"Nothing configures migrations_ops in {folder}.",
            next=f"Add [tool.migrations_ops.environments.NAME] tables to {PYPROJECT},"
            f" or a file {OWN_FILE}.",
        )
    return _settings(file, read_table(file))


def read_table(file: Path) -> dict[str, Any]:
    """The tool's table of a configuration file, unchecked.

    :raises ConfigurationError: the file cannot be read, is no TOML, or has no such table.
    """
    import tomllib

    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}.", next="See to its rights and try again."
        ) from None
    except (ValueError, RecursionError) as error:  # a number too long, a list too deep
        raise ConfigurationError(
            f"{file.name} is not valid TOML: {error}.", next=f"Mend {file} and try again."
        ) from None
    if file.name == PYPROJECT or "tool" in table:
        for name in ("tool", "migrations_ops"):
            table = table.get(name, {})
            if not isinstance(table, dict):
                raise ConfigurationError(
                    f"{name} in {file.name} must be a table.",
                    next=f"Mend {file} and try again.",
                )
    return table


def _settings(file: Path, table: dict[str, Any]) -> Settings:
    reader = Table(file, "", table, _TOP_KEYS)
    environments = reader.value("environments", {})
    if not environments:
        raise ConfigurationError(
            f"{file.name} configures no environment.",
            next='Add a table such as [tool.migrations_ops.environments.prod] with url = "..."',
        )
    last = next(reversed(environments))
    path = tuple(
        _environment(file, name, entry, protected=name == last)
        for name, entry in environments.items()
    )
    backups = reader.path("backups", "data/repom/backups")
    return Settings(
        file=file,
        alembic=reader.path("alembic", "alembic.ini"),
        selector=reader.value("selector", "EXEC_ENV"),
        backups=backups,
        releases=backups.parent / "releases",
        keep=reader.value("keep", 10),
        keep_days=reader.value("keep_days", 0),
        wait=float(reader.value("wait", 10)),
        path=path,
    )


def _environment(file: Path, name: str, entry: Any, *, protected: bool) -> Environment:
    where = f"environments.{name}"
    if not _makes_a_task(name):
        raise ConfigurationError(
            f"The environment name {name!r} in {file.name} would not make a task name.",
            next="Use letters, digits, - and _.",
        )
    if not isinstance(entry, dict):
        raise ConfigurationError(
            f"{where} in {file.name} must be a table.",
            next=f'Write [tool.migrations_ops.{where}] with url = "sqlite:///..." below it.',
        )
    reader = Table(file, where, entry, _ENVIRONMENT_KEYS)
    if "url" not in entry:
        raise ConfigurationError(
            f"{where} in {file.name} has no url.",
            next='Add url = "sqlite:///..." or url = { variable = "NAME" }.',
        )
    python = reader.value("python", None)
    return Environment(
        name=name,
        url=_url(file, where, entry["url"]),
        directory=reader.path("directory", "."),
        variables=reader.strings("variables"),
        x=reader.texts("x"),
        section=reader.value("section", "alembic"),
        ini_url=reader.value("ini_url", False),
        python=None if python is None else anchored(file.parent, python),
        passed=reader.texts("pass"),
        version_table=reader.value("version_table", "alembic_version"),
        version_table_schema=reader.value("version_table_schema", None),
        lock_timeout=reader.value("lock_timeout", None),
        statement_timeout=reader.value("statement_timeout", None),
        inspect_url=_url(file, where, entry["inspect_url"]) if "inspect_url" in entry else None,
        scratch_url=_url(file, where, entry["scratch_url"]) if "scratch_url" in entry else None,
        engine_untested=reader.value("engine_untested", False),
        commands=_commands(file, where, entry.get("commands", [])),
        target=reader.value("target", "head"),
        heads=reader.texts("heads"),
        drift=reader.choice("drift", "warn", ("off", "warn", "strict")),
        allow=reader.texts("allow"),
        timeout=reader.value("timeout", None),
        protected=reader.value("protected", protected),
        ask=reader.value("ask", False),
    )


def _url(file: Path, where: str, value: Any) -> UrlSource:
    match value:
        case str() if is_text(value) and value.strip():
            return value
        case {"variable": variable} if len(value) == 1 and is_variable(variable):
            return UrlFromVariable(variable)
        case {"file": str() as name, "key": str() as key} if len(value) == 2 and is_text(name):
            return UrlFromFile(anchored(file.parent, name), key)
        case {"command": [*argv]} if len(value) == 1 and argv and are_texts(argv):
            return UrlFromCommand(tuple(argv))
    raise ConfigurationError(
        f"The url of {where} in {file.name} is not understood.",
        next='Write "sqlite:///FILE", { variable = "NAME" }, { file = "F", key = "a.b" }'
        ' or { command = ["...", "..."] }.',
    )


def _makes_a_task(name: str) -> bool:
    return name.replace("_", "").replace("-", "").isalnum() and not name.startswith("-")


def _commands(file: Path, where: str, value: Any) -> tuple[Command, ...]:
    commands = []
    for entry in value if isinstance(value, list) else [value]:
        match entry:
            case {"argv": [*argv], **rest} if argv and are_texts(argv):
                success: Any = rest.get("success", [0])
                if set(rest) <= {"success"} and _all_codes(success):
                    commands.append(Command(tuple(argv), tuple(success)))
                    continue
            case [*argv] if argv and are_texts(argv):
                commands.append(Command(tuple(argv)))
                continue
        raise ConfigurationError(
            f"commands of {where} in {file.name} is not understood.",
            next='Write commands = [["prog", "arg"], { argv = ["prog"], success = [0, 2] }].',
        )
    if any("{url}" in part for command in commands for part in command.argv):
        raise ConfigurationError(
            f"commands of {where} in {file.name} has {{url}} in an argument, where everybody on"
            " this machine could read it.",
            next='Hand it over by a variable: variables = { NAME = "{url}" }',
        )
    return tuple(commands)


def resolve_url(source: UrlSource, environment: Environment, root: Path) -> str:
    """The URL as text; a relative SQLite path is made absolute from the configuration's folder.

    :raises ConfigurationError: the variable, key or command yields nothing.
    """
    if isinstance(source, str):
        url = source.strip()
    elif isinstance(source, UrlFromVariable):
        url = os.environ.get(source.variable, "").strip()
        if not url:
            state = "empty" if source.variable in os.environ else "not set"
            raise ConfigurationError(
                f"The variable {source.variable}, which holds the URL of {environment.name},"
                f" is {state}.",
                next=f"Set {source.variable} and try again.",
            )
    elif isinstance(source, UrlFromFile):
        from migrations_ops.project.urls import url_from_file

        url = url_from_file(source, environment)
    else:
        from migrations_ops.project.urls import url_from_command

        url = url_from_command(source, environment, root)
    if any(character < " " for character in url):
        raise ConfigurationError(
            f"The URL of {environment.name} holds a control character, a line break for instance.",
            next=f"Check environments.{environment.name}.url, and where it leads.",
        )
    return _absolute_sqlite(url, root)


def _absolute_sqlite(url: str, root: Path) -> str:
    """A step runs in the environment's directory, which may not be the configuration's."""
    scheme, mark, rest = url.partition(":///")
    if not mark or scheme.partition("+")[0] != "sqlite":
        return url
    file, question, query = rest.partition("?")
    if not file or file == ":memory:" or file.startswith("file:"):
        return url
    # SQLAlchemy 2.1 takes %20 in the path for a blank: the folder's own signs must survive that.
    folder = re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", str(root)).replace("?", "%3F")
    return f"{scheme}:///{anchored(Path(folder), file).as_posix()}{question}{query}"


def _all_codes(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, int) for value in values)


_TOP_KEYS: Mapping[str, Check] = {
    "alembic": TEXT,
    "selector": VARIABLE,
    "backups": TEXT,
    "keep": COUNT_FROM_ONE,
    "keep_days": COUNT,
    "wait": SECONDS,
    "environments": TABLE,
}
_ENVIRONMENT_KEYS: Mapping[str, Check] = {
    "url": ANY,
    "inspect_url": ANY,
    "scratch_url": ANY,
    "engine_untested": FLAG,
    "commands": ANY,
    "directory": TEXT,
    "variables": VARIABLES,
    "x": TEXTS,
    "section": TEXT,
    "ini_url": FLAG,
    "python": TEXT,
    "pass": NAMES,
    "version_table": TEXT,
    "version_table_schema": TEXT,
    "lock_timeout": SECONDS,
    "statement_timeout": SECONDS,
    "target": TEXT,
    "heads": TEXTS,
    "drift": TEXT,
    "allow": TEXTS,
    "timeout": SECONDS,
    "protected": FLAG,
    "ask": FLAG,
}


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
    return [name for name in names if _makes_a_task(name)]


def _names_in_broken_file(file: Path) -> list[str]:
    try:
        text = file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return []
    header = r"(?m)^\s*\[(?:tool\.migrations_ops\.)?environments\.[\"']?([\w-]+)[\"']?\]"
    return list(dict.fromkeys(re.findall(header, text)))


def running_python() -> Path:
    """The interpreter of this process: the real one, not a version manager's slow shim."""
    return Path(sys.executable)
