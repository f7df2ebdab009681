"""What an upgrade made disappear, and whether the revisions said so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migrations_ops.databases.sql_words import Word, shown, words
from migrations_ops.results import Finding, Fingerprint, Severity
from migrations_ops.words import counted

_KINDS = ("foreign key", "primary key", "table", "column", "index", "trigger", "view", "check",
          "unique")  # fmt: skip
_CONSTRAINTS = frozenset({"foreign key", "primary key", "check", "unique"})
# What a rebuild drops in silence, as the words of a fact.
_TRAITS = ("CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "INITIALLY DEFERRED",
           "AUTOINCREMENT", "STRICT", "WITHOUT ROWID", "ON CONFLICT", "COLLATE", "DESC", "KEY",
           "UNIQUE", "WHERE")  # fmt: skip
# How Alembic calls the kinds of constraints, besides our own names.
_ALEMBIC_KINDS = {"foreignkey": "foreign key", "primary": "primary key"}
_TEMPORARY = "_alembic_tmp_"
_MAIN = ("main", ".")


@dataclass(frozen=True)
class Fact:
    """One entry of a fingerprint's schema, taken apart; names are in small letters.

    ``table`` is the one that it belongs to, and goes with; ``columns`` those that it needs.
    """

    kind: str
    where: str
    table: str = ""
    name: str = ""
    columns: frozenset[str] = frozenset()
    parent: str = ""

    @classmethod
    def of(cls, key: str, was: str) -> Fact:
        kind = next(kind for kind in _KINDS if key.startswith(f"{kind} "))
        where = key[len(kind) + 1 :]
        found, told = _lowered(words(where)), _lowered(words(was))
        match kind:
            case "table":
                return cls(kind, where, table=found[0])
            case "column":
                return cls(kind, where, found[0], found[-1], frozenset(found[-1:]))
            case "index" | "trigger":
                place = told.index("on") + 1 if "on" in told else len(told)
                table = told[place] if place < len(told) else ""
                return cls(kind, where, table, found[0], frozenset(told[place + 1 :]))
            case "view":
                return cls(kind, where, name=found[0])
            case "check":
                named = found[-1] if len(found) == 3 else ""
                return cls(kind, where, found[0], named, frozenset(told))
        name = told[-1] if "constraint" in told[:-1] else ""
        close = found.index(")")
        parent = found[-1] if kind == "foreign key" else ""
        return cls(kind, where, found[0], name, frozenset(found[2:close]), parent)


@dataclass
class Said:
    """What the revisions asked for in so many words, by operation or by statement.

    ``rebuilt`` are those of the ``tables`` that were renamed, or dropped and replaced by a renamed
    one: what SQLite's own documentation advises for a change that ALTER TABLE cannot make.
    ``constraints`` are (table, name, kind), the kind empty where it was not told.
    """

    tables: set[str] = field(default_factory=set)
    rebuilt: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    constraints: set[tuple[str, str, str]] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)

    @classmethod
    def by(
        cls, operations: Iterable[Mapping[str, Any]], statements: Iterable[Mapping[str, Any]]
    ) -> Said:
        said = cls()
        for statement in statements:
            said._read_statement(_lowered(words(statement["sql"])[:16]))
        for operation in operations:
            said._read_operation(operation)
        return said

    def _read_operation(self, operation: Mapping[str, Any]) -> None:
        table, name = ((operation[key] or "").lower() for key in ("table", "name"))
        match operation["kind"]:
            case "drop_table" | "rename_table" if table:
                self.tables.add(table)
            case "drop_column" | "rename_column":
                self.columns.add((table, name))
            case "drop_constraint":
                kind = operation.get("type") or ""
                self.constraints.add((table, name, _ALEMBIC_KINDS.get(kind, kind)))
            case "drop_index":
                self.names.add(name)

    def _read_statement(self, sql: list[str]) -> None:
        match [word for word in sql if word not in ("if", "exists", *_MAIN)]:
            case ["drop", "table", table, *_]:
                self.tables.add(table)
                self.rebuilt.discard(table)
            case ["drop", "index" | "trigger" | "view", name, *_]:
                self.names.add(name)
            case ["delete", "from", table, *_]:
                self.emptied.add(table)
            case ["alter", "table", old, "rename", "to", new, *_]:
                self._renamed(old, new)
            case ["alter", "table", table, "drop" | "rename", "column", column, *_]:
                self.columns.add((table, column))
            case ["alter", "table", table, "drop" | "rename", column, *_]:
                self.columns.add((table, column))

    def _renamed(self, old: str, new: str) -> None:
        if old.startswith(_TEMPORARY):
            # Alembic's batch mode dropped the old table: that was not the revision's wish.
            self.tables.discard(new)
            return
        self.tables.add(old)
        self.rebuilt.add(old)
        if new in self.tables:
            self.rebuilt.add(new)

    def covers(self, fact: Fact, before: Iterable[Fact]) -> bool:
        """Whether the disappearance of an object follows from what was said.

        :param before: everything that was there.
        """
        if fact.kind == "table":
            return fact.table in self.tables
        if fact.kind in ("index", "trigger"):
            # Who writes a table anew by hand writes its columns and constraints again, but
            # easily forgets that its indexes and triggers go with the old one.
            gone = fact.table in self.tables - self.rebuilt
        else:
            gone = fact.table in self.tables or fact.parent in self.tables
        if gone or (fact.kind in ("index", "trigger", "view") and fact.name in self.names):
            return True
        if fact.kind != "trigger" and any(
            table == fact.table and column in fact.columns for table, column in self.columns
        ):
            return True
        return fact.kind in _CONSTRAINTS and self._dropped(fact, before)

    def moves_key_of(self, fact: Fact) -> bool:
        """Whether the primary key of the fact's table is dropped."""
        return any(
            table == fact.table and kind == "primary key" for table, _, kind in self.constraints
        )

    def _dropped(self, fact: Fact, before: Iterable[Fact]) -> bool:
        names = {each.name for each in before if each.table == fact.table}
        for table, name, kind in self.constraints:
            if table != fact.table or kind not in ("", fact.kind):
                continue
            # A constraint without a name is dropped under the one that a naming convention
            # gives it, and which nothing in the database has.
            if name == fact.name or (not fact.name and name not in names):
                return True
        return False


def find_losses(
    before: Fingerprint, after: Fingerprint, said: Said, environment: str
) -> list[Finding]:
    """Compare a database before and after an upgrade; what vanished unsaid is an error.

    :param environment: whose copy was upgraded, for the messages.
    """
    facts = {key: Fact.of(key, was) for key, was in before.schema.items()}
    gone = {fact.table for key, fact in facts.items() if _is_gone_table(key, fact, after)}
    findings, retired = [], Counter[str]()
    for key, fact in facts.items():
        if key not in after.schema:
            if fact.table in gone and fact.kind not in ("table", "index", "trigger"):
                continue  # that its table vanishes says it
            if _is_check_of_boolean(fact, before, said, facts.values()):
                retired[fact.where.partition(":")[0]] += 1
                continue
            findings += _vanished(fact, before, said, environment, facts.values())
            continue
        lost = _lost_traits(before.schema[key], after.schema[key])
        if "KEY" in lost and said.moves_key_of(fact):
            lost.remove("KEY")
        if lost and not said.covers(fact, facts.values()):
            message = f"the {fact.kind} {fact.where} would lose {', '.join(lost)} in {environment}"
            findings.append(Finding(_code("weakened", fact), "error", message, fact.where))
    return findings + _retired(retired, environment) + _rows(before, after, said)


def _is_gone_table(key: str, fact: Fact, after: Fingerprint) -> bool:
    return fact.kind == "table" and key not in after.schema


def _is_check_of_boolean(
    fact: Fact, before: Fingerprint, said: Said, facts: Iterable[Fact]
) -> bool:
    """Whether this is the check that SQLAlchemy before 1.4 gave each of its booleans.

    Alembic's rebuild leaves unnamed checks out because of just these, which belong to the type
    and not to the table, and which nobody ever wrote.
    """
    if fact.kind != "check" or fact.name or said.covers(fact, facts):
        return False
    was = [word.text.lower() for word in words(before.schema[f"check {fact.where}"])]
    match was:
        case [column, "in", "(", "0", ",", "1", ")"]:
            return any(
                (each.kind, each.table, each.name) == ("column", fact.table, column)
                and before.schema[f"column {each.where}"].lower().startswith("bool")
                for each in facts
            )
    return False


def _retired(by_table: Counter[str], environment: str) -> list[Finding]:
    return [
        Finding(
            "lost-check",
            "warning",
            f"{table} would lose {counted(count, 'unnamed check')} of its booleans in"
            f" {environment}, as SQLAlchemy made them before 1.4 and does not any more",
            table,
        )
        for table, count in by_table.items()
    ]


def _vanished(
    fact: Fact, before: Fingerprint, said: Said, environment: str, facts: Iterable[Fact]
) -> list[Finding]:
    rows = _rows_of(before, fact.where) if fact.kind == "table" else 0
    filled = f" with its {rows} rows" if rows else ""
    what = f"the {fact.kind} {fact.where}{filled}"
    if not said.covers(fact, facts):
        message = f"{what} would vanish from {environment}, and no revision says so"
        return [Finding(_code("lost", fact), "error", message, fact.where)]
    if fact.kind not in ("table", "column"):
        return []
    severity: Severity = "warning" if rows else "note"
    message = f"{what} is dropped, as the revisions say"
    return [Finding(_code("dropped", fact), severity, message, fact.where)]


def _lost_traits(was: str, now: str) -> list[str]:
    """Properties that a rebuild loses in silence: they are changes, not disappearances."""
    before, after = (f" {' '.join(_lowered(words(text)))} " for text in (was, now))
    return [
        trait
        for trait in _TRAITS
        if f" {trait.lower()} " in before and f" {trait.lower()} " not in after
    ]


def _rows(before: Fingerprint, after: Fingerprint, said: Said) -> list[Finding]:
    findings = []
    for table, count in before.rows.items():
        now = after.rows.get(table)
        if now is None or now >= count:
            continue
        name, lost = table.lower(), f"{count - now} of {count} rows of {shown(table)}"
        if name in said.emptied or name in said.tables - said.rebuilt:
            message = f"{lost} are deleted, as the revisions say"
            findings.append(Finding("deleted-rows", "warning", message, shown(table)))
        else:
            message = f"{lost} would vanish, and no revision says so"
            findings.append(Finding("lost-rows", "error", message, shown(table)))
    return findings


def without_allowed(findings: Iterable[Finding], allowed: Iterable[str]) -> list[Finding]:
    """Make notes of errors that are meant: ``CODE`` allows all of a kind, ``CODE:WHERE`` one."""
    names = set(allowed)
    return [
        Finding(finding.code, "note", f"{finding.message} (allowed)", finding.where)
        if finding.severity == "error" and names & {finding.code, f"{finding.code}:{finding.where}"}
        else finding
        for finding in findings
    ]


def _code(what: str, fact: Fact) -> str:
    return f"{what}-{fact.kind.replace(' ', '-')}"


def _rows_of(fingerprint: Fingerprint, where: str) -> int:
    return next((rows for name, rows in fingerprint.rows.items() if shown(name) == where), 0)


def _lowered(found: list[Word]) -> list[str]:
    return [word.text.lower() for word in found]
