"""Reads JSON documents into dataclasses, and writes them back.

A file on disk may be truncated or overwritten and contain anything: whatever does not fit its
dataclass is a ValueError, never another error.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

# Greater numbers are neither a size nor a duration, and many JSON readers cannot represent them.
_LIMIT = 2**63


# The only version of each form so far. A later one is left alone: it may mean anything.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file whose content is unknown; ``newer`` if a later release could read it."""

    file: Path
    newer: bool = False

    @property
    def why(self) -> str:
        return "was written by a newer migrations_ops" if self.newer else "cannot be read"


def read_versioned(kind: type[T], file: Path, document: Any) -> T | Unreadable:
    """Read a file that :func:`to_versioned` wrote."""
    version = document.get("version") if isinstance(document, dict) else None
    if type(version) is int and version > VERSION:
        return Unreadable(file, newer=True)
    if type(version) is int and version == VERSION:
        with suppress(ValueError):
            return from_document(kind, document)
    return Unreadable(file)


def to_versioned(value: Any) -> dict[str, Any]:
    """A dataclass as a document with its format version."""
    return {"version": VERSION, **to_document(value)}


def to_document(value: Any) -> dict[str, Any]:
    """A dataclass as a JSON document. A field ``from_`` is called ``from`` there."""
    return {name.rstrip("_"): content for name, content in asdict(value).items()}


def from_document(kind: type[T], document: Any) -> T:
    """Read a dataclass; unknown keys are ignored.

    :raises ValueError: the document does not fit.
    """
    if not isinstance(document, dict):
        raise ValueError(f"{kind.__name__} is no object")
    values, hints = {}, _hints(kind)  # type: ignore[arg-type]
    for field in fields(kind):  # type: ignore[arg-type]
        key = field.name.rstrip("_")
        if key in document:
            values[field.name] = _value(hints[field.name], document[key])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{kind.__name__} has no {key}")
    return kind(**values)


_hints = cache(get_type_hints)


def _value(hint: Any, value: Any) -> Any:
    kind, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return from_document(hint, value)  # type: ignore[arg-type]
    if kind is Literal and value in arguments:
        return value
    if kind is tuple and isinstance(value, list):
        return tuple(_value(arguments[0], each) for each in value)
    if kind is Mapping and isinstance(value, dict):
        return {key: _value(arguments[1], each) for key, each in value.items()}
    if kind in (Union, UnionType):
        for each in arguments:
            with suppress(ValueError):
                return _value(each, value)
    # A bool is an int to isinstance, and infinite numbers are neither sizes nor JSON.
    if hint in (int, float) and type(value) in (int, hint) and abs(value) < _LIMIT:
        return value
    if type(value) is hint and hint in (str, bool, type(None)):
        return value
    raise ValueError(f"{hint} is not what it holds")
