"""What lint finds on any engine."""

from __future__ import annotations

from migrations_ops.model.findings.entry import Entry

NOT_NULL_WITHOUT_DEFAULT = Entry(
    "not-null-without-default",
    "error",
    "the column {where} is added as NOT NULL without a default, which fails as soon as its table"
    " has rows",
    "Add it with a server_default; or as nullable, fill it, and make it NOT NULL then.",
)
IMPLICIT_DEFAULT = NOT_NULL_WITHOUT_DEFAULT.also(
    "warning",
    "the column {where} is added as NOT NULL without a default: rows that are there get 0 or an"
    " empty text",
)
WRITE_WITHOUT_CONDITION = Entry(
    "write-without-condition",
    "warning",
    "{verb} of {where} has no condition: {effect}",
    "Restrict it with WHERE, or do it in batches that are committed one by one.",
    error_if="the table has many rows",
)
OTHERS_BLOCKED = Entry(
    "others-blocked",
    "warning",
    "in the rehearsal of {revision}, nobody could {blocked} {where} for {seconds} s",
    "Look in the plan for the statement, and split the revision before or after it.",
    error_if="it is long",
)
RENAMED = Entry(
    "renamed-{kind}",
    "warning",
    "the {kind} {where} is renamed to {to}: code that still runs with the old name fails",
    "Add the new one, write to both, and drop the old one in a later release.",
    kinds=("table", "column"),
)
MODEL_IMPORTED = Entry(
    "model-imported",
    "warning",
    "the revision works with {where} of the application: what it does changes with that code",
    "Write the table out in the revision: sa.table(...) with the columns that it needs.",
)
ERROR_SWALLOWED = Entry(
    "error-swallowed",
    "warning",
    "an except catches {where} around a change of the schema and goes on: the revision counts as"
    " done although its change may be missing",
    "Ask for the condition first, with IF EXISTS or an inspector, and let errors out.",
)
SECOND_CONNECTION = Entry(
    "second-connection",
    "warning",
    "the revision opens a connection of its own by {where}: what it does there is outside of the"
    " transaction, and waits for its locks",
    "Use the connection of the revision: op.get_bind().",
)
