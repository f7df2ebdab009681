"""URLs that stand in a file's key, or that a command prints."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from migrations_ops.environments import Environment, UrlFromCommand, UrlFromFile
from migrations_ops.errors import ConfigurationError
from migrations_ops.process import run
from migrations_ops.process_env import base_variables

COMMAND_SECONDS = 30.0


def url_from_file(source: UrlFromFile, environment: Environment) -> str:
    """The text under the key of a TOML, JSON, INI or ``.env`` file.

    The file's name tells its kind. A key of several parts is written with dots.

    :raises ConfigurationError: the file or the key is missing, or the value is no text.
    """
    try:
        text = source.file.read_text(encoding="utf-8")
        value = _parse(source.file, text)
        for part in source.key.split(".") if isinstance(value, dict) else ():
            value = value[part]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the key is not there"
        raise ConfigurationError(
            f"The URL of {environment.name} cannot be read from {source.key!r}"
            f" of {source.file}: {reason}."
        ) from None
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(
            f"The URL of {environment.name}, {source.key!r} of {source.file}, is empty."
        )
    return value.strip()


def _parse(file: Path, text: str) -> Any:
    if file.suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    if file.suffix == ".json":
        import json

        return json.loads(text)
    if file.suffix in {".ini", ".cfg"}:
        from configparser import RawConfigParser

        parser = RawConfigParser()
        parser.read_string(text)
        return {name: dict(parser[name]) for name in parser.sections()}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {
        name.removeprefix("export ").strip(): value.strip().strip("'\"") for name, _, value in pairs
    }


def url_from_command(source: UrlFromCommand, environment: Environment, root: Path) -> str:
    """The standard output of a command, without the white space around it.

    :raises ConfigurationError: it cannot be started, fails, prints nothing, or takes too long.
    """
    try:
        done = run(source.argv, base_variables(), root, timeout=COMMAND_SECONDS)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except subprocess.TimeoutExpired:
        reason = f"it took more than {COMMAND_SECONDS:.0f} seconds"
    else:
        text = done.stdout.decode("utf-8", "replace").strip()
        if done.returncode == 0 and text:
            return text
        reason = f"it ended with exit code {done.returncode}" if text else "it printed nothing"
    raise ConfigurationError(
        f"The command {source.argv[0]}, which prints the URL of {environment.name},"
        f" did not help: {reason}."
    )
