"""What lint finds on PostgreSQL."""

from __future__ import annotations

from migrations_ops.model.findings.entry import Entry

_LONG = "others are blocked for long, or the table has many rows"

INDEX_BLOCKS_WRITES = Entry(
    "index-blocks-writes",
    "warning",
    "the index {where} of {table} is built without CONCURRENTLY: nobody can write to {table}"
    " meanwhile",
    "Build it with postgresql_concurrently=True within op.get_context().autocommit_block().",
    error_if=_LONG,
)
CONCURRENTLY_IN_TRANSACTION = Entry(
    "concurrently-in-transaction",
    "error",
    "{statement} {where} CONCURRENTLY runs within a transaction, which PostgreSQL refuses",
    "Put it within op.get_context().autocommit_block().",
)
KEY_BLOCKS_READS = Entry(
    "key-blocks-reads",
    "warning",
    "the {constraint} {where} of {table} builds its index under a lock: nobody can read or write"
    " {table} meanwhile",
    "Build a unique index CONCURRENTLY, then add the constraint with USING INDEX.",
    error_if=_LONG,
)
FOREIGN_KEY_VALIDATED = Entry(
    "foreign-key-validated-at-once",
    "warning",
    "the foreign key {where} checks all rows of {table} at once: nobody can write to {table} and"
    " {target} meanwhile",
    "Add it with postgresql_not_valid=True, and run VALIDATE CONSTRAINT in a later revision.",
    error_if=_LONG,
)
CHECK_VALIDATED = Entry(
    "check-validated-at-once",
    "warning",
    "the check {where} reads all rows of {table} at once: nobody can read or write {table}"
    " meanwhile",
    "Add it as NOT VALID, and run VALIDATE CONSTRAINT in a later revision.",
    error_if=_LONG,
)
VALIDATED_TOGETHER = Entry(
    "validated-in-same-transaction",
    "warning",
    "the constraint {where} of {table} is added and validated in one transaction, which keeps the"
    " lock of the first while all rows are read",
    "Run VALIDATE CONSTRAINT in a later revision.",
    error_if=_LONG,
)
SET_NOT_NULL_SCANS = Entry(
    "set-not-null-scans",
    "warning",
    "SET NOT NULL of {where} reads all rows of {table}: nobody can read or write {table} meanwhile",
    "Add a CHECK that it IS NOT NULL as NOT VALID, and validate that before: then it reads none.",
    error_if=_LONG,
)
TYPE_REWRITES = Entry(
    "type-change-rewrites",
    "warning",
    "the new type of {where}{types} rewrites {table}: nobody can {blocked} {table} meanwhile",
    "Add a column of the new type, fill it in batches, and switch to it.",
    error_if=_LONG,
)
COLUMN_REWRITES = Entry(
    "new-column-rewrites",
    "warning",
    "the new column {where} is {reason}, so {table} is rewritten: nobody can read or write {table}"
    " meanwhile",
    "Add it as nullable without that, and fill it in batches.",
    error_if=_LONG,
)
FOREIGN_KEY_WITHOUT_INDEX = Entry(
    "foreign-key-without-index",
    "warning",
    "no index begins with {where}, which refers to {target}: each DELETE there reads all of"
    " {table}",
    "Build an index of these columns before, CONCURRENTLY.",
)
DROP_CASCADES = Entry(
    "drop-cascades",
    "warning",
    "DROP ... CASCADE of {where} also drops what depends on it, whatever that is in production",
    "Drop what depends on it by name, and leave CASCADE out.",
)
ENUM_VALUE_USED = Entry(
    "enum-value-used",
    "error",
    "the value {value} of the type {where} is used in the transaction that adds it, which"
    " PostgreSQL refuses",
    "Use it in a later revision; or add it within op.get_context().autocommit_block().",
)
STATEMENT_BLOCKS = Entry(
    "statement-blocks",
    "warning",
    "{statement} of {where} runs under a lock: nobody can {blocked} it meanwhile",
    "Use CONCURRENTLY where there is one; else do it outside of a release.",
    error_if=_LONG,
)
