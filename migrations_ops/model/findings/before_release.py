"""What is found before a release."""

from __future__ import annotations

from migrations_ops.model.findings.entry import MEND, Entry

NO_CLIENTS = Entry("no-clients", "error", "{reason}", MEND)
NO_COPIES = Entry(
    "no-copies", "error", "no backup could be verified by restoring it: {reason}", MEND
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
    MEND,
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
    MEND,
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
    MEND,
)
ENGINE_UNTESTED = Entry(
    "engine-untested",
    "error",
    "{database} is {engine}, which is not tested: see docs/engines.md",
    "If you have tested it yourself: engine_untested = true in environments.{environment}",
)
