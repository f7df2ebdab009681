"""Where a project keeps its revision scripts: alembic.ini and pyproject.toml, read as Alembic does.

Nothing of the project is executed: a location ``package:folder`` is looked up, not imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.system.reading import read_bytes, read_toml, what_else

if TYPE_CHECKING:
    from configparser import ConfigParser

FindPackage = Callable[[str], Path | None]

_PYPROJECT = "pyproject.toml"
# Of a message that quotes a file.
_SHOWN = 300
_ADVICE = 'Check "alembic" in [tool.migrations_ops].'


@dataclass(frozen=True)
class ScriptLocation:
    """The folders with revision scripts, how they are searched, and the env.py beside them.

    ``recursive`` takes in folders below them; ``sourceless`` takes compiled files where the source
    is missing. A folder of ``folders`` may be missing where Alembic accepts that: git keeps no
    empty ``versions``.
    """

    folders: tuple[Path, ...]
    recursive: bool = False
    sourceless: bool = False
    env: Path | None = field(default=None, compare=False)


def find_scripts(
    ini: Path,
    section: str = "alembic",
    *,
    directory: Path,
    find_package: FindPackage | None = None,
) -> ScriptLocation:
    """The location of the scripts that ``alembic -c INI -n SECTION`` uses in that directory.

    :param ini: the ini file, or a pyproject.toml with ``[tool.alembic]``; relative to the
        directory. Beside an ini, the directory's pyproject.toml gives what the ini leaves out.
    :param section: the section of the ini.
    :param directory: the working directory, from which Alembic resolves relative locations.
    :param find_package: the folder of a top-level package, None where there is none; the default
        looks among the packages of this interpreter, without importing one.
    :raises ConfigurationError: a file, section, key, package or folder is missing or malformed.
    """
    directory = directory.absolute()
    return _Config(directory / ini, section, directory, find_package).script_location()


def name_scripts(ini: Path, section: str, directory: Path) -> str:
    """What tells the scripts of one section from those of another, without looking for them; empty
    where it cannot be read."""
    directory = directory.absolute()
    try:
        config = _Config(directory / ini, section, directory, None)
        script_location = config.text("script_location")
        if script_location is None and has_scripts_beside(config.file):
            script_location = str(config.file.parent)
        versions = config.ini_text("version_locations") or ""
    except ConfigurationError:
        return ""
    if not script_location:
        return ""
    is_package = ":" in script_location and not os.path.isabs(script_location)
    return os.path.normpath(script_location if is_package else directory / script_location) + (
        f"\n{directory}\n{versions}" if versions else ""
    )


_OF_LOGGING = ("logger", "handler", "formatter", "post_write_hooks")


def sections_with_scripts(ini: Path) -> dict[str, str]:
    """The sections of an ini that have scripts, each with the ``sqlalchemy.url`` that it has.

    :raises ConfigurationError: it cannot be read.
    """
    from configparser import InterpolationError

    parser = _read_ini(ini)
    found = {}
    for name in parser.sections():
        is_first = name == "alembic" and has_scripts_beside(ini)
        if name.startswith(_OF_LOGGING) or not (
            is_first or parser.has_option(name, "script_location")
        ):
            continue
        try:
            found[name] = parser.get(name, "sqlalchemy.url", fallback="")
        except InterpolationError:
            found[name] = ""
    return found


def has_scripts_beside(ini: Path) -> bool:
    """Whether the scripts of an ini that names none are beside it, as in Flask-Migrate's folder."""
    return ini.name != _PYPROJECT and os.path.isfile(ini.parent / "env.py")


class _Config:
    """The two files as one set of options, the ini first."""

    def __init__(
        self, file: Path, section: str, directory: Path, find_package: FindPackage | None
    ) -> None:
        self.file = file
        self.section = section
        self.directory = directory
        self.find_package = find_package
        is_toml = file.name == _PYPROJECT
        self.toml_file = file if is_toml else directory / _PYPROJECT
        self.toml = _alembic_table(self.toml_file)
        if not os.path.isfile(file):
            # Alembic would continue with pyproject.toml only; a mistyped name is reported instead.
            toml_would_do = "script_location" in self.toml
            hint = f' Or set alembic = "{_PYPROJECT}" there.' if toml_would_do else ""
            raise ConfigurationError(f"There is no file {file}.", next=_ADVICE + hint)
        self.ini = _read_ini(directory / "alembic.ini" if is_toml else file)

    def script_location(self) -> ScriptLocation:
        location = self.text("script_location")
        if location is not None:
            script_folder = self.folder(location)
        elif has_scripts_beside(self.file):
            script_folder = self.file.parent
        else:
            raise self.nothing_configured()
        if not os.path.exists(script_folder):
            raise ConfigurationError(
                f"The script folder {script_folder} of {self.file.name} does not exist.",
                next=f"{_ADVICE} Relative locations start from {self.directory}.",
            )
        env = script_folder / "env.py"
        if os.path.lexists(env) and not os.path.isfile(env):
            # Alembic would wait for a FIFO, and read a device without end.
            raise ConfigurationError(
                f"{env} is {what_else(env) or 'not a regular file'}.", next="Bring env.py back."
            )
        return ScriptLocation(
            folders=self.version_folders() or (script_folder / "versions",),
            recursive=self.flag("recursive_version_locations"),
            sourceless=self.flag("sourceless"),
            env=env,
        )

    def nothing_configured(self) -> ConfigurationError:
        if self.file != self.toml_file and not self.ini.has_section(self.section):
            known = ", ".join(f"[{name}]" for name in self.ini.sections()) or "none"
            return ConfigurationError(
                f"{self.file} has no section [{self.section}]; it has {known}.",
                next=f'{_ADVICE} A section of another name is set as "section".',
            )
        return ConfigurationError(f"{self.file} sets no script_location.", next=_ADVICE)

    def version_folders(self) -> tuple[Path, ...]:
        """The configured version folders; () where none is configured."""
        written = self.ini_text("version_locations")
        if written:
            separator = self.separator("path_separator", "version_path_separator")
            names = _split(written, separator, r", *|(?: +)")
        else:
            names = self.toml_value("version_locations", list) or []
        folders = tuple(self.folder(name) for name in names)
        if folders and not any(os.path.exists(folder) for folder in folders):
            # Alembic treats this as an empty history, and would silently release nothing.
            raise ConfigurationError(
                f"No folder of version_locations in {self.file.name} exists: {folders[0]}",
                next=f"If there are no revisions yet, create it; git keeps no empty folder. Else:"
                f" {_ADVICE} Relative locations start from {self.directory}.",
            )
        return folders

    def text(self, name: str) -> str | None:
        written = self.ini_text(name)
        return self.toml_value(name, str) if written is None else written

    def flag(self, name: str) -> bool:
        written = self.ini_text(name)
        return bool(self.toml_value(name, bool)) if written is None else written == "true"

    def ini_text(self, name: str) -> str | None:
        from configparser import InterpolationError

        if not self.ini.has_option(self.section, name):
            return None
        try:
            return self.ini.get(self.section, name)
        except InterpolationError as error:
            raise ConfigurationError(
                f"{name} in {self.file} cannot be filled in: {str(error).splitlines()[0]}.",
                next="A percent sign that is meant is written %%.",
            ) from None

    def toml_value(self, name: str, kind: type) -> Any:
        """The value of that type in ``[tool.alembic]``, filled in; None where there is none."""
        value = self.toml.get(name)
        if value is None:
            return None
        if not isinstance(value, kind):
            raise ConfigurationError(
                f"{name} of [tool.alembic] in {self.toml_file} is not a {kind.__name__}.",
                next=_ADVICE,
            )
        here = {"here": self.toml_file.absolute().parent.as_posix()}
        try:
            if isinstance(value, list):
                return [each % here for each in value]
            return value % here if isinstance(value, str) else value
        except (KeyError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{name} of [tool.alembic] in {self.toml_file} cannot be filled in: {error}.",
                next="A percent sign that is meant is written %%.",
            ) from None

    def separator(self, *names: str) -> str | None:
        known = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
        for name in names:
            written = self.ini_text(name)
            if written in known:
                return known[written]
            if written is not None:
                raise ConfigurationError(
                    f"{name} in {self.file} is {written!r}; Alembic knows {', '.join(known)}.",
                    next=f"Correct {name} there.",
                )
        return None

    def folder(self, location: str) -> Path:
        """The folder of a location: absolute, relative to the directory, or in a package."""
        if os.path.isabs(location) or ":" not in location:
            return self.directory / location
        package, *inner = location.split(":")
        top, *below = package.split(".")
        roots = self.package_folders(top)
        if not roots:
            raise ConfigurationError(
                f"The package {top} of the location {location!r} in {self.file.name} is not found.",
                next=f"Install it beside Alembic. {_ADVICE}",
            )
        folders = [root.joinpath(*below, *inner) for root in roots]
        return next((folder for folder in folders if os.path.exists(folder)), folders[0])

    def package_folders(self, top: str) -> list[Path]:
        """Where a package may lie: prepend_sys_path comes first, as on Alembic's own path."""
        before = [self.directory / name / top for name in self.prepended()]
        for folder in before:
            if os.path.isfile(folder / "__init__.py"):
                return [folder]
        plain = [folder for folder in before if os.path.isdir(folder)]
        if self.find_package is None:
            return _find_in_this_interpreter(top) or plain
        found = self.find_package(top)
        return [found] if found else plain

    def prepended(self) -> list[str]:
        written = self.ini_text("prepend_sys_path")
        if not written:
            return self.toml_value("prepend_sys_path", list) or []
        return _split(written, self.separator("path_separator"), r", *|(?: +)|\:")


def _split(written: str, separator: str | None, legacy: str) -> list[str]:
    if separator is not None:
        return [part.strip() for part in written.split(separator) if part]
    import re

    return re.split(legacy, written)


def _find_in_this_interpreter(top: str) -> list[Path]:
    """The folders of a package; several where it is a namespace."""
    from importlib.util import find_spec

    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return []
    return [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []


def _read_ini(file: Path) -> ConfigParser:
    from configparser import ConfigParser, Error

    parser = ConfigParser({"here": file.absolute().parent.as_posix()})
    try:
        content = read_bytes(file)
        try:
            parser.read_file(_lines(content, "utf-8"), str(file))
        except UnicodeDecodeError:
            parser.clear()
            parser.read_file(_lines(content, "locale"), str(file))
    except FileNotFoundError:
        pass
    except (Error, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file} cannot be read: {_reason(error)}.", next=_ADVICE
        ) from None
    return parser


def _reason(error: Exception) -> str:
    """Why an ini cannot be read, without the line itself, which may have a password in it."""
    from configparser import MissingSectionHeaderError, ParsingError

    if isinstance(error, MissingSectionHeaderError):
        return f"File contains no section before line {error.lineno}"
    if isinstance(error, ParsingError):
        return f"line {error.errors[0][0]} is neither a section nor a key"
    return getattr(error, "strerror", None) or " ".join(str(error)[:_SHOWN].split())


def _lines(content: bytes, encoding: str) -> TextIOWrapper:
    return TextIOWrapper(BytesIO(content), encoding)


def _alembic_table(file: Path) -> dict[str, Any]:
    """``[tool.alembic]`` of a pyproject.toml, {} where there is none."""
    try:
        if b"alembic" not in read_bytes(file):
            return {}
    except OSError:
        return {}
    tools = read_pyproject(file).get("tool", {})
    table = tools.get("alembic", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise ConfigurationError(f"[tool.alembic] in {file} is not a table.", next=_ADVICE)
    return table


def read_pyproject(file: Path) -> dict[str, Any]:
    """A pyproject.toml that other tools read as well, {} where there is none.

    :raises ConfigurationError: it is not TOML.
    """
    try:
        return read_toml(file)
    except OSError:
        return {}
    except ValueError as error:
        raise ConfigurationError(
            f"{file} is not valid TOML: {error}.", next="Fix the file and try again."
        ) from None
