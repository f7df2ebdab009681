"""What lint finds on MariaDB."""

from __future__ import annotations

from migrations_ops.model.findings.entry import Entry

ATTRIBUTES_DROPPED = Entry(
    "modify-drops-attributes",
    "warning",
    "{statement} of {where} defines the whole column again, and drops what it does not name:"
    " {attributes}",
    "Name them again; for op.alter_column as existing_nullable, existing_server_default and so on.",
)
ENUM_CHANGED = Entry(
    "enum-values-changed",
    "warning",
    "the values of {where} are not those that it had with new ones at the end ({changed}): the"
    " table is copied, and rows with a value that is gone are refused or emptied",
    "Append new values only; move the rows off a value before it goes.",
)
CHARSET_CONVERTED = Entry(
    "charset-converted",
    "warning",
    "CONVERT TO CHARACTER SET copies {where}: nobody can write to it meanwhile, and long texts may"
    " get another type",
    "Convert column by column, with the type named, while nobody needs the table.",
    error_if="others are blocked for long, or the table has many rows",
)
FOREIGN_KEY_TYPES_DIFFER = Entry(
    "foreign-key-types-differ",
    "error",
    "{where} is {type}, and {target} that it refers to is {target_type}: MariaDB refuses the"
    " foreign key",
    "Give both columns the same type.",
)
SEVERAL_DDL = Entry(
    "several-ddl-statements",
    "note",
    "rows can make a statement of {where} fail after others, which are committed and stay",
    "Write it as a revision of its own, or join the actions of one table in one ALTER TABLE.",
)
