"""What a release finds besides."""

from __future__ import annotations

from migrations_ops.model.findings.entry import Entry

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
HOOK_FAILED = Entry(
    "hook-failed",
    "warning",
    "the hook {where} ({command}) {reason}; what it printed is in {log}",
)
