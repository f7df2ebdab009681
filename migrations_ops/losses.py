"""What an upgrade made disappear, and whether the revisions said so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migrations_ops.results import Finding, Fingerprint, Severity

_KINDS = {
    "table": "table",
    "column": "column",
    "index": "index",
    "trigger": "trigger",
    "view": "view",
    "foreign key": "foreign-key",
    "check": "check",
    "unique": "unique",
    "primary key": "primary-key",
}
_NAME = r"[\"'`\[]?([\w$]+)[\"'`\]]?"
_DROP = re.compile(
    rf"\s*DROP\s+(TABLE|INDEX|TRIGGER|VIEW)\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.IGNORECASE
)
_DROP_COLUMN = re.compile(
    rf"\s*ALTER\s+TABLE\s+{_NAME}\s+DROP\s+(?:COLUMN\s+)?{_NAME}", re.IGNORECASE
)
_RENAME_TABLE = re.compile(rf"\s*ALTER\s+TABLE\s+{_NAME}\s+RENAME\s+TO\s+{_NAME}", re.IGNORECASE)
_RENAME_COLUMN = re.compile(
    rf"\s*ALTER\s+TABLE\s+{_NAME}\s+RENAME\s+(?:COLUMN\s+)?{_NAME}\s+TO\s+{_NAME}", re.IGNORECASE
)
_DELETE = re.compile(rf"\s*DELETE\s+FROM\s+{_NAME}", re.IGNORECASE)
_BOOLEAN = re.compile(r"(\w+) IN\(0,1\)", re.IGNORECASE)
_TEMPORARY = "_alembic_tmp_"


@dataclass
class Said:
    """What the revisions asked for in so many words, by operation or by statement."""

    tables: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)

    @classmethod
    def by(
        cls, operations: Iterable[Mapping[str, Any]], statements: Iterable[Mapping[str, Any]]
    ) -> Said:
        said = cls()
        rebuilt = set()
        for statement in statements:
            rebuilt |= said._read_statement(statement["sql"])
        # A batch rebuild drops the old table itself: that is not the revision's wish.
        said.tables -= rebuilt
        for operation in operations:
            said._read_operation(operation)
        return said

    def _read_operation(self, operation: Mapping[str, Any]) -> None:
        table, name = operation["table"] or "", operation["name"] or ""
        match operation["kind"]:
            case "drop_table" | "rename_table":
                self.tables.add(table)
            case "drop_column":
                self.columns.add((table, name))
            case "drop_constraint":
                self.names.add(name)
                self.altered.add(table)
            case "drop_index":
                self.names.add(name)

    def _read_statement(self, sql: str) -> set[str]:
        """Note what a statement drops; returns the table that a batch rebuild has replaced."""
        if found := _RENAME_TABLE.match(sql):
            if found.group(1).startswith(_TEMPORARY):
                return {found.group(2)}
            self.tables.add(found.group(1))
        elif found := _DROP.match(sql):
            target = self.tables if found.group(1).upper() == "TABLE" else self.names
            target.add(found.group(2))
        elif found := _DROP_COLUMN.match(sql) or _RENAME_COLUMN.match(sql):
            self.columns.add((found.group(1), found.group(2)))
        elif found := _DELETE.match(sql):
            self.emptied.add(found.group(1))
        return set()

    def covers(self, kind: str, name: str, was: str) -> bool:
        """Whether the disappearance of an object follows from what was said."""
        if kind == "table":
            return name in self.tables
        table = re.split(r"[.(:\s]", name, maxsplit=1)[0]
        if table in self.tables:
            return True
        words = set(re.findall(r"[\w$]+", f"{name} {was}"))
        on_dropped_column = any(column in words for _, column in self.columns)
        if kind == "column":
            return (table, name.partition(".")[2]) in self.columns
        return bool(words & self.names) or on_dropped_column or bool(words & self.tables)


def find_losses(
    before: Fingerprint, after: Fingerprint, said: Said, environment: str
) -> list[Finding]:
    """Compare a database before and after an upgrade; what vanished unsaid is an error.

    :param environment: whose copy was upgraded, for the messages.
    """
    findings = []
    retired: dict[str, list[str]] = {}
    for key, was in before.schema.items():
        if key in after.schema:
            continue
        kind, name = _split(key)
        rows = before.rows.get(name, 0) if kind == "table" else 0
        filled = f" with its {rows} rows" if rows else ""
        if said.covers(kind, name, was):
            if kind in ("table", "column"):
                message = f"the {kind} {name}{filled} is dropped, as the revisions say"
                severity: Severity = "warning" if rows else "note"
                findings.append(Finding(f"dropped-{kind}", severity, message, name))
            continue
        if table := _table_of_boolean(key, was, before):
            retired.setdefault(table, []).append(was)
            continue
        message = (
            f"the {kind} {name}{filled} would vanish from {environment}, and no revision says so"
        )
        findings.append(Finding(f"lost-{_KINDS[kind]}", "error", message, name))
    findings += _retired_checks(retired, environment)
    return findings + _changed(before, after, said, environment) + _rows(before, after, said)


def _table_of_boolean(key: str, was: str, before: Fingerprint) -> str:
    """The table, if this is the check that SQLAlchemy before 1.4 gave each of its booleans.

    Alembic's rebuild leaves unnamed checks out because of just these, which belong to the type
    and not to the table, and which nobody ever wrote.
    """
    found = _BOOLEAN.fullmatch(was)
    table = key.removeprefix("check ").removesuffix(f": {was}")
    if found is None or key != f"check {table}: {was}":
        return ""
    kind = before.schema.get(f"column {table}.{found.group(1)}", "")
    return table if kind.upper().startswith("BOOL") else ""


def _retired_checks(by_table: Mapping[str, list[str]], environment: str) -> list[Finding]:
    return [
        Finding(
            "lost-check",
            "warning",
            f"{table} would lose the unnamed check {checks[0]}"
            + (f" and {len(checks) - 1} more like it" if len(checks) > 1 else "")
            + f" in {environment}: SQLAlchemy has not made them for booleans since 1.4",
            table,
        )
        for table, checks in by_table.items()
    ]


def _changed(
    before: Fingerprint, after: Fingerprint, said: Said, environment: str
) -> list[Finding]:
    """Properties that a rebuild loses in silence: they are changes, not disappearances."""
    findings = []
    for key, was in before.schema.items():
        now = after.schema.get(key)
        if now is None or now == was:
            continue
        kind, name = _split(key)
        lost = [word for word in ("CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT",
                                  "AUTOINCREMENT", "STRICT", "WITHOUT ROWID", "COLLATE", "DESC")
                if word in was and word not in now]  # fmt: skip
        table = re.split(r"[.(:\s]", name, maxsplit=1)[0]
        if lost and not (kind == "foreign key" and table in said.altered):
            message = f"the {kind} {name} would lose {', '.join(lost)} in {environment}"
            findings.append(Finding(f"weakened-{_KINDS[kind]}", "error", message, name))
    return findings


def _rows(before: Fingerprint, after: Fingerprint, said: Said) -> list[Finding]:
    findings = []
    for table, count in before.rows.items():
        now = after.rows.get(table)
        if now is None or now >= count:
            continue
        if table in said.emptied:
            message = f"{count - now} of {count} rows of {table} are deleted, as the revisions say"
            findings.append(Finding("deleted-rows", "warning", message, table))
        else:
            message = (
                f"{count - now} of {count} rows of {table} would vanish, and no revision says so"
            )
            findings.append(Finding("lost-rows", "error", message, table))
    return findings


def without_allowed(findings: Iterable[Finding], allowed: Iterable[str]) -> list[Finding]:
    """Turn the errors that are meant into notes: ``CODE`` allows all of a kind, ``CODE:WHERE`` one."""
    names = set(allowed)
    return [
        Finding(finding.code, "note", f"{finding.message} (allowed)", finding.where)
        if finding.severity == "error" and names & {finding.code, f"{finding.code}:{finding.where}"}
        else finding
        for finding in findings
    ]


def _split(key: str) -> tuple[str, str]:
    for kind in ("foreign key", "primary key"):
        if key.startswith(f"{kind} "):
            return kind, key[len(kind) + 1 :]
    kind, _, name = key.partition(" ")
    return kind, name
