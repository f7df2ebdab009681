"""What verify finds."""

from __future__ import annotations

from migrations_ops.model.findings.entry import FIX_REVISION, MEND, Entry
from migrations_ops.model.kinds import KINDS

_STRICT_DRIFT = 'drift = "strict"'

NOT_AT_HEAD = Entry(
    "not-at-head",
    "error",
    "{where} ({database}) is {state}{detail}",
    "Bring it to head: invoke release-migration",
)
UNREACHABLE = Entry("unreachable", "error", "{reason}: {advice}", MEND)
# From all other states an upgrade leads to head; these have their own codes.
NOT_UPGRADABLE = Entry(
    "{kind}",
    "error",
    "{where} ({database}) is {kind}{detail}",
    "See what to do there: invoke verify --env {environment}",
    kinds=("ahead", "diverged", "unversioned", "dirty", "unreachable"),
)
OTHER_HEADS = Entry(
    "other-heads",
    "warning",
    "the configuration expects the heads {expected}, the scripts have {heads}",
)
OTHER_VERSIONS = Entry(
    "other-versions",
    "note",
    "{where} has other version tables, which verify does not check: {tables}",
)
OTHER_VERSIONS_DIFFER = OTHER_VERSIONS.also(
    "warning",
    "{where} has other version tables of its scripts, which verify does not check and which are not"
    " where it is: {tables}",
)
DRIFT = Entry(
    "drift",
    "warning",
    "the models and {environment} differ: {where}",
    'Write the missing revision, invoke revision --message "...", or fix the models.',
    error_if=_STRICT_DRIFT,
)
DRIFT_OF_COPY = DRIFT.also("warning", "the models and {environment} would differ: {where}")
MORE_DRIFT = DRIFT.also("warning", "{more} more differences")
DRIFT_UNKNOWN = Entry(
    "drift-unknown",
    "warning",
    "{reason}",
    "Fix env.py, where the models are compared, and verify again.",
    error_if=_STRICT_DRIFT,
)
DRIFT_WITHOUT_MODELS = DRIFT_UNKNOWN.also(
    "note", "env.py sets no target_metadata, so drift cannot be detected"
)
CHANGED_BY_HAND = Entry(
    "drift-{kind}",
    "warning",
    "the {kind} {where} of {environment} was {fate} by hand since release {release}{detail}",
    "Undo that; or, if it may stay, type: invoke drift --env {environment} --accept",
    kinds=tuple(kind for kind in KINDS if kind != "statistics"),
    error_if=_STRICT_DRIFT,
)
MORE_CHANGED_BY_HAND = Entry(
    "drift-object",
    "warning",
    "{more} more objects of {where} were changed by hand: invoke drift --env {where} lists all",
    CHANGED_BY_HAND.advice,
    error_if=_STRICT_DRIFT,
)
DAMAGED = Entry(
    "damaged",
    "error",
    "{reason}",
    "Restore a backup; to list them: invoke backups --env {environment}",
)
UNCHECKED = Entry(
    "unchecked",
    "warning",
    "the {kind} {where} is known to the application's connections alone: what {users} need of it"
    ' was not checked. connect = "MODULE:FUNCTION" brings it: see docs/configuration.md',
)
UNCHECKED_INDEX = UNCHECKED.also("warning", "the index {where} was not checked: {reason}")
ORPHANS = Entry(
    "orphans", "warning", "{rows} rows of {where} refer to rows of {parent} that do not exist"
)
LEFTOVER_TABLE = Entry(
    "leftover-table",
    "error",
    "{where} is left over from an upgrade that was interrupted",
    "It may hold the only copy of rows: look first, then drop it.",
)
_UNDO = "or, if the database may stay as it is, allow it: {allow}"
EDITED_REVISION = Entry(
    "edited-revision",
    "error",
    "revision {where} was edited after {environment} had run it",
    f"Undo the edit of {{where}}; {_UNDO}",
)
SKIPPED_REVISION = Entry(
    "skipped-revision",
    "error",
    "revision {where} comes before {after}, which {environment} has run, but never ran there"
    " itself",
    f"Move {{where}} after the revisions that have run; {_UNDO}",
    # Nothing proves that what it does is there: that stays visible.
    allowed="warning",
)
MISSING_REVISION = Entry(
    "missing-revision",
    "error",
    "revision {where}, which {environment} has run, is no longer among the scripts",
    f"Fetch the script of {{where}} again; {_UNDO}",
)
LEDGER_BEHIND = Entry("ledger-behind", "warning", "{reason}")
OTHER_ENVIRONMENT = Entry(
    "other-environment",
    "error",
    "{where} ({database}) is not {where}: {reason}",
    "Restore the right one: invoke restore --env {environment} --backup latest",
)
ROWS_NOT_COMPARED = Entry(
    "rows-not-compared",
    "note",
    "{where}: other sessions may have written, so its rows were not compared with those of its"
    " backup",
)
ROWS_NOT_COMPARED_COMMANDS = ROWS_NOT_COMPARED.also(
    "note",
    "{where}: changes of its own commands cannot be distinguished from those of other sessions, so"
    " its rows"
    " were not compared with those of its backup",
)
ROWS_NOT_COMPARED_ONE_BY_ONE = ROWS_NOT_COMPARED.also(
    "warning", "the rows of {where} could not be compared one by one: {reason}"
)
ROWS_NOT_KNOWN = ROWS_NOT_COMPARED.also(
    "warning",
    "the rows of {where} were not compared: if the failed revision changed them, undo"
    " that before the next upgrade",
)
EVIDENCE_NOT_WRITTEN = Entry("evidence-not-written", "warning", "{reason}")
NOT_AS_REHEARSED = Entry(
    "not-as-rehearsed",
    "error",
    "{where} differs from the rehearsal",
    FIX_REVISION,
)
CHANGED_MEANWHILE = Entry(
    "changed-meanwhile",
    "warning",
    "{where} changed while {environment} was upgraded, but not by a revision",
)
INVALID_INDEX = Entry(
    "invalid-index",
    "warning",
    "the index {where} of {table} is INVALID: no query uses it, and no other index of that name"
    " can be created. {statement}; then create it again",
    "Drop it; or, if no pending revision creates it, allow it: {allow}",
    error_if="a protected environment has pending revisions",
)
HALF_DETACHED = Entry(
    "half-detached",
    "error",
    "the partition {where} of {parent} is half detached: ALTER TABLE {parent} DETACH PARTITION"
    " {where} FINALIZE",
    MEND,
)
