"""The configuration: ``[tool.migrations_ops]`` in pyproject.toml, or a file migrations_ops.toml."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrations_ops.environments import (
    Command,
    Environment,
    UrlFromCommand,
    UrlFromFile,
    UrlFromVariable,
    UrlSource,
)
from migrations_ops.errors import ConfigurationError

OWN_FILE = "migrations_ops.toml"
PYPROJECT = "pyproject.toml"


@dataclass(frozen=True)
class Settings:
    """What the configuration says. ``path`` is the promotion path, in order; paths are absolute.

    ``keep`` counts the verified backups kept for each environment; ``wait`` is how many seconds
    a task waits for another release before it leaves with exit code 5.
    """

    file: Path
    alembic: Path
    selector: str
    backups: Path
    releases: Path
    keep: int
    wait: float
    path: tuple[Environment, ...]

    @property
    def root(self) -> Path:
        """The folder that relative paths of the configuration start from."""
        return self.file.parent

    @property
    def serving(self) -> Environment:
        """The last environment of the path: the one that the project serves from."""
        return self.path[-1]

    @property
    def default(self) -> Environment:
        """The environment that a bare ``alembic`` reaches while the selector is unset."""
        by_name = {environment.name: environment for environment in self.path}
        return by_name.get("prod", self.serving)

    def environment(self, name: str) -> Environment:
        """The environment of that name.

        :raises ConfigurationError: there is none; the nearest name is suggested.
        """
        for environment in self.path:
            if environment.name == name:
                return environment
        names = [environment.name for environment in self.path]
        raise ConfigurationError(
            f"There is no environment {name!r} in {self.file.name}{_nearest(name, names)}",
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
    if pyproject.is_file() and b"tool.migrations_ops" in pyproject.read_bytes():
        return pyproject
    return None


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

    :raises ConfigurationError: the file cannot be read or is no TOML.
    """
    import tomllib

    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file.name} is not valid TOML: {error}.", next=f"Mend {file} and try again."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from None
    table = document
    if file.name == PYPROJECT:
        table = document.get("tool", {}).get("migrations_ops", {})
    elif "tool" in document:
        table = document["tool"].get("migrations_ops", {})
    return table


def _settings(file: Path, table: dict[str, Any]) -> Settings:
    reader = _Table(file, "", table, _TOP_KEYS)
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
        keep=max(1, reader.value("keep", 10)),
        wait=float(reader.value("wait", 10)),
        path=path,
    )


def _environment(file: Path, name: str, entry: Any, *, protected: bool) -> Environment:
    where = f"environments.{name}"
    if not name.replace("_", "").replace("-", "").isalnum():
        raise ConfigurationError(
            f"The environment name {name!r} in {file.name} would not make a task name.",
            next="Use letters, digits, - and _.",
        )
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{where} in {file.name} is not a table.")
    reader = _Table(file, where, entry, _ENVIRONMENT_KEYS)
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
        python=None if python is None else _anchored(file.parent, python),
        passed=reader.texts("pass"),
        version_table=reader.value("version_table", "alembic_version"),
        version_table_schema=reader.value("version_table_schema", None),
        lock_timeout=reader.value("lock_timeout", None),
        statement_timeout=reader.value("statement_timeout", None),
        inspect_url=_url(file, where, entry["inspect_url"]) if "inspect_url" in entry else None,
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
        case str() if value:
            return value
        case {"variable": str() as variable} if len(value) == 1:
            return UrlFromVariable(variable)
        case {"file": str() as name, "key": str() as key} if len(value) == 2:
            return UrlFromFile(_anchored(file.parent, name), key)
        case {"command": [*argv]} if len(value) == 1 and argv and _all_texts(argv):
            return UrlFromCommand(tuple(argv))
    raise ConfigurationError(
        f"The url of {where} in {file.name} is not understood.",
        next='Write "sqlite:///FILE", { variable = "NAME" }, { file = "F", key = "a.b" }'
        ' or { command = ["...", "..."] }.',
    )


def _commands(file: Path, where: str, value: Any) -> tuple[Command, ...]:
    commands = []
    for entry in value if isinstance(value, list) else [value]:
        match entry:
            case {"argv": [*argv], **rest} if argv and _all_texts(argv):
                success: Any = rest.get("success", [0])
                if set(rest) <= {"success"} and _all_codes(success):
                    commands.append(Command(tuple(argv), tuple(success)))
                    continue
            case [*argv] if argv and _all_texts(argv):
                commands.append(Command(tuple(argv)))
                continue
        raise ConfigurationError(
            f"commands of {where} in {file.name} is not understood.",
            next='Write commands = [["prog", "arg"], { argv = ["prog"], success = [0, 2] }].',
        )
    return tuple(commands)


def resolve_url(source: UrlSource, environment: Environment, root: Path) -> str:
    """The URL as text; a relative SQLite path is made absolute from the configuration's folder.

    :raises ConfigurationError: the variable, key or command yields nothing.
    """
    if isinstance(source, str):
        url = source
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
        from migrations_ops.url_files import url_from_file

        url = url_from_file(source, environment)
    else:
        from migrations_ops.url_files import url_from_command

        url = url_from_command(source, environment, root)
    return _absolute_sqlite(url, root)


def _absolute_sqlite(url: str, root: Path) -> str:
    """A step runs in the environment's directory, which may not be the configuration's."""
    scheme, mark, rest = url.partition(":///")
    if not mark or scheme.partition("+")[0] != "sqlite":
        return url
    file, question, query = rest.partition("?")
    if not file or file == ":memory:" or file.startswith("file:"):
        return url
    return f"{scheme}:///{_anchored(root, file).as_posix()}{question}{query}"


def _anchored(root: Path, text: str) -> Path:
    # normpath, not resolve: a link that the user configured stays the name that is shown.
    return Path(os.path.normpath(root / Path(text).expanduser()))


def _all_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _all_codes(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, int) for value in values)


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "."


_Check = tuple[str, Callable[[Any], bool]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


_TEXT: _Check = ("a text", lambda value: isinstance(value, str) and bool(value))
_FLAG: _Check = ("true or false", lambda value: isinstance(value, bool))
_COUNT: _Check = ("a whole number", lambda value: _is_number(value) and isinstance(value, int))
_SECONDS: _Check = ("a number of seconds", _is_number)
_TEXTS: _Check = ("a list of texts", lambda value: isinstance(value, list) and _all_texts(value))
_TABLE: _Check = ("a table", lambda value: isinstance(value, dict))
_STRINGS: _Check = (
    "a table of texts",
    lambda value: isinstance(value, dict) and _all_texts(list(value.values())),
)
_ANY: _Check = ("anything", lambda _: True)

_TOP_KEYS: Mapping[str, _Check] = {
    "alembic": _TEXT,
    "selector": _TEXT,
    "backups": _TEXT,
    "keep": _COUNT,
    "wait": _SECONDS,
    "environments": _TABLE,
}
_ENVIRONMENT_KEYS: Mapping[str, _Check] = {
    "url": _ANY,
    "inspect_url": _ANY,
    "commands": _ANY,
    "directory": _TEXT,
    "variables": _STRINGS,
    "x": _TEXTS,
    "section": _TEXT,
    "ini_url": _FLAG,
    "python": _TEXT,
    "pass": _TEXTS,
    "version_table": _TEXT,
    "version_table_schema": _TEXT,
    "lock_timeout": _SECONDS,
    "statement_timeout": _SECONDS,
    "target": _TEXT,
    "heads": _TEXTS,
    "drift": _TEXT,
    "allow": _TEXTS,
    "timeout": _SECONDS,
    "protected": _FLAG,
    "ask": _FLAG,
}


class _Table:
    """One table of the configuration, its keys and the kinds of its values checked."""

    def __init__(
        self, file: Path, where: str, table: dict[str, Any], known: Mapping[str, _Check]
    ) -> None:
        self._file, self._where, self._table = file, where, table
        for key, value in table.items():
            if key not in known:
                raise ConfigurationError(
                    f"{self._name(key)} in {file.name} is not a key that migrations_ops knows"
                    f"{_nearest(key, list(known))}",
                    next=f"Mend {file} and try again.",
                )
            kind, fits = known[key]
            if not fits(value):
                raise ConfigurationError(
                    f"{self._name(key)} in {file.name} must be {kind}, not {value!r}.",
                    next=f"Mend {file} and try again.",
                )

    def _name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def value(self, key: str, default: Any) -> Any:
        return self._table.get(key, default)

    def path(self, key: str, default: str) -> Path:
        return _anchored(self._file.parent, self._table.get(key, default))

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._table.get(key, ()))

    def strings(self, key: str) -> dict[str, str]:
        return dict(self._table.get(key, {}))

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> Any:
        value = self._table.get(key, default)
        if value not in choices:
            raise ConfigurationError(
                f"{self._name(key)} in {self._file.name} is {value!r}"
                f"{_nearest(value, list(choices))}",
                next=f"It is one of: {', '.join(choices)}.",
            )
        return value


def environment_names(folder: Path) -> list[str]:
    """The names of the configured environments, as far as the file can be read.

    Task names are made from them before anything is checked, so that even with a broken
    configuration each task exists and can say what is wrong.
    """
    file = find_file(folder)
    if file is None:
        return []
    try:
        names = read_table(file).get("environments", {})
    except ConfigurationError:
        return _names_in_broken_file(file)
    return list(names) if isinstance(names, dict) else []


def _names_in_broken_file(file: Path) -> list[str]:
    import re

    text = file.read_bytes().decode("utf-8", "replace")
    return re.findall(r"(?m)^\s*\[(?:tool\.migrations_ops\.)?environments\.([\w-]+)\]", text)


def running_python() -> Path:
    """The interpreter of this process: the real one, not a version manager's slow shim."""
    return Path(sys.executable)
