"""Allows findings: ``CODE`` allows all findings of a code, ``CODE:WHERE`` one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.findings import CODES, Finding
from migrations_ops.model.text import bare, quoted

# A refusal that can be allowed, and is no finding.
MISSING = "missing-database"
_SHOWN = 5


def without_allowed(findings: Iterable[Finding], allowed: Iterable[str]) -> list[Finding]:
    """Turn allowed errors into notes, or into the warnings that the catalogue makes of them.

    The object may be typed with or without the quotes of SQL: few shells keep such quotes.
    """
    words = {*allowed}
    words |= {bare(word) for word in words}

    def is_meant(each: Finding) -> bool:
        word = f"{each.code}:{each.where}"
        return each.severity == "error" and bool(words & {each.code, word, bare(word)})

    return [
        replace(each, severity=CODES[each.code].allowed, message=f"{each.message} (allowed)")
        if is_meant(each)
        else each
        for each in findings
    ]


def allow_flags(findings: Iterable[Finding]) -> str:
    """What to type to allow these findings: ``--allow CODE:WHERE``, for the first five of them."""
    words = dict.fromkeys(bare(f"{each.code}:{each.where}") for each in findings)
    shown = " ".join(f"--allow {quoted(word)}" for word in list(words)[:_SHOWN])
    more = len(words) - _SHOWN
    return f"{shown} (and {more} more, listed above)" if more > 0 else shown


def allow_setting(findings: Iterable[Finding], environment: str) -> str:
    """What to write into the configuration to allow these findings there, in every task."""
    words = dict.fromkeys(bare(f"{each.code}:{each.where}") for each in findings)
    listed = ", ".join(f'"{word}"' for word in words)
    return f"allow = [{listed}] under environments.{environment} of the configuration"


def advice_on_finding(finding: Finding, environment: str, *, by_flag: bool) -> str:
    """The catalogue's advice for an error.

    :param environment: the name of the environment of the finding.
    :param by_flag: whether the task has ``--allow``; otherwise only the configuration can allow it.
    """
    allow = allow_flags([finding]) if by_flag else allow_setting([finding], environment)
    return CODES[finding.code].advice.format(
        where=finding.where, environment=environment, allow=allow
    )


def require_known_codes(allow: Iterable[str]) -> None:
    """:raises ConfigurationError: a code is unknown; it would silently allow nothing."""
    known = {*CODES, MISSING}
    for word in allow:
        code = word.partition(":")[0]
        if code not in known:
            import difflib

            near = difflib.get_close_matches(code, sorted(known), n=1, cutoff=0.5)
            raise ConfigurationError(
                f"--allow {word!r} names no finding: there is no code {code!r}.",
                next=f"Did you mean {near[0]}? docs/findings.md lists them all."
                if near
                else "docs/findings.md lists all codes; each refusal prints the words to type.",
            )
