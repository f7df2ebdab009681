"""Finds what disappeared in an upgrade without being declared by its revisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from migrations_ops.analysis.declared import Declared
from migrations_ops.analysis.moved_tables import find_left_behind, moved_tables
from migrations_ops.analysis.renames import Renames
from migrations_ops.analysis.schema_facts import ColumnFact, Fact, lowered
from migrations_ops.child.protocol.sql import shown, tokens
from migrations_ops.model.findings import (
    CHANGED_COLUMN,
    DELETED_ROWS,
    DELETED_ROWS_BY_TRIGGER,
    DROPPED,
    DROPPED_ATTRIBUTE,
    LEFT_ROWS,
    LOST,
    LOST_CHECKS_OF_BOOLEANS,
    LOST_ROWS,
    LOST_WITH_COLUMN,
    LOST_WITH_DROPPED,
    WEAKENED,
    WEAKENED_IN_NEW_TABLE,
    Finding,
)
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.text import counted

# What a rebuild, or a new definition of a column, drops without an error: words of a fact.
_TRAITS = ("CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "INITIALLY DEFERRED",
           "AUTOINCREMENT", "STRICT", "WITHOUT ROWID", "ON CONFLICT", "COLLATE", "DESC", "KEY",
           "UNIQUE", "WHERE", "MATCH FULL", "NULLS NOT DISTINCT", "ROW SECURITY",
           "FORCED")  # fmt: skip
_COLUMN_TRAITS = ("NOT NULL", "GENERATED", "IDENTITY", "AUTO_INCREMENT", "ON UPDATE", "INVISIBLE",
                  "COMMENT")  # fmt: skip
# What a new definition of a table leaves out; any statement that names the table declares it.
_TABLE_TRAITS = ("COMMENT", "SYSTEM VERSIONING", "PARTITION BY", "INHERITS", "REPLICA IDENTITY")
# What gives a new row its number.
_COUNTERS = ("IDENTITY", "AUTO_INCREMENT")
# Words of a fact that weaken the object if they were not there before.
_FLAWS = ("UNLOGGED", "DISABLED", "NOT VALID", "NOT ENFORCED", "INVALID")
# On a server, only a statement that names these gives them another text.
_REDEFINED = ("view", "materialized view", "function", "procedure", "event", "rule")


def find_losses(
    before: Fingerprint,
    after: Fingerprint,
    declared: Declared,
    environment: str,
    missed: Mapping[str, int] | None = None,
) -> list[Finding]:
    """Compare a database before and after an upgrade; what vanished undeclared is an error.

    :param environment: whose copy was upgraded, for the messages.
    :param missed: how many rows of each table are gone, where rows were compared one by
        one: inserted rows may hide deleted ones in the count.
    """
    facts = {key: Fact.of(key, was) for key, was in before.schema.items()}
    renames = Renames(declared.naming, after.schema, any_case=declared.syntax == "sqlite")
    moved = moved_tables(after, declared)
    keys_now = _keys_now(facts, renames, moved, after)
    gone = {key for key in facts if keys_now[key] is None}
    gone_tables = {facts[key].table for key in gone if facts[key].kind == "table"}
    findings, boolean_checks = [], Counter[str]()
    for key, fact in facts.items():
        key_now = keys_now[key]
        if key_now is None:
            if _goes_with_another(fact, gone, gone_tables):
                continue
            if _is_check_of_boolean(fact, before, declared, facts.values()):
                boolean_checks[fact.where.partition(":")[0]] += 1
            elif not _column_of_json(fact, before, declared, facts.values()):
                findings += _vanished(fact, before, declared, environment)
            continue
        was, now = before.schema[key], after.schema[key_now]
        if _is_another_check(fact, was, now, renames, declared):
            findings += _vanished(fact, before, declared, environment)
            continue
        findings += _changed_column(fact, was, now, declared, environment)
        lost = _lost(fact, was, now, renames, declared)
        if "COLLATE" in lost and _was_json(fact, gone):
            lost.remove("COLLATE")
        stale = renames.stale(fact, was, now)
        if (lost or stale) and not (declared.drops(fact) or declared.changes(fact)):
            findings.append(_weakened(fact, lost, stale, declared, environment))
    findings += _dropped_attributes(declared)
    findings += find_left_behind(keys_now, before, after, declared, environment)
    findings += _lost_checks(boolean_checks, environment)
    return findings + _rows(before, after, declared, missed or {})


def _keys_now(
    facts: Mapping[str, Fact], renames: Renames, moved: Collection[str], after: Fingerprint
) -> dict[str, str | None]:
    """The key of each object after the upgrade; None if it is gone."""
    return {
        # A key that refers to the new table of that name was written again.
        key: key if fact.parent in moved and key in after.schema else renames.key(key, fact)
        for key, fact in facts.items()
    }


def _dropped_attributes(declared: Declared) -> list[Finding]:
    """Of composite types."""
    return [
        DROPPED_ATTRIBUTE.found(f"{shown(each.type)}.{shown(each.name)}")
        for each in declared.types
        if each.verb == "drop attribute"
    ]


def _goes_with_another(fact: Fact, gone: set[str], gone_tables: set[str]) -> bool:
    """Whether it was dropped with another object, for which the finding is reported."""
    if fact.kind == "privilege":
        return fact.owner in gone or fact.table in gone_tables
    return fact.table in gone_tables and fact.kind not in ("table", "index", "trigger")


def _lost(fact: Fact, was: str, now: str, renames: Renames, declared: Declared) -> list[str]:
    """The properties that it lost, and the weakening ones that it gained, undeclared."""
    if was == now or (declared.syntax != "sqlite" and fact.kind in _REDEFINED):
        return []
    if fact.kind == "privilege":
        return [right for right in was.split(", ") if right not in now.split(", ")]
    if fact.kind == "type":
        kept = {*tokens(now, "facts")}
        return [
            word.text
            for word in tokens(declared.with_new_names(was), "facts")
            if word.literal and word not in kept
        ]
    words, words_now = renames.words(fact, was), lowered(tokens(now, "facts"))
    lost = _lost_traits(fact, words, words_now)
    lost += [f"its effect: it would be {flaw}" for flaw in _gained(_FLAWS, words, words_now)]
    if fact.kind == "table" and declared.rebuilds(fact.table) and declared.syntax == "mariadb":
        lost += _lost_collation(fact, words, words_now, declared)
    if fact.kind == "column" and declared.syntax == "sqlite" and "generated" in words_now:
        lost += _lost_expression(words, words_now)
    if "NOT NULL" in lost and words_now[:2] == ["integer", "key"] and declared.syntax == "sqlite":
        lost.remove("NOT NULL")  # a row number is never NULL
    if "KEY" in lost and declared.drops_primary_key(fact.table):
        lost.remove("KEY")
    if declared.rebuilds(fact.table):
        # What follows from the key goes with it, and one way to count is as good as another.
        follows = ("NOT NULL",) if declared.has_other_key(fact) else ()
        counters = _COUNTERS if _counts(words_now) else ()
        lost = [trait for trait in lost if trait not in (*follows, *counters)]
    for what, traits in _DECLARED_TRAITS.items():
        if declared.alters(fact, what) and (what == "nullable" or declared.syntax != "sqlite"):
            lost = [trait for trait in lost if trait not in traits]
    return lost


def _counts(words: Collection[str]) -> bool:
    """Whether a column gives a number to a new row, in whichever way."""
    return bool({"identity", "auto_increment", "nextval"} & {*words})


def _is_another_check(fact: Fact, was: str, now: str, renames: Renames, declared: Declared) -> bool:
    """Whether a table that was rebuilt by hand has another check under the name of an old one."""
    if fact.kind != "check" or not declared.rebuilds(fact.table):
        return False
    return renames.words(fact, was) != lowered(tokens(now, "facts"))


def _lost_collation(fact: Fact, was: list[str], now: list[str], declared: Declared) -> list[str]:
    """The collation of a table whose new one has the database's, since it names none."""
    if fact.table in declared.collated or "collate" not in was or "collate" not in now:
        return []
    before, after = (words[words.index("collate") + 2] for words in (was, now))
    return [] if before == after else [f"COLLATE {before}"]


def _lost_expression(was: list[str], now: list[str]) -> list[str]:
    """The expression of a generated column that has another one now."""
    if "generated" not in was:
        return []
    before, after = (_expression(words) for words in (was, now))
    return [] if before == after else [f"its expression {before}"]


def _expression(words: list[str]) -> str:
    found = words[words.index("generated") + 1 :]
    while found[:2] == ["(", "("] and found[-2:] == [")", ")"]:
        found = found[1:-1]
    return " ".join(found)


# Which traits of a column go by which property of alter_column.
_DECLARED_TRAITS = {
    "nullable": ("NOT NULL",),
    "default": ("IDENTITY", "GENERATED"),
    "on-update": ("ON UPDATE",),
    "autoincrement": ("AUTO_INCREMENT",),
    "comment": ("COMMENT",),
    "invisible": ("INVISIBLE",),
    "collation": ("COLLATE",),
}


def _is_check_of_boolean(
    fact: Fact, before: Fingerprint, declared: Declared, facts: Iterable[Fact]
) -> bool:
    """Whether this is the check that SQLAlchemy before 1.4 gave each of its booleans.

    Alembic's rebuild leaves unnamed checks out because of just these, which belong to the type
    and not to the table, and which no statement wrote.
    """
    if fact.kind != "check" or fact.name or declared.drops(fact):
        return False
    was = [word.text.lower() for word in tokens(before.schema[f"check {fact.where}"], "facts")]
    match was:
        case [column, "in", "(", "0", ",", "1", ")"]:
            return any(
                (each.kind, each.table, each.name) == ("column", fact.table, column)
                and before.schema[f"column {each.where}"].lower().startswith("bool")
                for each in facts
            )
    return False


def _column_of_json(
    fact: Fact, before: Fingerprint, declared: Declared, facts: Iterable[Fact]
) -> bool:
    """Whether this check is what MariaDB makes of the type JSON, and the column gets another type.

    https://mariadb.com/kb/en/json-data-type/
    """
    if fact.kind != "check" or fact.name or declared.syntax != "mariadb":
        return False
    match [word.text.lower() for word in tokens(before.schema[f"check {fact.where}"], "facts")]:
        case ["json_valid", "(", column, ")"]:
            return any(
                (each.kind, each.table, each.name.lower()) == ("column", fact.table, column)
                and declared.alters(each, "type")
                for each in facts
            )
    return False


def _was_json(fact: Fact, gone: Collection[str]) -> bool:
    """Whether that type has brought a collation of its own, which goes with its check."""
    return fact.kind == "column" and f"check {fact.table}: json_valid({fact.name})" in gone


def _lost_checks(by_table: Counter[str], environment: str) -> list[Finding]:
    return [
        LOST_CHECKS_OF_BOOLEANS.found(
            table,
            checks=counted(count, "unnamed check"),
            environment=environment,
        )
        for table, count in by_table.items()
    ]


def _vanished(
    fact: Fact, before: Fingerprint, declared: Declared, environment: str
) -> list[Finding]:
    rows = _rows_of(before, fact.where) if fact.kind == "table" else 0
    filled = f" with its {counted(rows, 'row')}" if rows else ""
    if not declared.drops(fact):
        if declared.drops_with_table(fact, before.schema[f"{fact.kind} {fact.where}"]):
            return [LOST_WITH_DROPPED.found(fact.where, environment=environment)]
        return [LOST.found(fact.where, kind=fact.kind, filled=filled, environment=environment)]
    if fact.kind in LOST_WITH_COLUMN.kinds and declared.drops_with_column(fact):
        return [LOST_WITH_COLUMN.found(fact.where, kind=fact.kind, environment=environment)]
    if fact.kind in ("table", "column"):
        return [DROPPED.found(fact.where, kind=fact.kind)]
    return []


def _changed_column(
    fact: Fact, was: str, now: str, declared: Declared, environment: str
) -> list[Finding]:
    """An undeclared change of the default, or to a type that SQLite treats differently."""
    if fact.kind != "column" or declared.drops(fact):
        return []
    before, after, changes = ColumnFact.of(declared.with_new_names(was)), ColumnFact.of(now), []
    # The author of a rewritten table means the types and defaults that it has, not what it lacks.
    by_hand = declared.rebuilds(fact.table)
    retyped = by_hand or declared.alters(fact, "type")
    is_written = after.default or _counts(lowered(tokens(now, "facts")))
    redefined = (by_hand and is_written) or declared.alters(fact, "default")
    if not _is_same_default(before, after, retyped) and not redefined:
        changes.append("another default" if after.default else "no default")
    if not _is_same_type(before, after, declared) and not retyped:
        changes.append(f"the type {after.type or 'of none'} instead of {before.type or 'none'}")
    if not changes:
        return []
    return [
        CHANGED_COLUMN.found(fact.where, changes=" and ".join(changes), environment=environment)
    ]


def _is_same_type(before: ColumnFact, after: ColumnFact, declared: Declared) -> bool:
    if declared.syntax == "sqlite":
        return before.affinity == after.affinity
    return before.type == after.type


def _is_same_default(before: ColumnFact, after: ColumnFact, other_type: bool) -> bool:
    """With another type, a default gets another cast."""
    if before.default == after.default:
        return True
    return other_type and _without_casts(before.default) == _without_casts(after.default)


def _without_casts(default: str) -> str:
    return default.partition(" :: ")[0].strip("( )")


def _lost_traits(fact: Fact, was: list[str], now: list[str]) -> list[str]:
    """Properties that a rebuild loses without an error."""
    more = {"column": _COLUMN_TRAITS, "table": _TABLE_TRAITS}.get(fact.kind, ())
    return _gained((*_TRAITS, *more), now, was)


def _gained(traits: Iterable[str], was: list[str], now: list[str]) -> list[str]:
    """The traits in this list that are new."""
    # Words in a literal do not count: a comment may contain any.
    words = ([word for word in text if not word.endswith("'")] for text in (was, now))
    before, after = (f" {' '.join(each)} " for each in words)
    return [
        trait
        for trait in traits
        if f" {trait.lower()} " not in before and f" {trait.lower()} " in after
    ]


def _weakened(
    fact: Fact, lost: list[str], stale: Mapping[str, str], declared: Declared, environment: str
) -> Finding:
    if lost == ["NOT NULL"] and not stale and fact.table in declared.discarded:
        return WEAKENED_IN_NEW_TABLE.found(fact.where, environment=environment)
    losses = [f"would lose {', '.join(lost)}"] if lost else []
    for old, new in stale.items():
        fate = f"is {shown(new)} now" if new else "is dropped"
        losses.append(f"would still name {shown(old)}, which {fate},")
    return WEAKENED.found(
        fact.where, kind=fact.kind, losses=" and ".join(losses), environment=environment
    )


def _rows(
    before: Fingerprint, after: Fingerprint, declared: Declared, gone: Mapping[str, int]
) -> list[Finding]:
    findings = []
    tables_after = {table.lower(): count for table, count in after.rows.items()}
    for table, count in before.rows.items():
        now = tables_after.get(declared.naming.table_after(table.lower()), count)
        missing = max(count - now, min(count, gone.get(table, 0)))
        if missing <= 0:
            continue
        where, lost = shown(table), f"{missing} of {count}"
        removed = declared.rows_removed(table.lower())
        if table.lower() in declared.naming.dropped:
            continue  # another one has its name: see destroyed.py
        if table.lower() in declared.naming.kept:
            moved = shown(declared.naming.whereabouts(table.lower()))
            findings.append(LEFT_ROWS.found(where, rows=lost, moved=moved))
        elif trigger := declared.triggers.get(table.lower()):
            findings.append(DELETED_ROWS_BY_TRIGGER.found(where, rows=lost, trigger=trigger))
        elif removed is None or removed >= missing:
            findings.append(DELETED_ROWS.found(where, rows=lost))
        else:
            if removed:
                findings.append(DELETED_ROWS.found(where, rows=f"{removed} of {count}"))
                lost = f"{missing - removed} of {count}"
            replaced = " though new rows were inserted" if now > count - missing else ""
            findings.append(LOST_ROWS.found(where, rows=lost, replaced=replaced))
    return findings


def _rows_of(fingerprint: Fingerprint, where: str) -> int:
    return next((rows for name, rows in fingerprint.rows.items() if shown(name) == where), 0)
