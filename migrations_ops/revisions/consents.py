"""Reads the consents that are written as comments into revisions::

    # migrations-ops: allow dropped-table:loans -- exported to the archive in May

The name may be left out; the reason may not.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.model.allowed import Consent, allowing_word, nearest_code
from migrations_ops.model.findings import BAD_CONSENT, CODES, UNUSED_CONSENT, Finding
from migrations_ops.revisions.history import Revision
from migrations_ops.system.reading import read_bytes

_MARK = re.compile(rb"migrations[-_]ops\s*:")
# What other tools read may be before it. Text is not: it may be a line that was commented out, or
# only speak of such a comment.
_PRAGMA = r"#\s*(?:noqa|nosec|pragma|type|pyright|pylint|ruff|fmt|isort|mypy)\b[^#]*"
_COMMENT = re.compile(rf"(?:{_PRAGMA})*#\s*migrations[-_]ops\s*:\s*allow\b(?P<rest>.*)")
_REASON = re.compile(r"\s--(?:\s|$)")


@dataclass(frozen=True, slots=True)
class ConsentComments:
    """The consents in the comments of revisions; ``problems`` are errors in such comments, and
    ``unknown`` those that name a code which does not exist, as far as is known here."""

    consents: tuple[Consent, ...] = ()
    problems: tuple[Finding, ...] = ()
    unknown: tuple[Finding, ...] = ()

    @classmethod
    def joined(cls, parts: Iterable[ConsentComments]) -> ConsentComments:
        parts = [*parts]
        return cls(
            tuple(each for part in parts for each in part.consents),
            tuple(each for part in parts for each in part.problems),
            tuple(each for part in parts for each in part.unknown),
        )


def read_consents(
    revisions: Iterable[Revision], root: Path, known: Collection[str] = CODES
) -> ConsentComments:
    """The consents of these revisions, in the order of the revisions and their lines.

    A script that cannot be read has none: what reads its code reports that.

    :param root: the folder that files are shown relative to.
    :param known: the codes that there are.
    """
    return ConsentComments.joined(
        consents_in(_source_of(each), each.revision, each.shown(root), known) for each in revisions
    )


def consents_in(
    source: bytes, revision: str, path: str, known: Collection[str] = CODES
) -> ConsentComments:
    """The consents in the source of a revision.

    :param revision: its id.
    :param path: its file, as it is shown.
    :param known: the codes that there are.
    """
    consents: list[Consent] = []
    problems: list[Finding] = []
    unknown: list[Finding] = []
    for line, text in _comments(source):
        if not (written := _COMMENT.match(text)):
            continue
        word, *reason = (each.strip() for each in _REASON.split(written["rest"], maxsplit=1))
        allowed = Consent.of(word)
        consent = Consent(allowed.code, allowed.name, "".join(reason), revision, path, line)
        where = f"{path}:{line}"
        if consent.code and consent.code not in known:
            problem = _unknown(consent.code, known)
            unknown.append(BAD_CONSENT.found(where, problem=problem))
        elif problem := _problem(consent):
            problems.append(BAD_CONSENT.found(where, problem=problem))
        else:
            consents.append(consent)
    return ConsentComments(tuple(consents), tuple(problems), tuple(unknown))


def find_unused(consents: Iterable[Consent], used: Collection[Consent]) -> list[Finding]:
    """A note on each comment that allowed nothing.

    :param used: the consents to what was found.
    """
    return [
        UNUSED_CONSENT.found(f"{each.path}:{each.line}", word=each.word)
        for each in consents
        if each.path and each not in used
    ]


def _unknown(code: str, known: Collection[str]) -> str:
    near = nearest_code(code, known)
    return f"there is no code {code}{f', but {near}' if near else ''}"


def _problem(consent: Consent) -> str:
    """What is wrong with a comment; empty if nothing is."""
    if not consent.code:
        return "it names no code"
    return "" if consent.reason else f"it has no reason for {consent.word}"


def _comments(source: bytes) -> Iterator[tuple[int, str]]:
    """Each comment with its line, up to where Python's tokens end: text in a string is none."""
    if not _MARK.search(source):  # nearly always
        return
    import tokenize

    lines = io.BytesIO(source.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    try:
        for token in tokenize.tokenize(lines.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        return


def _source_of(revision: Revision) -> bytes:
    try:
        return read_bytes(revision.path) if revision.file else b""
    except OSError:
        return b""


def comment_for(finding: Finding) -> str:
    """The comment that allows a finding; the reason is for its author to write."""
    return f"# migrations-ops: allow {allowing_word(finding)} -- REASON"
