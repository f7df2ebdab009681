"""Writes the values of parameters into a statement, as literals of its engine.

Only where that means the same as to send them beside it: else it is refused, by the type.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from ..families import MARIADB, POSTGRESQL, SQLITE
from ..protocol.sql import Syntax, located

_BY_PERCENT = re.compile(r"%%|%s|%\((\w+)\)s")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class NoLiteral(Exception):
    """A value has no literal that means the same."""


def sets_of(parameters: Any, *, many: bool) -> list[Any]:
    """The sets of parameters with which a statement runs, one after the other.

    SQLAlchemy also says "many" of a single INSERT into which it has put the values of many rows.
    """
    is_list = many and isinstance(parameters, list)
    if is_list and all(isinstance(each, Mapping | tuple | list) for each in parameters):
        return list(parameters)
    return [parameters]


def with_values(sql: str, parameters: Any, paramstyle: str, family: str, syntax: Syntax) -> str:
    """The statement with the values of its parameters in their places.

    :param paramstyle: how the driver marks them (https://peps.python.org/pep-0249/#paramstyle).
    :raises NoLiteral: one of them cannot be written.
    """

    def value_of(key: str) -> str:
        try:
            value = parameters[key] if isinstance(parameters, Mapping) else parameters[int(key)]
        except (KeyError, IndexError, ValueError, TypeError):
            raise NoLiteral(f"has no value for the parameter {key}") from None
        return literal(value, family)

    if paramstyle in ("format", "pyformat"):
        return _by_percent(sql, value_of)
    return "".join(_by_marks(sql, syntax, value_of))


def _by_percent(sql: str, value_of: Callable[[str], str]) -> str:
    """These drivers replace a mark wherever it is, in a literal too, and halve ``%%``."""
    number = iter(range(len(sql)))

    def one(mark: re.Match[str]) -> str:
        if mark[0] == "%%":
            return "%"
        return value_of(mark[1] or str(next(number)))

    return _BY_PERCENT.sub(one, sql)


def _by_marks(sql: str, syntax: Syntax, value_of: Callable[[str], str]) -> Iterator[str]:
    """``$1``, and on SQLite ``?``, ``?1``, ``:name`` and ``@name``, outside of names and
    literals."""
    end, number = 0, 0
    every = list(located(sql, syntax))
    for (start, stop, token), after in zip(every, [*every[1:], None], strict=True):
        if token.quoted or token.literal or start < end:
            continue
        is_named = after is not None and after[0] == stop and after[2].is_word
        name, stop_of_name = (after[2].text, after[1]) if after and is_named else ("", stop)
        if token.text[0] == "$" and token.text[1:].isdecimal():
            key = str(int(token.text[1:]) - 1)
        elif syntax != "sqlite" or token.text not in ("?", ":", "@"):
            continue
        elif token.text != "?":
            key, stop = name, stop_of_name
        elif name.isdecimal():
            key, stop = str(int(name) - 1), stop_of_name
        else:
            key, number = str(number), number + 1
        yield sql[end:start] + value_of(key)
        end = stop
    yield sql[end:]


def literal(value: Any, family: str) -> str:
    """:raises NoLiteral: the value has none that means the same to the engine."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value)) if family == SQLITE else str(value).lower()
    if isinstance(value, int | float | Decimal):
        return _number(value, family)
    if isinstance(value, str):
        return _text(value, family)
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value).hex()
        return f"'\\x{data}'::bytea" if family == POSTGRESQL else f"X'{data}'"
    if isinstance(value, datetime | date | time):
        return _moment(value, family)
    if isinstance(value, UUID) and family == POSTGRESQL:
        return f"'{value}'"
    if type(value).__name__ in ("Json", "Jsonb") and hasattr(value, "obj"):  # psycopg's
        return _text(json.dumps(value.obj), family)
    raise NoLiteral(f"has a value of the type {type(value).__name__}, which has no literal")


def _number(value: float | Decimal, family: str) -> str:
    # SQLite rounds the last digit of what is far smaller or greater.
    is_rounded = family == SQLITE and isinstance(value, float) and _is_extreme(value)
    if not math.isfinite(value) or is_rounded:
        raise NoLiteral(f"has the number {value}, which has no literal")
    if isinstance(value, Decimal):
        text = format(value, "f")
    else:  # also of a subclass, whose repr() may be anything
        text = repr(float(value)) if isinstance(value, float) else str(int(value))
    # Behind a hyphen, another one would begin a comment.
    return f"({text})" if text.startswith("-") else text


def _is_extreme(value: float) -> bool:
    return value != 0 and not 1e-200 < abs(value) < 1e200


def _text(text: str, family: str) -> str:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise NoLiteral("has a text that is no Unicode, which has no literal") from None
    quoted = _quoted(text)
    has_control = _CONTROL.search(text) is not None
    if family == MARIADB and (has_control or "\\" in text):
        # What a backslash means there depends on the session's sql_mode.
        return f"CONVERT(X'{data.hex()}' USING utf8mb4)"
    if family == SQLITE and has_control:
        return f"CAST(X'{data.hex()}' AS TEXT)"
    if family == POSTGRESQL and has_control:
        escaped = quoted.replace("\\", "\\\\")
        return "E" + _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", escaped)
    return quoted


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _moment(value: datetime | date | time, family: str) -> str:
    if family == MARIADB and getattr(value, "tzinfo", None) is not None:
        raise NoLiteral("has a time with a time zone, which has no literal in MariaDB")
    text = value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return f"'{text}'"


# -- for people ---------------------------------------------------------------------------------

# A longer value is not shown at all: of a piece of a secret nothing could be recognised.
_LONGEST_VALUE = 1000
_LONGEST_LIST = 4000


def in_words(parameters: Any, family: str) -> str:
    """The values of one set of parameters."""
    if isinstance(parameters, Mapping):
        parts = [f"{name} = {_shown(value, family)}" for name, value in parameters.items()]
    elif isinstance(parameters, Sequence) and not isinstance(parameters, str):
        parts = [_shown(value, family) for value in parameters]
    else:
        return ""
    shown: list[str] = []
    for part in parts:
        if sum(map(len, shown)) + len(part) > _LONGEST_LIST:
            shown.append("…")
            break
        shown.append(part)
    return ", ".join(shown)


def _shown(value: Any, family: str) -> str:
    try:
        # Of a text, no detour by which an engine gets it.
        text = _quoted(value) if isinstance(value, str) else literal(value, family)
    except NoLiteral:
        text = f"({type(value).__name__})"
    return text if len(text) <= _LONGEST_VALUE else f"({len(text):,} characters)"
