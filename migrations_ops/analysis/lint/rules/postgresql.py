"""The rules for PostgreSQL: what its locks keep others from, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrations_ops.analysis.lint.actions import (
    UNKNOWN,
    AddColumn,
    AddConstraint,
    AddEnumValue,
    AlterColumn,
    Column,
    Constraint,
    CreateIndex,
    Drop,
    DropColumn,
    DropConstraint,
    Maintain,
    ValidateConstraint,
)
from migrations_ops.analysis.lint.known import bare_name, foreign_key_of
from migrations_ops.analysis.lint.rule import Hit, Rule, Situation
from migrations_ops.analysis.lint.types import is_kept_by_postgresql, is_of_sql
from migrations_ops.model.findings import (
    CHECK_VALIDATED,
    COLUMN_REWRITES,
    CONCURRENTLY_IN_TRANSACTION,
    DROP_CASCADES,
    ENUM_VALUE_USED,
    FOREIGN_KEY_VALIDATED,
    FOREIGN_KEY_WITHOUT_INDEX,
    INDEX_BLOCKS_WRITES,
    KEY_BLOCKS_READS,
    SET_NOT_NULL_SCANS,
    STATEMENT_BLOCKS,
    TYPE_REWRITES,
    VALIDATED_TOGETHER,
)

# Functions of PostgreSQL whose value differs from row to row: pg_proc.provolatile = 'v'.
_VOLATILE = re.compile(
    r"\b(random|gen_random_uuid|uuid_generate_v[14]|uuidv[47]|clock_timestamp|timeofday|nextval"
    r"|setval|txid_current|md5\s*\(\s*random)\b",
    re.IGNORECASE,
)


def index_blocks_writes(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case CreateIndex(name, table, _, _, False):
            finding = INDEX_BLOCKS_WRITES.found(name or table, table=table)
            yield Hit(finding, table, "writes")


def concurrently_in_transaction(situation: Situation) -> Iterator[Hit]:
    """Where an earlier revision has done it, the connection of env.py commits each statement."""
    if not situation.in_transaction or situation.known.commits_each:
        return
    match situation.action:
        case CreateIndex(name, _, _, _, True):
            statement = "CREATE INDEX"
        case Drop("index", name, _, _, True):
            statement = "DROP INDEX"
        case Maintain("REINDEX" | "DETACH PARTITION" as statement, name, True):
            pass
        case _:
            return
    yield Hit(CONCURRENTLY_IN_TRANSACTION.found(name or UNKNOWN, statement=statement))


def key_blocks_reads(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case AddConstraint(table, Constraint("primary key" | "unique" | "exclude" as kind) as new):
            if not new.from_index:
                words = {"unique": "unique constraint", "exclude": "exclusion constraint"}
                finding = KEY_BLOCKS_READS.found(
                    new.name or table, constraint=words.get(kind, kind), table=table
                )
                yield Hit(finding, table, "reads")
        case AddColumn(table, column) if column.is_unique or column.is_key:
            finding = KEY_BLOCKS_READS.found(
                f"{table}.{column.name}", constraint="unique constraint", table=table
            )
            yield Hit(finding, table, "reads")


def foreign_key_validated(situation: Situation) -> Iterator[Hit]:
    table, new = _added_foreign_key(situation)
    if new is not None and new.is_valid:
        finding = FOREIGN_KEY_VALIDATED.found(
            new.name or f"{table}.{', '.join(new.columns)}", table=table, target=new.target
        )
        yield Hit(finding, table, "writes")


def foreign_key_without_index(situation: Situation) -> Iterator[Hit]:
    table, new = _added_foreign_key(situation)
    if new is None or not new.columns or UNKNOWN in new.columns:
        return
    known = situation.known.table(table)
    coming = [each.action.columns for each in situation.later
              if isinstance(each.action, CreateIndex)
              and bare_name(each.action.table) == bare_name(table)]  # fmt: skip
    keys = [each.action.constraint.columns for each in situation.later
            if isinstance(each.action, AddConstraint)
            and bare_name(each.action.table) == bare_name(table)
            and each.action.constraint.kind in ("unique", "primary key")]  # fmt: skip
    begins = any(set(each[: len(new.columns)]) == set(new.columns) for each in (*coming, *keys))
    if not begins and not known.has_index_on(new.columns):
        where = f"{table}.{', '.join(new.columns)}"
        yield Hit(FOREIGN_KEY_WITHOUT_INDEX.found(where, target=new.target, table=table), table)


def _added_foreign_key(situation: Situation) -> tuple[str, Constraint | None]:
    match situation.action:
        case AddConstraint(table, Constraint("foreign key") as new):
            return table, new
        case AddColumn(table, column):
            return table, foreign_key_of(column)
    return "", None


def check_validated(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case AddConstraint(table, Constraint("check") as new) if new.is_valid:
            yield Hit(CHECK_VALIDATED.found(new.name or table, table=table), table, "reads")


def validated_together(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case ValidateConstraint(table, name) if situation.in_transaction:
            added = [
                each.action
                for each in situation.earlier
                if isinstance(each.action, AddConstraint)
                and not each.autocommit
                and each.action.constraint.name == name
            ]
            for each in added:
                is_check = each.constraint.kind == "check"
                finding = VALIDATED_TOGETHER.found(name, table=table)
                yield Hit(finding, table, "reads" if is_check else "writes")


def set_not_null_scans(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case AlterColumn(table, Column(name=column, nullable=False), existing):
            known = situation.known.column(table, column)
            is_already = existing.nullable is False or (known and known.nullable is False)
            if not is_already and not _is_checked(situation, table, column):
                where = f"{table}.{column}"
                finding = SET_NOT_NULL_SCANS.found(where, table=table)
                yield Hit(finding, table, "reads")


def _is_checked(situation: Situation, table: str, column: str) -> bool:
    """Whether a validated CHECK shows that no value is NULL."""
    condition = re.compile(rf'\W*"?{re.escape(column)}"?\s+IS\s+NOT\s+NULL\W*', re.IGNORECASE)
    return any(
        each.kind == "check" and each.is_valid and condition.fullmatch(each.condition)
        for each in situation.known.table(table).constraints
    )


def type_rewrites(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case AlterColumn(table, Column(name=column, type=new), existing) if new.name:
            known = situation.known.column(table, column)
            old = existing.type if existing.type.name or known is None else known.type
            is_text = new.name in ("text", "varchar")
            is_unclear = not is_of_sql(new) or (not is_of_sql(old) and (old.name or is_text))
            if is_unclear or is_kept_by_postgresql(old, new):
                return
            types = f", {new} instead of {old}," if old.name else f", {new},"
            finding = TYPE_REWRITES.found(
                f"{table}.{column}", types=types, table=table, blocked="read or write"
            )
            yield Hit(finding, table, "reads")


def column_rewrites(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case AddColumn(table, column):
            if column.generated in ("serial", "identity", "stored"):
                reason = {"stored": "computed and stored"}.get(column.generated, column.generated)
            elif column.default and _VOLATILE.search(column.default):
                reason = f"filled with {column.default}, another value for each row"
            else:
                return
            finding = COLUMN_REWRITES.found(f"{table}.{column.name}", reason=reason, table=table)
            yield Hit(finding, table, "reads")


def drop_cascades(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case Drop(_, name, _, True):
            yield Hit(DROP_CASCADES.found(name), name)
        case DropColumn(table, name, True) | DropConstraint(table, name, _, True):
            yield Hit(DROP_CASCADES.found(f"{table}.{name}"), table)


def enum_value_used(situation: Situation) -> Iterator[Hit]:
    """https://www.postgresql.org/docs/current/sql-altertype.html: a value that is added within a
    transaction cannot be used until that is committed."""
    if situation.change.autocommit:
        return
    added = [
        each.action
        for each in situation.earlier
        if isinstance(each.action, AddEnumValue) and not each.autocommit
    ]
    for each in added:
        if each.value in situation.change.literals and situation.in_transaction:
            yield Hit(ENUM_VALUE_USED.found(each.type, value=each.value))


_BLOCKED = {
    "REFRESH MATERIALIZED VIEW": "read",
    "REINDEX": "write",
    "VACUUM FULL": "read or write",
    "CLUSTER": "read or write",
    "DETACH PARTITION": "read or write",
}


def statement_blocks(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case Maintain(verb, name, False) if verb in _BLOCKED:
            blocked = _BLOCKED[verb]
            where = name or "all tables"
            finding = STATEMENT_BLOCKS.found(where, statement=verb, blocked=blocked)
            yield Hit(finding, name, "writes" if blocked == "write" else "reads")


RULES = (
    Rule(index_blocks_writes, (INDEX_BLOCKS_WRITES,), "postgresql"),
    Rule(concurrently_in_transaction, (CONCURRENTLY_IN_TRANSACTION,), "postgresql"),
    Rule(key_blocks_reads, (KEY_BLOCKS_READS,), "postgresql"),
    Rule(foreign_key_validated, (FOREIGN_KEY_VALIDATED,), "postgresql"),
    Rule(foreign_key_without_index, (FOREIGN_KEY_WITHOUT_INDEX,), "postgresql"),
    Rule(check_validated, (CHECK_VALIDATED,), "postgresql"),
    Rule(validated_together, (VALIDATED_TOGETHER,), "postgresql"),
    Rule(set_not_null_scans, (SET_NOT_NULL_SCANS,), "postgresql"),
    Rule(type_rewrites, (TYPE_REWRITES,), "postgresql"),
    Rule(column_rewrites, (COLUMN_REWRITES,), "postgresql"),
    Rule(drop_cascades, (DROP_CASCADES,), "postgresql"),
    Rule(enum_value_used, (ENUM_VALUE_USED,), "postgresql"),
    Rule(statement_blocks, (STATEMENT_BLOCKS,), "postgresql"),
)
