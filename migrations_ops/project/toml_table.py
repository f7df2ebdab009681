"""One table of the configuration: knows its keys, and checks the kinds of their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.text import excerpt
from migrations_ops.system.reading import is_too_long

# The name of a kind of value, and a check for it.
Check = tuple[str, Callable[[Any], bool]]

# A little over a year: for no limit, the key is left out.
_LONGEST_SECONDS = 40_000_000


def is_text(value: Any) -> bool:
    """Whether it is a text that fits into a file name, an argument and a variable."""
    return isinstance(value, str) and "\0" not in value


def are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(is_text(value) for value in values)


def is_variable(name: Any) -> bool:
    """Whether it can be the name of a variable, on every platform."""
    return is_text(name) and bool(name.strip()) and "=" not in name


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_count_from_one(value: Any) -> bool:
    return _is_count(value) and value > 0


def _is_seconds(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= _LONGEST_SECONDS


def _are_variables(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(is_variable(name) for name in value)
        and are_texts(list(value.values()))
    )


def _is_function(value: Any) -> bool:
    module, _, function = value.partition(":") if isinstance(value, str) else ("", "", "")
    return function.isidentifier() and all(part.isidentifier() for part in module.split("."))


TEXT: Check = ("a text", lambda value: is_text(value) and bool(value.strip()))
FLAG: Check = ("true or false", lambda value: isinstance(value, bool))
COUNT: Check = ("a whole number", _is_count)
COUNT_FROM_ONE: Check = ("a whole number of at least 1", _is_count_from_one)
SECONDS: Check = ("a number of seconds", _is_seconds)
TEXTS: Check = ("a list of strings", are_texts)
ARGV: Check = (
    "a list of strings that begins with a program",
    lambda values: are_texts(values) and bool(values) and bool(values[0].strip()),
)
TABLE: Check = ("a table", lambda value: isinstance(value, dict))
# An empty string: the project has no such variable.
SELECTOR: Check = (
    "the name of a variable, or an empty string",
    lambda name: name == "" or is_variable(name),
)
FUNCTION: Check = ("a function, as MODULE:FUNCTION", _is_function)
VARIABLES: Check = ("a table of variables with string values", _are_variables)
NAMES: Check = (
    "a list of variable names",
    lambda value: isinstance(value, list) and all(is_variable(name) for name in value),
)
ANY: Check = ("anything", lambda _: True)
# Kinds whose wrong values can be shown: they are neither secret nor long.
_SHORT = (FLAG, COUNT, COUNT_FROM_ONE, SECONDS)


class Table:
    """One table of a configuration file.

    :raises ConfigurationError: a key is unknown (the nearest one is suggested), or a value has the
        wrong kind.
    """

    def __init__(
        self, file: Path, where: str, table: dict[str, Any], known: Mapping[str, Check]
    ) -> None:
        self._file, self._where, self._table = file, where, table
        for key, value in table.items():
            if key not in known:
                raise ConfigurationError(
                    f"{self._name(key)} in {file.name} is not a key that migrations_ops knows"
                    f"{nearest(key, list(known))}",
                    next=f"Fix {file} and try again.",
                )
            kind, fits = known[key]
            if not fits(value):
                detail = _in_brief(value) if known[key] in _SHORT else "."
                raise ConfigurationError(
                    f"{self._name(key)} in {file.name} must be {kind}{detail}",
                    next=f"Fix {file} and try again.",
                )

    def _name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def value(self, key: str, default: Any) -> Any:
        return self._table.get(key, default)

    def path(self, key: str, default: str) -> Path:
        return anchored(self._file.parent, self._table.get(key, default))

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._table.get(key, ()))

    def strings(self, key: str) -> dict[str, str]:
        return dict(self._table.get(key, {}))

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> Any:
        value = self._table.get(key, default)
        if value not in choices:
            raise ConfigurationError(
                f"{self._name(key)} in {self._file.name} is {value!r}"
                f"{nearest(value, list(choices))}",
                next=f"It is one of: {', '.join(choices)}.",
            )
        return value


def anchored(root: Path, text: str) -> Path:
    """A path of the configuration, absolute.

    :raises ConfigurationError: no file can have such a name.
    """
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~NAME of an unknown user: used verbatim
        path = Path(text)
    # normpath, not resolve: a link that the user configured stays the name that is shown.
    path = Path(os.path.normpath(root / path))
    if is_too_long(path):
        raise ConfigurationError(
            f"The configuration names a file whose name is too long: {excerpt(str(path))}",
            next="Give it a shorter name.",
        )
    return path


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence about a name that is not known."""
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "."


def _in_brief(value: Any) -> str:
    """The end of a sentence about a wrong value: short, and without what may be a secret."""
    if not isinstance(value, bool | int | float | str):
        return "."
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "."
    return f", not {text}." if len(text) <= 60 else f", not {text[:57]}..."
