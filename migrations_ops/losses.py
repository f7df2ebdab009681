"""What an upgrade made disappear, and whether the revisions said so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from migrations_ops.databases.sql_words import shown, words
from migrations_ops.facts import ColumnFact, Fact, lowered
from migrations_ops.renames import Renames
from migrations_ops.results import Finding, Fingerprint, Severity
from migrations_ops.said import Said
from migrations_ops.words import bare, counted

# What a rebuild drops in silence, as the words of a fact.
_TRAITS = ("CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "INITIALLY DEFERRED",
           "AUTOINCREMENT", "STRICT", "WITHOUT ROWID", "ON CONFLICT", "COLLATE", "DESC", "KEY",
           "UNIQUE", "WHERE")  # fmt: skip
_COLUMN_TRAITS = ("NOT NULL", "GENERATED")


def find_losses(
    before: Fingerprint,
    after: Fingerprint,
    said: Said,
    environment: str,
    gone: Mapping[str, int] | None = None,
) -> list[Finding]:
    """Compare a database before and after an upgrade; what vanished unsaid is an error.

    :param environment: whose copy was upgraded, for the messages.
    :param gone: how many rows of each table were missed, where rows were compared one by one:
        others may have taken their place in the count.
    """
    facts = {key: Fact.of(key, was) for key, was in before.schema.items()}
    renames = Renames(said.naming, after.schema)
    there = {key: renames.key(key, fact) for key, fact in facts.items()}
    gone_tables = {
        fact.table for key, fact in facts.items() if fact.kind == "table" and there[key] is None
    }
    findings, retired = [], Counter[str]()
    for key, fact in facts.items():
        key_now = there[key]
        if key_now is None:
            if fact.table in gone_tables and fact.kind not in ("table", "index", "trigger"):
                continue  # that its table vanishes says it
            if _is_check_of_boolean(fact, before, said, facts.values()):
                retired[fact.where.partition(":")[0]] += 1
                continue
            findings += _vanished(fact, before, said, environment, facts.values())
            continue
        was, now = before.schema[key], after.schema[key_now]
        findings += _changed_column(fact, was, now, said, environment)
        lost = _lost_traits(fact, renames.words(fact, was), lowered(words(now)))
        if "KEY" in lost and said.moves_key_of(fact):
            lost.remove("KEY")
        if "NOT NULL" in lost and said.alters(fact, "nullable"):
            lost.remove("NOT NULL")
        stale = renames.stale(fact, was, now)
        if (lost or stale) and not said.covers(fact, facts.values()):
            findings.append(_weakened(fact, lost, stale, environment))
    return findings + _retired(retired, environment) + _rows(before, after, said, gone or {})


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


def _changed_column(fact: Fact, was: str, now: str, said: Said, environment: str) -> list[Finding]:
    """A default that is lost or another one, a type that SQLite takes for another: unsaid."""
    if fact.kind != "column" or said.covers(fact, ()):
        return []
    before, after, changes = ColumnFact.of(was), ColumnFact.of(now), []
    if before.default != after.default and not said.alters(fact, "default"):
        changes.append("another default" if after.default else "no default any more")
    if before.affinity != after.affinity and not said.alters(fact, "type"):
        changes.append(f"the type {after.type or 'of none'} instead of {before.type or 'none'}")
    message = f"the column {fact.where} would have {' and '.join(changes)} in {environment}"
    return [Finding("changed-column", "error", message, fact.where)] if changes else []


def _lost_traits(fact: Fact, was: list[str], now: list[str]) -> list[str]:
    """Properties that a rebuild loses in silence: they are changes, not disappearances."""
    before, after = (f" {' '.join(text)} " for text in (was, now))
    return [
        trait
        for trait in (*_TRAITS, *(_COLUMN_TRAITS if fact.kind == "column" else ()))
        if f" {trait.lower()} " in before and f" {trait.lower()} " not in after
    ]


def _weakened(fact: Fact, lost: list[str], stale: Mapping[str, str], environment: str) -> Finding:
    losses = [f"would lose {', '.join(lost)}"] if lost else []
    for old, new in stale.items():
        fate = f"is {shown(new)} now" if new else "is dropped"
        losses.append(f"would still name {shown(old)}, which {fate},")
    message = f"the {fact.kind} {fact.where} {' and '.join(losses)} in {environment}"
    return Finding(_code("weakened", fact), "error", message, fact.where)


def _rows(
    before: Fingerprint, after: Fingerprint, said: Said, gone: Mapping[str, int]
) -> list[Finding]:
    findings = []
    there = {table.lower(): count for table, count in after.rows.items()}
    for table, count in before.rows.items():
        now = there.get(said.naming.table_now(table.lower()), count)
        missing = max(count - now, gone.get(table, 0))
        if missing <= 0:
            continue
        lost = f"{missing} of {count} rows of {shown(table)}"
        if said.removes_rows_of(table.lower()):
            message = f"{lost} are deleted, as the revisions say"
            findings.append(Finding("deleted-rows", "warning", message, shown(table)))
        else:
            replaced = " though others take their place" if now > count - missing else ""
            message = f"{lost} would vanish{replaced}, and no revision says so"
            findings.append(Finding("lost-rows", "error", message, shown(table)))
    return findings


def without_allowed(findings: Iterable[Finding], allowed: Iterable[str]) -> list[Finding]:
    """Make notes of errors that are meant: ``CODE`` allows all of a kind, ``CODE:WHERE`` one.

    The name may stand in the quotes of SQL or without: few shells leave such quotes alone.
    """
    names = {*allowed}
    names |= {bare(name) for name in names}

    def is_meant(each: Finding) -> bool:
        word = f"{each.code}:{each.where}"
        return each.severity == "error" and bool(names & {each.code, word, bare(word)})

    return [
        Finding(each.code, "note", f"{each.message} (allowed)", each.where)
        if is_meant(each)
        else each
        for each in findings
    ]


def _code(what: str, fact: Fact) -> str:
    return f"{what}-{fact.kind.replace(' ', '-')}"


def _rows_of(fingerprint: Fingerprint, where: str) -> int:
    return next((rows for name, rows in fingerprint.rows.items() if shown(name) == where), 0)
