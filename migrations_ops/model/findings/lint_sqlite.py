"""What lint finds on SQLite."""

from __future__ import annotations

from migrations_ops.model.findings.entry import Entry

NEEDS_BATCH = Entry(
    "needs-batch",
    "error",
    "{operation} of {where} is an ALTER that SQLite does not have",
    "Do it within op.batch_alter_table(...).",
)
UNNAMED_IN_BATCH = Entry(
    "unnamed-constraint",
    "warning",
    "a {constraint} of {where} has no name in a batch, which fails unless a naming convention gives"
    " it one",
    "Give it a name.",
)
BATCH_OF_DEPENDED = Entry(
    "batch-of-table-in-use",
    "warning",
    "the batch drops {where} and renames a copy to it, and {reason}",
    "Drop what depends on it before the batch, and create it again after it.",
)
BATCH_OF_REFERRED = BATCH_OF_DEPENDED.also(
    "note",
    "the batch drops {where}, to which foreign keys of {others} lead, and renames a copy to it:"
    " where PRAGMA foreign_keys is on, a bare alembic deletes rows there with it",
)
OUTSIDE_OF_TRANSACTION = Entry(
    "transaction-control",
    "warning",
    "{where} in a revision: {reason}",
    "Leave it out; connections are configured in env.py.",
)
