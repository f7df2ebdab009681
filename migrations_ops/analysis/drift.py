"""Compares a schema with the one that the last release left, object by object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from migrations_ops.analysis.schema_facts import Fact
from migrations_ops.model.drift import ChangedObject, Fate

Schema = Mapping[str, str]

# What Alembic makes and drops during a rebuild; verify reports one that was left.
_TEMPORARY = "_alembic_tmp_"
# Partitions come and go with time: those of PostgreSQL are tables, MariaDB lists them in a table.
_PARTITION = re.compile(r"\bPARTITION OF\b")
_LISTED_PARTITIONS = re.compile(
    r"(?is)(\bpartition by\b.*?)(?:\(\s*partition\b.*|\bpartitions \d+)"
)
_WHOLES = ("table", "view", "materialized view")
# What only the planner and VACUUM go by.
_OF_A_TABLE = re.compile(r" ?\bWITH \([^()]*\)$")
_OF_A_FUNCTION = re.compile(r"\bCOST \S+ ROWS \S+ ?")
_OF_A_VIEW = re.compile(r" ?\bWITH NO DATA$")


def find_changed(recorded: Schema, now: Schema) -> list[ChangedObject]:
    """The objects that differ, in the order of their names. What goes with a table or a view that
    is new or gone is part of it."""
    then, here = _differing(recorded, now)
    differing = sorted({key for key, _ in then.items() ^ here.items()})
    facts = {key: _fact(key, here.get(key, then.get(key, ""))) for key in differing}
    wholes = {
        facts[key].table or facts[key].name: key
        for key in differing
        if facts[key].kind in _WHOLES and (key in then) is not (key in here)
    }
    parts: dict[str, list[str]] = {whole: [] for whole in wholes.values()}
    found = []
    for key in differing:
        whole = _whole_of(key, facts[key], wholes)
        if whole is not None and (key in then) is (whole in then):
            parts[whole].append(key)
        else:
            found.append(key)
    return [
        ChangedObject(
            facts[key].kind,
            key.removeprefix(f"{facts[key].kind} "),
            _fate(key, then, here),
            _text(key, parts.get(key, ()), then),
            _text(key, parts.get(key, ()), here),
        )
        for key in found
    ]


def keep_drift(recorded: Schema, before: Schema, after: Schema) -> dict[str, str]:
    """The schema to record after an upgrade: what was changed by hand before it, and was left alone
    by it, still counts as changed.

    :param recorded: the schema that the last upgrade left.
    """
    kept = dict(after)
    then, here = _differing(recorded, before)
    for key in {key for key, _ in then.items() ^ here.items()}:
        if after.get(key) != before.get(key):
            continue
        if key in recorded:
            kept[key] = recorded[key]
        else:
            del kept[key]
    return kept


def _differing(one: Schema, other: Schema) -> tuple[dict[str, str], dict[str, str]]:
    """What may differ of two schemas, without what changes by itself or is no structure.

    Only what is not equal is parsed: a schema may have thousands of columns.
    """
    unequal = {key for key, _ in one.items() ^ other.items()}
    left_out = _partitions(one) | _partitions(other) if unequal else set()
    found: tuple[dict[str, str], dict[str, str]] = {}, {}
    for key in unequal:
        for schema, kept in zip((one, other), found, strict=True):
            if key not in schema:
                continue
            fact = _fact(key, schema[key])
            is_temporary = fact.table.startswith(_TEMPORARY)
            if fact.kind != "statistics" and fact.table not in left_out and not is_temporary:
                kept[key] = _structure(fact.kind, schema[key])
    return found


def _partitions(schema: Schema) -> set[str]:
    return {
        _fact(key, text).table
        for key, text in schema.items()
        if key.startswith("table ") and _PARTITION.search(text)
    }


def _structure(kind: str, text: str) -> str:
    match kind:
        case "table":
            return _OF_A_TABLE.sub("", _LISTED_PARTITIONS.sub(r"\1", text)).strip()
        case "function" | "procedure":
            return _OF_A_FUNCTION.sub("", text)
        case "materialized view":
            return _OF_A_VIEW.sub("", text)
    return text


def _fact(key: str, text: str) -> Fact:
    try:
        return Fact.of(key, text)
    except (StopIteration, ValueError, IndexError):  # of a file that was edited
        return Fact("object", key.removeprefix("object "))


def _whole_of(key: str, fact: Fact, wholes: Mapping[str, str]) -> str | None:
    """The key of the new or gone table or view that an object is part of."""
    whole = wholes.get(fact.table)
    if whole is None and fact.owner in wholes.values():
        whole = fact.owner
    return None if whole == key else whole


def _fate(key: str, then: Schema, here: Schema) -> Fate:
    if key not in then:
        return "made"
    return "changed" if key in here else "removed"


def _text(key: str, parts: Iterable[str], schema: Schema) -> str:
    if key not in schema:
        return ""
    below = [f"{part}: {schema[part]}".rstrip(": ") for part in parts]
    return "\n".join(filter(None, [schema[key], *below]))
