"""What the rehearsal finds changed."""

from __future__ import annotations

from migrations_ops.model.findings.entry import FIX_REVISION, Entry

CHANGED_VALUES = Entry(
    "changed-values",
    "error",
    "{values} of {where} would change in {environment}, and no revision declares it: a {example}",
    FIX_REVISION,
)
CHANGED_VALUES_LOSSY = CHANGED_VALUES.also(
    "error",
    "{values} of {where} would not survive the change of its type in {environment}: a {example}",
)
CHANGED_VALUES_CAST = CHANGED_VALUES.also(
    "warning", "{values} of {where} would not survive a CAST of the revisions: a {example}"
)
CHANGED_VALUES_DECLARED = CHANGED_VALUES.also(
    "note", "{values} of {where} {change}, as the revisions declare"
)
CHANGED_VALUES_KEPT = CHANGED_VALUES.also(
    "note", "{values} of {where} {change} type, and none is lost"
)
CHANGED_VALUES_SINCE_BACKUP = CHANGED_VALUES.also(
    "warning",
    "the rows of {where} differ from {backup}: if the failed revision changed them,"
    " undo that before the next upgrade",
)
CHANGED_COLUMN = Entry(
    "changed-column",
    "error",
    "the column {where} would have {changes} in {environment}",
    FIX_REVISION,
)
REUSED_IDS = Entry(
    "reused-ids",
    "error",
    "{where} would reuse ids in {environment}: the next id would be {now} instead of {was}",
    FIX_REVISION,
)
NEW_ORPHANS = Entry(
    "new-orphans",
    "error",
    "{rows} of {where} would refer to rows of {parent} that do not exist in {environment}",
    FIX_REVISION,
)
RENUMBERED_ROWS = Entry(
    "renumbered-rows",
    "warning",
    "the rows of {where} would get different rowids in {environment}: references by rowid would"
    " find other rows",
)
