"""Which application FLASK_APP could name in a project, and the variables of its ``.env`` files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from migrations_ops.system.reading import read_text

# The files of variables that Flask and pydantic-settings read.
DOTENV = (".env", ".flaskenv")
# What is copied to .env, and what a clone has of it.
_EXAMPLES = (".env.example", ".env.sample", ".env.template")
_MAKES_ONE = re.compile(r"^def (?:create_app|make_app)\b|\bFlask\(__name__", re.MULTILINE)


def find_applications(folder: Path) -> tuple[str, ...]:
    """What FLASK_APP could name, the likeliest first."""
    return tuple(dict.fromkeys(_applications(folder)))


def _applications(folder: Path) -> Iterator[str]:
    for file in (*DOTENV, *_EXAMPLES):
        name = variables_of(folder / file).get("FLASK_APP", "")
        if name:
            yield name
    # Where FLASK_APP is not set, Flask looks for these.
    for name in ("wsgi", "app"):
        if (folder / f"{name}.py").is_file():
            yield name
    for source in sorted([*folder.glob("*.py"), *folder.glob("*/__init__.py")]):
        if _MAKES_ONE.search(_text(source)):
            yield source.stem if source.parent == folder else source.parent.name
    # By their paths, from which Flask imports what is not in the project's own folder.
    for source in sorted([*folder.glob("src/*.py"), *folder.glob("src/*/__init__.py")]):
        if _MAKES_ONE.search(_text(source)):
            place = source if source.parent.name == "src" else source.parent
            yield place.relative_to(folder).as_posix()


def variables_of(file: Path) -> dict[str, str]:
    """The variables of a ``.env`` file; none where it cannot be read."""
    pairs = (line.strip().partition("=") for line in _text(file).splitlines() if "=" in line)
    return {
        name.removeprefix("export ").strip(): value.strip().strip("'\"")
        for name, _, value in pairs
        if not name.startswith("#")
    }


def _text(file: Path) -> str:
    with suppress(OSError, ValueError):
        return read_text(file)
    return ""
