"""What the configuration sets: its keys, their kinds, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.thresholds import Thresholds
from migrations_ops.project.config_file import (
    OWN_FILE,
    PYPROJECT,
    alembic_file,
    find_file,
    makes_a_task,
    read_table,
)
from migrations_ops.project.environments import (
    Command,
    Environment,
    UrlFromCommand,
    UrlFromFile,
    UrlFromVariable,
    UrlSource,
)
from migrations_ops.project.hooks import Hooks, read_hooks
from migrations_ops.project.toml_table import (
    ANY,
    COUNT,
    COUNT_FROM_ONE,
    FLAG,
    FUNCTION,
    NAMES,
    SECONDS,
    SELECTOR,
    TABLE,
    TEXT,
    TEXTS,
    VARIABLES,
    Check,
    Table,
    anchored,
    are_texts,
    is_text,
    is_variable,
    nearest,
)


@dataclass(frozen=True)
class Settings:
    """What the configuration says. ``path`` is the promotion path, in order; paths are absolute.

    ``keep`` counts the verified backups kept for each environment, and ``keep_days`` the days for
    which older ones are kept as well; ``wait`` is how many seconds a task waits for another release
    before it ends with exit code 5.
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
    hooks: Hooks = field(default_factory=Hooks)
    # The last revision that lint passes over; empty for none.
    lint_after: str = ""
    lint_thresholds: Thresholds = field(default_factory=Thresholds)

    @property
    def root(self) -> Path:
        """The folder that relative paths of the configuration start from."""
        return self.file.parent

    @property
    def last(self) -> Environment:
        """The last environment of the path: the one in production use."""
        return self.path[-1]

    @property
    def default(self) -> Environment:
        """The environment that a bare ``alembic`` reaches while the selector is unset."""
        by_name = {environment.name: environment for environment in self.path}
        return by_name.get("prod", self.last)

    def is_rehearsed(self, environment: Environment) -> bool:
        """Whether its upgrade is tried on a copy first: each but the first of the path, and the
        first as well if it is protected, as production alone is."""
        return environment is not self.path_of(environment)[0] or environment.protected

    def may_be_taken_back(self, environment: Environment) -> bool:
        """Whether ``--redo`` may take it back: nothing is served from it."""
        return not environment.protected and environment is not self.path_of(environment)[-1]

    def path_of(self, environment: Environment) -> tuple[Environment, ...]:
        """The environments with the same scripts: what passes there continues to this one."""
        return tuple(each for each in self.path if each.scripts == environment.scripts)

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
            next=f"Configured environments: {', '.join(names)}.",
        )

    def environments(self, name: str | None) -> tuple[Environment, ...]:
        """Only the environment of that name; without a name all of them.

        :raises ConfigurationError: there is no environment of that name.
        """
        return (self.environment(name),) if name else self.path

    def before(self, environment: Environment) -> tuple[Environment, ...]:
        """The environments that come before this one on the path."""
        path = self.path_of(environment)
        return path[: path.index(environment)]


def read(folder: Path) -> Settings:
    """Read the configuration of a project folder.

    :raises ConfigurationError: there is none, it is not TOML, or a key or value is invalid.
    """
    file = find_file(folder)
    if file is None:
        raise ConfigurationError(
            f"migrations_ops is not configured in {folder}.",
            next=f"Type: invoke init; or add [tool.migrations_ops.environments.NAME] tables to"
            f" {PYPROJECT}, or a file {OWN_FILE}.",
        )
    return _settings(file, read_table(file))


def _settings(file: Path, table: dict[str, Any]) -> Settings:
    reader = Table(file, "", table, _TOP_KEYS)
    environments = reader.value("environments", {})
    if not environments:
        raise ConfigurationError(
            f"{file.name} configures no environment.",
            next='Add a table such as [tool.migrations_ops.environments.prod] with url = "..."',
        )
    path = [_environment(file, name, entry) for name, entry in environments.items()]
    ini = reader.path("alembic", alembic_file(file.parent))
    path = _with_scripts(path, ini)
    # The last of a path is protected, unless it is configured otherwise.
    last_of = {each.scripts: each.name for each in path}
    path = [
        replace(each, protected=each.name == last_of[each.scripts])
        if "protected" not in environments[each.name]
        else each
        for each in path
    ]
    backups = reader.path("backups", "data/repom/backups")
    return Settings(
        file=file,
        alembic=ini,
        # child/plugin.py has the same default: it cannot import this module.
        selector=reader.value("selector", "EXEC_ENV"),
        backups=backups,
        releases=backups.parent / "releases",
        keep=reader.value("keep", 10),
        keep_days=reader.value("keep_days", 0),
        wait=float(reader.value("wait", 10)),
        path=tuple(path),
        lint_after=reader.value("lint_after", ""),
        lint_thresholds=_thresholds(file, reader.value("lint_thresholds", {})),
        hooks=read_hooks(file, reader.value("hooks", {})),
    )


def _thresholds(file: Path, table: dict[str, Any]) -> Thresholds:
    reader = Table(file, "lint_thresholds", table, _THRESHOLD_KEYS)
    return Thresholds(**{name: reader.value(name, None) for name in table})


def _with_scripts(path: list[Environment], ini: Path) -> list[Environment]:
    """Separate environments by script folder; while one folder is unknown, they form one path."""
    if len({(each.section, each.directory) for each in path}) == 1:
        return path
    from migrations_ops.revisions.location import name_scripts

    scripts = [name_scripts(ini, each.section, each.directory) for each in path]
    if not all(scripts):
        return path
    return [replace(each, scripts=name) for each, name in zip(path, scripts, strict=True)]


def _environment(file: Path, name: str, entry: Any) -> Environment:
    where = f"environments.{name}"
    if not makes_a_task(name):
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
        flask=reader.value("flask", None),
        python=None if python is None else anchored(file.parent, python),
        passed_variables=reader.texts("pass"),
        version_table=reader.value("version_table", "alembic_version"),
        version_table_schema=reader.value("version_table_schema", None),
        lock_timeout=reader.value("lock_timeout", None),
        statement_timeout=reader.value("statement_timeout", None),
        inspect_url=_url(file, where, entry["inspect_url"]) if "inspect_url" in entry else None,
        scratch_url=_url(file, where, entry["scratch_url"]) if "scratch_url" in entry else None,
        engine_untested=reader.value("engine_untested", False),
        connect=reader.value("connect", None),
        commands=_commands(file, where, entry.get("commands", [])),
        target=reader.value("target", "head"),
        heads=reader.texts("heads"),
        drift=reader.choice("drift", "warn", ("off", "warn", "strict")),
        allow=reader.texts("allow"),
        timeout=reader.value("timeout", None),
        protected=reader.value("protected", False),
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
            f"commands of {where} in {file.name} has {{url}} in an argument, where every user of"
            " this machine could read it.",
            next='Pass it in a variable: variables = { NAME = "{url}" }',
        )
    return tuple(commands)


def _all_codes(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, int) for value in values)


_TOP_KEYS: Mapping[str, Check] = {
    "alembic": TEXT,
    "selector": SELECTOR,
    "backups": TEXT,
    "keep": COUNT_FROM_ONE,
    "keep_days": COUNT,
    "wait": SECONDS,
    "lint_after": TEXT,
    "lint_thresholds": TABLE,
    "hooks": TABLE,
    "environments": TABLE,
}
_THRESHOLD_KEYS: Mapping[str, Check] = {
    name: COUNT if name.startswith("rows") else SECONDS for name in Thresholds.__slots__
}
_ENVIRONMENT_KEYS: Mapping[str, Check] = {
    "url": ANY,
    "inspect_url": ANY,
    "scratch_url": ANY,
    "engine_untested": FLAG,
    "connect": FUNCTION,
    "commands": ANY,
    "directory": TEXT,
    "variables": VARIABLES,
    "x": TEXTS,
    "section": TEXT,
    "ini_url": FLAG,
    "flask": TEXT,
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
