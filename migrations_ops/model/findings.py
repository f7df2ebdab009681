"""The codes of all findings: what ``--allow`` may name, each described in docs/findings.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.kinds import KINDS
from migrations_ops.model.text import bare, quoted

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. ``code`` is what ``allow`` and ``--allow`` name."""

    code: str
    severity: Severity
    message: str
    where: str = ""


_OF_KINDS = {"lost": KINDS, "weakened": KINDS, "dropped": ("table", "column")}
CODES = frozenset(
    {
        "ahead",
        "backup-in-doubt",
        "backups-kept",
        "changed-column",
        "changed-values",
        "copy-left",
        "damaged",
        "deleted-rows",
        "dirty",
        "diverged",
        "downgrade-fails",
        "downgrade-not-inverse",
        "changed-meanwhile",
        "drift",
        "drift-unknown",
        "edited-revision",
        "elsewhere",
        "engine-untested",
        "env-py-fails",
        "evidence-not-written",
        "ledger-behind",
        "half-detached",
        "invalid-index",
        "leftover-table",
        "lost-rows",
        "missing-revision",
        "no-clients",
        "no-copies",
        "names-another",
        "names-environment",
        "names-itself",
        "new-orphans",
        "no-plugin",
        "no-restore",
        "not-as-rehearsed",
        "not-at-head",
        "orphans",
        "other-environment",
        "other-heads",
        "pooler",
        "renumbered-rows",
        "replication-slot",
        "restore-taken-up",
        "reused-ids",
        "rows-not-compared",
        "selector-set",
        "setting-left-out",
        "state",
        "subscription",
        "unreachable",
        "unusable",
        "unversioned",
        "upgrade-not-repeatable",
        "variable-set",
        *(f"{what}-{kind.replace(' ', '-')}" for what in _OF_KINDS for kind in _OF_KINDS[what]),
    }
)
# What is no finding, but a refusal that can be allowed.
MISSING = "missing-database"
_SHOWN = 5


def allow_flags(findings: Iterable[Finding]) -> str:
    """What to type to allow these findings: ``--allow CODE:NAME``, for the first five of them."""
    words = dict.fromkeys(bare(f"{each.code}:{each.where}") for each in findings)
    shown = " ".join(f"--allow {quoted(word)}" for word in list(words)[:_SHOWN])
    more = len(words) - _SHOWN
    return f"{shown} (and {more} more, listed above)" if more > 0 else shown


def require_known_codes(allow: Iterable[str]) -> None:
    """:raises ConfigurationError: a code that nothing has would allow nothing, in silence."""
    known = CODES | {MISSING}
    for word in allow:
        code = word.partition(":")[0]
        if code not in known:
            import difflib

            near = difflib.get_close_matches(code, sorted(known), n=1, cutoff=0.5)
            raise ConfigurationError(
                f"--allow {word!r} names no finding: there is no code {code!r}.",
                next=f"Did you mean {near[0]}? docs/findings.md has them all."
                if near
                else "docs/findings.md has all codes; a refusal prints the words to type.",
            )
