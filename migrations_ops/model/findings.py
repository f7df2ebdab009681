"""The catalogue of findings: for each code its severity, its sentence, and what to do.

All checks make their findings from these entries::

    ORPHANS.found(child, rows=3, parent=parent)

A code and its severities are a contract: ``--allow`` names the code, and other programs read it.
docs/findings.md describes each code under a heading of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from migrations_ops.model.kinds import KINDS

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. ``allow`` and ``--allow`` refer to its ``code``."""

    code: str
    severity: Severity
    message: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One sentence of the catalogue.

    :param code: the code; a code that depends on the kind of an object has ``{kind}`` in it.
    :param sentence: has its values in braces; ``{where}`` is the object of the finding.
    :param advice: what to do about an error; may contain ``{where}``, ``{environment}`` and
        ``{allow}``, the words that allow only this finding.
    :param kinds: the values of ``{kind}``.
    :param error_if: the condition under which a warning is an error instead, as text; empty for
        never.
    :param allowed: what an error becomes where it is allowed.
    """

    code: str
    severity: Severity
    sentence: str
    advice: str = ""
    kinds: tuple[str, ...] = ()
    error_if: str = ""
    allowed: Severity = "note"

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(self._code(kind) for kind in self.kinds or ("",))

    def found(self, where: str, *, strict: bool = False, **values: object) -> Finding:
        """The finding.

        :param where: its object, as in ``--allow CODE:WHERE``.
        :param strict: whether the condition ``error_if`` is met.
        :param values: the values in the braces of the sentence, and ``kind`` if the code needs it.
        """
        message = self.sentence.format(where=where, **values)
        found = Finding(self._code(str(values.get("kind", ""))), self.severity, message, where)
        return self.stricter(found) if strict else found

    def stricter(self, found: Finding) -> Finding:
        """The same finding as an error, where ``error_if`` is known only later."""
        is_stricter = found.code in self.codes and self.error_if
        return replace(found, severity="error") if is_stricter else found

    def also(self, severity: Severity, sentence: str) -> Entry:
        """Another sentence of the same code."""
        return replace(self, severity=severity, sentence=sentence)

    def _code(self, kind: str) -> str:
        return self.code.format(kind=kind.replace(" ", "-"))


_FIX_REVISION = "Fix the revision; or, if it is intended, allow it: {allow}"
# What doctor itself leaves out.
DOCTOR_LISTS = "; invoke doctor lists everything that is missing"
_MEND = f"Fix that, then run the same command again{DOCTOR_LISTS}."
_STRICT_DRIFT = 'drift = "strict"'

# -- what the rehearsal finds lost ------------------------------------------------------------

LOST = Entry(
    "lost-{kind}",
    "error",
    "the {kind} {where}{filled} would vanish from {environment}, and no revision declares it",
    _FIX_REVISION,
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
    _FIX_REVISION,
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
    _FIX_REVISION,
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
    _FIX_REVISION,
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
DROPPED = Entry(
    "dropped-{kind}",
    "note",
    "the {kind} {where} is dropped, as the revisions declare",
    kinds=("table", "column", "attribute"),
)
DROPPED_WITH_ROWS = DROPPED.also(
    "warning", "the {kind} {where}{filled} is dropped, as the revisions declare"
)
LOST_ROWS = Entry(
    "lost-rows",
    "error",
    "{rows} rows of {where} would vanish{replaced}, and no revision declares it",
    _FIX_REVISION,
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

# -- what the rehearsal finds changed ---------------------------------------------------------

CHANGED_VALUES = Entry(
    "changed-values",
    "error",
    "{values} of {where} would change in {environment}, and no revision declares it: a {example}",
    _FIX_REVISION,
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
    _FIX_REVISION,
)
REUSED_IDS = Entry(
    "reused-ids",
    "error",
    "{where} would reuse ids in {environment}: the next id would be {now} instead of {was}",
    _FIX_REVISION,
)
NEW_ORPHANS = Entry(
    "new-orphans",
    "error",
    "{rows} of {where} would refer to rows of {parent} that do not exist in {environment}",
    _FIX_REVISION,
)
RENUMBERED_ROWS = Entry(
    "renumbered-rows",
    "warning",
    "the rows of {where} would get different rowids in {environment}: references by rowid would"
    " find other rows",
)

# -- what the rehearsal finds besides ---------------------------------------------------------

DOWNGRADE_FAILS = Entry("downgrade-fails", "warning", "the downgrade fails{revision}: {reason}")
DOWNGRADE_NOT_INVERSE = Entry(
    "downgrade-not-inverse",
    "warning",
    "the downgrade does not restore the schema that {where} has now",
)
UPGRADE_NOT_REPEATABLE = Entry(
    "upgrade-not-repeatable",
    "warning",
    "up, down and up again ends with a different schema than up alone",
)
UPGRADE_FAILS_AGAIN = UPGRADE_NOT_REPEATABLE.also(
    "warning", "up, down and up again fails{revision}: {reason}"
)

# -- what a release finds besides -------------------------------------------------------------

BACKUP_IN_DOUBT = Entry(
    "backup-in-doubt", "warning", "{backup} is suspect, and never the latest: {reason}"
)
BACKUPS_KEPT = Entry("backups-kept", "warning", "{reason}")
CLOCK_BEHIND = Entry(
    "clock-behind",
    "warning",
    "{what} is from {time}, which is later than the clock of this host shows: new backups and"
    " records of {where} count as newer all the same",
)
SIDECAR_WRONG = Entry(
    "sidecar-wrong",
    "warning",
    "the sidecar of {backup} describes another content than the backup has: {differing}; {where} is"
    " equal to the backup itself",
)
RESTORE_RESUMED = Entry("restore-taken-up", "warning", "{what}")

COPY_LEFT = Entry(
    "copy-left",
    "warning",
    "the copy {where} of {database} could not be dropped, and uses disk space until a later task"
    " can drop it: {reason}",
)

# -- what verify finds ------------------------------------------------------------------------

NOT_AT_HEAD = Entry(
    "not-at-head",
    "error",
    "{where} ({database}) is {state}{detail}",
    "Bring it to head: invoke release-migration",
)
UNREACHABLE = Entry("unreachable", "error", "{reason}: {advice}", _MEND)
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
    _FIX_REVISION,
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
    _MEND,
)

# -- what doctor finds ------------------------------------------------------------------------

SELECTOR_SET = Entry(
    "selector-set",
    "warning",
    "{where}={value} is set in this shell: {effect}. To clear it: unset {where}, in PowerShell"
    " Remove-Item Env:\\{where}",
)
VARIABLE_SET = Entry(
    "variable-set",
    "note",
    "{where} is set in this shell; tasks ignore it, a bare alembic may not",
)
UNUSABLE = Entry("unusable", "error", "{where}: {reason}", _MEND)
UNUSABLE_STORE = UNUSABLE.also("error", "{reason}")
ELSEWHERE = Entry(
    "elsewhere",
    "error",
    "{where}: {reason}",
    "Configure how env.py gets its URL: variables, x, or ini_url = true.",
)
ENV_PY_FAILS = Entry(
    "env-py-fails", "error", "{environment}: {reason}", "Fix what fails there: {where}"
)
NO_PLUGIN = Entry(
    "no-plugin",
    "note",
    "migrations_ops is not installed for {python}: tasks work, but a bare alembic there is not"
    " protected",
)
STATE = Entry(
    "state",
    "error",
    "{where} ({database}) is {state}{detail}",
    "See what to do there: invoke verify --env {environment}",
)
STATE_PENDING = STATE.also("note", "{where} ({database}) is {state}, {pending} pending")
STATE_AT_HEAD = STATE.also("note", "{where} ({database}) is at head")
# -- what is found before a release -----------------------------------------------------------

NO_CLIENTS = Entry("no-clients", "error", "{reason}", _MEND)
NO_COPIES = Entry(
    "no-copies", "error", "no backup could be verified by restoring it: {reason}", _MEND
)
NO_COPIES_ALLOWED = NO_COPIES.also(
    "error",
    "{where} may not create databases on {server}, so no backup could be verified by restoring it."
    " {grant}; or configure a database on another server for the copies: scratch_url",
)
NO_WHOLE_COPY = NO_COPIES.also("error", "no backup of {database} could be complete: {reason}")
NO_BACKUP = NO_COPIES.also("error", "no backup of {database} could be taken: {reason}")
NO_RESTORE = Entry(
    "no-restore",
    "error",
    "no backup of {database} could be restored: {reason}",
    "Fix that; or, if you would restore a backup by hand, allow it: {allow}",
)
NAMES_ITSELF = Entry(
    "names-itself",
    "error",
    "the {where} names its own database, {name}: in the copy of a rehearsal it would still write"
    " to {database}. Recreate it without that name",
    _MEND,
)
_IF_MEANT = "Fix that; or, if it is intended: {allow}"
NAMES_ENVIRONMENT = Entry(
    "names-environment",
    "error",
    "the {where} names {database}, the database of {environment}: changes made here would reach"
    " that database. Recreate it without that name",
    _IF_MEANT,
)
NAMES_ANOTHER = Entry(
    "names-another",
    "error",
    "the {where} writes to another database, {database}: the rehearsal on a copy would write there"
    " too. Have the copies created on a server without that database: scratch_url",
    _IF_MEANT,
)
LONG_REVISION_ID = Entry(
    "long-revision-id",
    "error",
    "the id {where} has {length} characters, and {table}.version_num of {environment} takes"
    " {width}",
    "Make that column longer, or give the revision a shorter id; or, if it is made longer before:"
    " {allow}",
)
SETTING_LEFT_OUT = Entry(
    "setting-left-out",
    "warning",
    "a restore of {database} would leave out {setting}, and report that: {reason}",
)
EXTENSION_ROWS = Entry(
    "extension-rows",
    "error",
    "no dump contains the rows of {where}, a table of the extension {extension}: a restore of"
    " {database} would have only those that CREATE EXTENSION creates",
    "Keep such rows in a table of your own; or, if a backup may lack them: {allow}",
)
EXTENSION_VERSION = Entry(
    "extension-version",
    "warning",
    "the extension {where} is version {has} in {database}, and a restore would make version {gets}:"
    " ALTER EXTENSION {where} UPDATE",
)
PUBLISHED_TABLE = Entry(
    "published-table",
    "warning",
    "{where} changes, and its rows are sent to subscribers by {publications}: replication stops"
    " there until the subscribers' table has the same change; what is added goes there first",
)
STANDBY_SILENT = Entry(
    "standby-silent",
    "error",
    "each commit on the server of {database} waits for the synchronous standby {where}, which does"
    " not answer: bring it up, or take it out of synchronous_standby_names",
    _MEND,
)
PREPARED_TRANSACTION = Entry(
    "prepared-transaction",
    "warning",
    "the prepared transaction {where} of {owner} is open in {database} since {since}, and keeps"
    " its locks until it is ended; if it was forgotten, run there: {statement}",
)
REPLICATION_SLOT = Entry(
    "replication-slot",
    "warning",
    "the logical replication slot {where} reads {database}: after a restore it would stay with the"
    " replaced database, receive nothing new, and retain the server's WAL until it is dropped:"
    " SELECT pg_drop_replication_slot('{where}')",
)
SUBSCRIPTION = Entry(
    "subscription",
    "warning",
    "the subscription {where} writes rows into {database}: no backup contains it, so it must be"
    " created again after a restore{refused}",
)
POOLER = Entry(
    "pooler",
    "error",
    "between this machine and {where} is {what}, which multiplexes the server's sessions: two"
    " releases could both hold the same lock. Give the environment the address of the server"
    " itself",
    _MEND,
)
ENGINE_UNTESTED = Entry(
    "engine-untested",
    "error",
    "{database} is {engine}, which is not tested: see docs/engines.md",
    "If you have tested it yourself: engine_untested = true in environments.{environment}",
)

CATALOGUE = tuple(each for each in globals().values() if isinstance(each, Entry))
CODES = {code: entry for entry in reversed(CATALOGUE) for code in entry.codes}
