"""What is found in the comments of revisions that allow findings."""

from __future__ import annotations

from migrations_ops.model.findings.entry import Entry

BAD_CONSENT = Entry(
    "bad-allow",
    "error",
    "the comment in {where} allows nothing: {problem}",
    "Write it as: # migrations-ops: allow CODE:NAME -- REASON. Or leave it as it is: {allow}",
)
UNUSED_CONSENT = Entry(
    "unused-allow",
    "note",
    "the comment in {where} allows {word}, and nothing like that is found",
)
