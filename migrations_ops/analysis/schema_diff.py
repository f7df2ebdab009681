"""Describes how the schema of a database differs from before."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.text import counted

_SHOWN = 5
# A DETACH PARTITION CONCURRENTLY that was canceled: no query sees the rows of its partition.
_DETACHED = re.compile(r'\bPARTITION OF ("(?:[^"]|"")+"|\S+) .*\bDETACH PENDING\b')


def differences(
    before: Fingerprint, now: Fingerprint, others: Collection[str] = frozenset()
) -> list[str]:
    """Describe what differs from before.

    :param others: what other sessions created; it is no difference where it is new.
    """
    keys = sorted(dict.fromkeys(key for key, _ in before.schema.items() ^ now.schema.items()))
    found = [
        _detached(key, now) or f"{key} is {_fate(key, before, now)}"
        for key in keys
        if key in before.schema or key not in others
    ]
    if before.revisions != now.revisions:
        found.insert(0, f"it is at {', '.join(now.revisions) or 'no revision'}")
    return found


def _fate(key: str, before: Fingerprint, now: Fingerprint) -> str:
    if key not in before.schema:
        return "new"
    return "changed" if key in now.schema else "gone"


def _detached(key: str, now: Fingerprint) -> str:
    """Describe a half detached partition and its fix; empty for any other one."""
    found = _DETACHED.search(now.schema.get(key, ""))
    if found is None or not key.startswith("table "):
        return ""
    parent, child = found[1], key.removeprefix("table ")
    statement = f"ALTER TABLE {_typed(parent)} DETACH PARTITION {_typed(child)} FINALIZE;"
    return f"partition {child} of {parent} is half detached ({statement})"


def _typed(name: str) -> str:
    """A name with its schema, as SQL has it: quoted in two parts."""
    return '"."'.join(name.split(".", 1)) if name.startswith('"') else name


def others_in_words(before: Fingerprint, now: Fingerprint, others: Mapping[str, bool]) -> list[str]:
    """Describe indexes that other sessions have made, or are making, in the meantime."""
    new = [key for key in others if others[key] or key in now.schema.keys() - before.schema.keys()]
    return [f"{key} was not created by the revision{', and INVALID' * others[key]}" for key in new]


def in_brief(found: list[str]) -> str:
    """The first few of these differences."""
    more = f" and {counted(len(found) - _SHOWN, 'more difference')}" if len(found) > _SHOWN else ""
    return f"{', '.join(found[:_SHOWN])}{more}"


def invalid_in_words(left: list[str]) -> list[str]:
    """Describe INVALID indexes that could not be dropped, each with its fix."""
    return [f"index {name} is INVALID (DROP INDEX CONCURRENTLY {name};)" for name in left]
