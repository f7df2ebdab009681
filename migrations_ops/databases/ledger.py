"""The content of a ledger, whatever the engine: a list of runs, as JSON."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from migrations_ops.child.protocol.ledger import (
    FOUND,
    NAME,
    Run,
    environment_in,
    from_text,
    of_table,
    other_format,
)
from migrations_ops.model.ledger import BuiltIndex, Ledger, LedgerEntry, MadeIndexes
from migrations_ops.system.files import now

OTHER_FORMAT_ADVICE = "Use the version of migrations_ops that wrote it, or a later one"


def ledger_of(text: str | None, version_table: str) -> Ledger:
    """What a ledger knows of a version table; an empty one if there is none, or it is malformed.

    :param text: its content; None where there is no ledger.
    """
    if text is None:
        return Ledger()
    other = other_format(text)
    if other:
        return Ledger(
            unreadable=f"its {NAME} has the format {other}, which this version does not know"
        )
    try:
        return _ledger_of(of_table(from_text(text), version_table))
    except (KeyError, TypeError, ValueError, OverflowError):
        return Ledger()


def _ledger_of(runs: list[Run]) -> Ledger:
    environment, identity = "", ""
    ran: dict[str, str | None] = {}
    stamped: set[str] = set()
    found: set[str] = set()
    begun: dict[str, str] = {}
    invalid: frozenset[int] | None = None
    made: MadeIndexes | None = None
    for run in runs:
        event = run.get("event")
        if event == "identity":
            environment, identity = str(run.get("environment", "")), str(run.get("identity", ""))
        for each in run.get("revisions", ()):
            name = each["revision"]
            if event == FOUND:
                found.add(name)
                continue
            begun.pop(name, None)
            if not begun:
                invalid = invalid if event == "begun" else None
                made = made if event == "begun" else None
            if event == "begun":
                begun[name] = str(run.get("direction", "upgrade"))
                there = frozenset(run["invalid"]) if "invalid" in run else None
                # What an attempt left does not belong to the revisions from before it.
                invalid = there if invalid is None or there is None else invalid & there
                of_run = _made(run)
                made = of_run if made is None or of_run is None else made.joined(of_run)
                continue
            if event == "resolved":
                continue
            ran.pop(name, None)
            stamped.discard(name)
            found.discard(name)
            if event == "upgrade":
                source, code = each["source_hash"], each.get("code_hash")
                ran[name] = f"{source} {code}" if source and code else source
            elif event == "stamp":
                stamped.add(name)
    if not begun:
        invalid, made = None, None
    names = frozenset(stamped), frozenset(found)
    return Ledger(environment, identity, ran, *names, begun, invalid, made, _origins(runs))


def _origins(runs: list[Run]) -> dict[str, str]:
    """Who ran each revision last, where and when, in words."""
    return {
        each["revision"]: _origin(run, each)
        for run in runs
        if run.get("event") == "upgrade"
        for each in run.get("revisions", ())
    }


def _origin(run: Run, revision: Mapping[str, Any]) -> str:
    commit = str(run.get("git_commit") or "").removesuffix("+")
    parts = (
        ("on", str(revision.get("started") or "")[:10]),
        ("by", run.get("account")),
        ("on", run.get("host")),
        ("from commit", commit),
    )
    return " ".join(f"{word} {value}" for word, value in parts if value)


def _made(run: Run) -> MadeIndexes | None:
    if "built" not in run:
        return None
    built = tuple(
        BuiltIndex(int(each["table"]), str(each.get("index", "")), bool(each.get("again")))
        for each in run["built"]
    )
    return MadeIndexes(built, bool(run.get("unseen")))


def extended(before: list[Run] | None, entry: LedgerEntry) -> list[Run]:
    """These runs and one more of a version table, preceded by an identity if there is none."""
    added: list[Run] = [] if entry.run is None else [dict(entry.run)]
    if entry.adopt or not environment_in(of_table(before, entry.version_table)):
        identity = {"event": "identity", "identity": secrets.token_hex(16), "started": now()}
        added.insert(0, identity)
    facts = {
        "outcome": "done",
        "environment": entry.environment,
        "version_table": entry.version_table,
    }
    return [*(before or []), *(facts | each for each in added)]
