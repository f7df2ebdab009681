"""What the rehearsal finds lost."""

from __future__ import annotations

from migrations_ops.model.findings.entry import FIX_REVISION, Entry
from migrations_ops.model.kinds import KINDS

LOST = Entry(
    "lost-{kind}",
    "error",
    "the {kind} {where}{filled} would vanish from {environment}, and no revision declares it",
    FIX_REVISION,
    kinds=KINDS,
)
LOST_CHECKS_OF_BOOLEANS = Entry(
    "lost-check",
    "warning",
    "{where} would lose {checks} of its booleans in {environment}, which SQLAlchemy created before"
    " 1.4 and no longer does",
)
WEAKENED = Entry(
    "weakened-{kind}",
    "error",
    "the {kind} {where} {losses} in {environment}",
    FIX_REVISION,
    kinds=KINDS,
)
LOST_WITH_DROPPED = Entry(
    "lost-index",
    "warning",
    "the index {where} goes with a table that a revision drops and replaces in {environment}, and"
    " the new one has none like it",
)
LOST_WITH_COLUMN = Entry(
    "lost-{kind}",
    "warning",
    "the {kind} {where} goes with a column that a revision drops and replaces in {environment}, and"
    " the new one has none like it",
    FIX_REVISION,
    kinds=("index", "unique", "check", "foreign key", "primary key"),
)
WEAKENED_IN_NEW_TABLE = Entry(
    "weakened-column",
    "warning",
    "the column {where} may be NULL in the table that replaces the old one in {environment}",
)
LOST_TO_MOVED = LOST.also(
    "error",
    "the {kind} {where} would belong to {moved} in {environment}, and the new {table} has none"
    " like it",
)
REFERS_TO_MOVED = WEAKENED.also(
    "error", "the {kind} {where} would refer to {moved} in {environment}, not to the new {table}"
)
BROKEN = Entry(
    "broken-{kind}",
    "warning",
    "the {kind} {where} does not work: {reason}",
    FIX_REVISION,
    kinds=("trigger", "view", "foreign key", "function", "procedure", "event"),
    error_if="the upgrade broke it",
)
BROKEN_INDEX = Entry(
    "broken-index",
    "warning",
    "the index {where} does not work: {reason}",
    "Run that statement in the revision, after its change; in a database that is at head, by hand."
    " Or, if that is meant, allow it: {allow}",
    error_if="the upgrade has broken it, or verify finds it",
)
DROPPED_ATTRIBUTE = Entry(
    "dropped-attribute",
    "note",
    "the attribute {where} is dropped, as the revisions declare",
)
DROPPED = Entry(
    "dropped-{kind}",
    "note",
    "the {kind} {where} is dropped, as the revisions declare",
    FIX_REVISION,
    kinds=("table", "column"),
    error_if="the environment is protected",
)
DROPPED_WITH_CONTENT = DROPPED.also(
    "warning", "{by} would drop the {kind} {where} of {environment} with its {content}"
)
DROPPED_IN_SOURCE = DROPPED.also(
    "warning", "the {kind} {where} is dropped, with all that it contains"
)
LOST_ROWS = Entry(
    "lost-rows",
    "error",
    "{rows} rows of {where} would vanish{replaced}, and no revision declares it",
    FIX_REVISION,
)
DELETED_ROWS = Entry(
    "deleted-rows", "warning", "{rows} rows of {where} are deleted, as the revisions declare"
)
LEFT_ROWS = DELETED_ROWS.also(
    "warning", "{rows} rows of {where} are left in {moved}, and not in the table that replaces it"
)
DELETED_ROWS_BY_TRIGGER = DELETED_ROWS.also(
    "warning",
    "{rows} rows of {where} are deleted by the trigger {trigger}, which the revisions fire",
)
