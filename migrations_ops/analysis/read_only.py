"""Recognises, from their text only, statements that change no row even if they fail."""

from __future__ import annotations

from itertools import pairwise

from migrations_ops.child.protocol.calls import calls
from migrations_ops.child.protocol.sql import Token, tokens

# The parent gets no more of a text than this, so the rest is unknown.
_LONGEST = 4000
_ALTERS_NO_ROW = (("DETACH", "PARTITION"), ("VALIDATE", "CONSTRAINT"), ("ADD", "VALUE"))


def only_reads(sql: str) -> bool:
    """Whether a statement only reads, or works on indexes concurrently.

    A function that it calls may still write.
    """
    found = _single(sql)
    if not found:
        return False
    if found[0].means("SELECT", "SHOW"):
        return True
    if found[0].means("SET"):
        return not (len(found) > 1 and found[1].means("PASSWORD", "STATEMENT", "DEFAULT"))
    return _is_on_index(found)


def changes_no_row(sql: str) -> bool:
    """Whether a statement that commits by itself can have changed no row."""
    found = _single(sql)
    if not found:
        return False
    if found[0].means("SELECT"):
        return not calls(found)
    if found[0].means("ALTER"):
        return found[1:2] != [] and found[1].means("TYPE", "TABLE") and _alters_no_row(found)
    return found[0].means("VACUUM", "ANALYZE") or only_reads(sql)


def _single(sql: str) -> list[Token]:
    """The words of a single statement; none of anything else."""
    if len(sql) >= _LONGEST:
        return []
    found = tokens(sql, "postgresql")
    while found and found[-1].means(";"):
        found.pop()
    return [] if any(word.means(";") for word in found) else found


def _is_on_index(found: list[Token]) -> bool:
    if found[0].means("REINDEX"):
        return True
    if not found[0].means("CREATE", "DROP"):
        return False
    rest = [word for word in found[1:4] if not word.means("UNIQUE")]
    return len(rest) > 1 and rest[0].means("INDEX") and rest[1].means("CONCURRENTLY")


def _alters_no_row(found: list[Token]) -> bool:
    """Whether it has a single alteration, which touches no row."""
    if any(word.means(",") for word in found):
        return False
    return any(
        one.means(first) and other.means(second)
        for one, other in pairwise(found)
        for first, second in _ALTERS_NO_ROW
    )
