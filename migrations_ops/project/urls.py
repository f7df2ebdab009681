"""Resolves the URL of an environment: as written, from a variable, a file's key, or a command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from migrations_ops.databases.address import with_hosts_in_query
from migrations_ops.databases.url import scheme_of, sqlite_path_of, with_sqlite_path
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.environments import (
    Environment,
    UrlFromCommand,
    UrlFromFile,
    UrlFromVariable,
    UrlSource,
)
from migrations_ops.project.toml_table import anchored
from migrations_ops.system.process import run
from migrations_ops.system.reading import read_text
from migrations_ops.system.variables import base_variables

COMMAND_SECONDS = 30.0


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
        url = _from_file(source, environment)
    else:
        url = _from_command(source, environment, root)
    if any(character < " " for character in url) or not _is_encodable(url):
        raise ConfigurationError(
            f"The URL of {environment.name} contains a control character, a line break for"
            " instance.",
            next=f"Check environments.{environment.name}.url, and its source.",
        )
    return _absolute_sqlite(with_hosts_in_query(url), root)


def _is_encodable(text: str) -> bool:
    """Whether a text can name a file: half a surrogate pair, as in JSON's "\\ud800", cannot."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _absolute_sqlite(url: str, root: Path) -> str:
    """Make a relative path absolute: a step runs in the environment's directory, not the
    configuration's."""
    path = sqlite_path_of(url)
    if scheme_of(url) != "sqlite" or not path:
        return url
    # SQLAlchemy 2.1 decodes %20 in the path: the folder's own percent signs must survive that.
    folder = re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", str(root)).replace("?", "%3F")
    return with_sqlite_path(url, anchored(Path(folder), path).as_posix())


def _from_file(source: UrlFromFile, environment: Environment) -> str:
    """The text under the key of a TOML, JSON, INI or ``.env`` file.

    The file's name tells its kind. A key of several parts is written with dots; in an INI file
    the first part is the section, and the rest the key, which may hold dots of its own.

    :raises ConfigurationError: the file or the key is missing, or the value is not a text.
    """
    import configparser

    what = f"The URL of {environment.name}, {source.key!r} of {source.file},"
    try:
        value = _value(source.file, read_text(source.file), source.key)
    except OSError as error:
        raise ConfigurationError(
            f"{what} cannot be read: {error.strerror}.",
            next=f"Check environments.{environment.name}.url, or create the file.",
        ) from None
    except LookupError:
        raise ConfigurationError(
            f"{what} is not there: the file has no such key.",
            next=f"Check environments.{environment.name}.url, or add the key.",
        ) from None
    except (ValueError, RecursionError, configparser.Error):
        # The parser's own message may quote the line, and with it a password.
        raise ConfigurationError(
            f"{what} cannot be read: that is not a valid {_kind(source.file)} file.",
            next=f"Fix {source.file} and try again.",
        ) from None
    if not isinstance(value, str) or not value.strip():
        state = "empty" if isinstance(value, str) else "no text"
        raise ConfigurationError(f"{what} is {state}.", next=f"Fix {source.file} and try again.")
    return value.strip()


def _kind(file: Path) -> str:
    return {".toml": "TOML", ".json": "JSON", ".ini": "INI", ".cfg": "INI"}.get(file.suffix, ".env")


def _value(file: Path, text: str, key: str) -> Any:
    """:raises LookupError: there is no such key."""
    match _kind(file):
        case "TOML":
            return _nested(tomllib.loads(text), key)
        case "JSON":
            return _nested(json.loads(text), key)
        case "INI":
            section, _, option = key.partition(".")
            return _option(file, text, section, option)
    pairs = (line.strip().partition("=") for line in text.splitlines() if "=" in line)
    values = {
        name.removeprefix("export ").strip(): value.strip().strip("'\"") for name, _, value in pairs
    }
    return values[key]


def _nested(document: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(document, dict):
            raise LookupError(part)
        document = document[part]
    return document


def _option(file: Path, text: str, section: str, option: str) -> str:
    import configparser

    # As Alembic reads its own: %(here)s is the file's folder, %% a percent sign.
    parser = configparser.ConfigParser({"here": file.parent.as_posix().replace("%", "%%")})
    parser.read_string(text)
    try:
        return parser[section][option]
    except configparser.InterpolationError:
        # Other programs' files hold a bare percent sign, in a password for instance.
        return parser.get(section, option, raw=True)


def _from_command(source: UrlFromCommand, environment: Environment, root: Path) -> str:
    """The standard output of a command, without the white space around it.

    :raises ConfigurationError: it cannot be started, fails, prints nothing, or takes too long.
    """
    try:
        done = run(source.argv, _variables(environment), root, timeout=COMMAND_SECONDS)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except subprocess.TimeoutExpired:
        reason = f"it took more than {COMMAND_SECONDS:.0f} seconds"
    else:
        text = done.stdout.decode("utf-8", "replace").strip()
        if done.returncode:
            reason = f"it ended with exit code {done.returncode}"
        elif not text:
            reason = "it printed nothing"
        elif "\n" in text:
            reason = "it printed more than one line"
        else:
            return text
    raise ConfigurationError(
        f"The command {source.argv[0]}, which prints the URL of {environment.name}"
        f", failed: {reason}.",
        next=f"Try it by hand, and check environments.{environment.name}.url.",
    )


def _variables(environment: Environment) -> dict[str, str]:
    """The variables of the command: a client of a secret store needs those in ``pass``."""
    names = (name for name in environment.passed_variables if name in os.environ)
    return base_variables() | {name: os.environ[name] for name in names}
