"""What the rehearsal finds besides."""

from __future__ import annotations

from migrations_ops.model.findings.entry import Entry

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
