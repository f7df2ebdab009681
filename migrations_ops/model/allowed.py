"""Consents to findings: of ``CODE`` to all findings of a code, of ``CODE:NAME`` to one of them.

A consent is typed as ``--allow``, written in the configuration, or in a revision as a comment with
its reason; wherever it is from, it is matched here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.findings import CODES, Finding
from migrations_ops.model.text import bare, quoted

# A refusal that can be allowed, and is no finding.
MISSING = "missing-database"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Consent:
    """Allows the findings of a code, or only those of one name.

    ``reason``, ``revision``, ``path`` and ``line`` are those of the comment in a revision; they are
    empty for ``--allow`` and the configuration.
    """

    code: str
    name: str = ""
    reason: str = ""
    revision: str = ""
    path: str = ""
    line: int = 0

    @classmethod
    def of(cls, word: str) -> Consent:
        """The consent that is written ``CODE`` or ``CODE:NAME``. ``CODE:`` allows nothing: its
        name may be a variable of a shell that is not set."""
        code, _, name = word.partition(":")
        return cls(code, name) if name else cls(word)

    @property
    def word(self) -> str:
        """As it is written: ``CODE`` or ``CODE:NAME``."""
        return f"{self.code}:{self.name}" if self.name else self.code

    @property
    def place(self) -> str:
        """Where its comment is, and why: `` in FILE:LINE -- reason``; empty without one."""
        return f" in {self.path}:{self.line} -- {self.reason}" if self.path else ""

    def covers(self, finding: Finding) -> bool:
        """Whether it is a consent to a finding.

        The name may be written with or without the quotes of SQL: few shells keep such quotes.
        A comment says nothing about what another revision does.
        """
        if self.code != finding.code:
            return False
        if self.revision and finding.revision not in ("", self.revision):
            return False
        names = {self.name, bare(self.name)}
        return not self.name or bool(names & {finding.where, bare(finding.where)})


def find_consent(finding: Finding, consents: Iterable[Consent]) -> Consent | None:
    """The first consent to a finding."""
    return next((each for each in consents if each.covers(finding)), None)


def without_allowed(findings: Iterable[Finding], consents: Collection[Consent]) -> list[Finding]:
    """Turn allowed errors into notes, or into the warnings that the catalogue makes of them."""
    return [
        _allowed(each, consent)
        if each.severity == "error" and (consent := find_consent(each, consents))
        else each
        for each in findings
    ]


def _allowed(finding: Finding, consent: Consent) -> Finding:
    message = f"{finding.message} (allowed{consent.place})"
    return replace(finding, severity=CODES[finding.code].allowed, message=message)


def allow_flags(findings: Iterable[Finding]) -> str:
    """What to type to allow these findings: ``--allow CODE:NAME``, for the first five of them."""
    words = dict.fromkeys(map(allowing_word, findings))
    shown = " ".join(f"--allow {quoted(word)}" for word in list(words)[:_SHOWN])
    more = len(words) - _SHOWN
    return f"{shown} (and {more} more, listed above)" if more > 0 else shown


def allow_setting(findings: Iterable[Finding], environment: str) -> str:
    """What to write into the configuration to allow these findings there, in every task."""
    listed = ", ".join(f'"{word}"' for word in dict.fromkeys(map(allowing_word, findings)))
    return f"allow = [{listed}] under environments.{environment} of the configuration"


def allowing_word(finding: Finding) -> str:
    """What allows this finding alone."""
    return Consent(finding.code, bare(finding.where)).word


def advice_on_finding(finding: Finding, environment: str, *, by_flag: bool) -> str:
    """The catalogue's advice for an error.

    :param environment: the name of the environment of the finding.
    :param by_flag: whether the task has ``--allow``; otherwise only the configuration can allow it.
    """
    allow = allow_flags([finding]) if by_flag else allow_setting([finding], environment)
    return CODES[finding.code].advice.format(
        where=finding.where, environment=environment, allow=allow
    )


def require_known_codes(allow: Iterable[str], more: Collection[str] = ()) -> None:
    """Make sure that each code exists.

    :param more: codes that the catalogue does not have.
    :raises ConfigurationError: a code is unknown; it would silently allow nothing."""
    known = {*CODES, *more, MISSING}
    for word in allow:
        code = Consent.of(word).code
        if code not in known:
            near = nearest_code(code, known)
            raise ConfigurationError(
                f"--allow {word!r} names no finding: there is no code {code!r}.",
                next=f"Did you mean {near}? docs/findings.md lists them all."
                if near
                else "docs/findings.md lists all codes; each refusal prints the words to type.",
            )


def nearest_code(code: str, known: Iterable[str]) -> str:
    """The known code that is most like this one; empty if none is."""
    import difflib

    near = difflib.get_close_matches(code, sorted(known), n=1, cutoff=0.5)
    return near[0] if near else ""
