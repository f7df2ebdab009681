"""The rules for SQLite: what its ALTER TABLE lacks, and what a batch breaks."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_ops.analysis.lint.actions import (
    UNKNOWN,
    AddColumn,
    AddConstraint,
    AlterColumn,
    DropColumn,
    DropConstraint,
    Other,
)
from migrations_ops.analysis.lint.known import unnamed_constraint
from migrations_ops.analysis.lint.rule import Hit, Rule, Situation
from migrations_ops.model.findings import (
    BATCH_OF_DEPENDED,
    BATCH_OF_REFERRED,
    NEEDS_BATCH,
    OUTSIDE_OF_TRANSACTION,
    UNNAMED_IN_BATCH,
)

_CONTROL = {
    "COMMIT": "what came before it cannot be rolled back any more",
    "ROLLBACK": "what came before it is undone, and the revision counts as done",
    "BEGIN": "the revision is in a transaction already",
    "VACUUM": "it fails within a transaction",
    "PRAGMA": "most have no effect within a transaction, and the others outlast the revision",
}
# Those that are of use within a transaction, or only read.
_GOOD_PRAGMAS = ("defer_foreign_keys", "foreign_key_check", "foreign_key_list", "table_info",
                 "table_xinfo", "index_list", "index_info", "integrity_check", "quick_check",
                 "legacy_alter_table", "user_version", "optimize")  # fmt: skip


def needs_batch(situation: Situation) -> Iterator[Hit]:
    """https://alembic.sqlalchemy.org/en/latest/batch.html; ALTER TABLE of SQLite adds, renames and
    drops columns, and renames tables (https://www.sqlite.org/lang_altertable.html)."""
    change = situation.change
    if change.batch:
        return
    match change.action:
        case AlterColumn(table, column, _, "alter_column" | "ALTER" | "MODIFY" | "CHANGE"):
            operation, where = "a change of the column", f"{table}.{column.name}"
        case AddConstraint(table, constraint):
            operation, where = f"a new {constraint.kind}", _known(constraint.name, table)
        case DropConstraint(table, name):
            operation, where = "dropping the constraint", _known(name, table)
        case AddColumn(table, column) if column.is_unique or column.is_key:
            operation, where = "a new unique column", f"{table}.{column.name}"
        case _:
            return
    yield Hit(NEEDS_BATCH.found(where, operation=operation))


def _known(name: str, table: str) -> str:
    """The name of a constraint; else that of its table."""
    return name if name and UNKNOWN not in name else table


def unnamed_in_batch(situation: Situation) -> Iterator[Hit]:
    """Where an earlier revision has done it, a naming convention gives a name."""
    change = situation.change
    if situation.known.names_by_convention:
        return
    kind = unnamed_constraint(change)
    if kind:
        yield Hit(UNNAMED_IN_BATCH.found(change.batch, constraint=kind))


def batch_of_depended(situation: Situation) -> Iterator[Hit]:
    """Once for each batch that copies its table."""
    change, table = situation.change, situation.change.batch
    if not table or not _copies(change.action):
        return
    if any(each.batch == table and each.line <= change.line and _copies(each.action)
           for each in situation.earlier):  # fmt: skip
        return
    known = situation.known
    reasons = []
    if views := known.views_of(table):
        reasons.append(f"the view {', '.join(views)} reads it, so the rename fails")
    if triggers := sorted(known.table(table).triggers):
        reasons.append(f"its trigger {', '.join(triggers)} goes with the table")
    if others := ", ".join(known.referring_to(table)):
        yield Hit(BATCH_OF_REFERRED.found(table, others=others), table)
    for reason in reasons:
        yield Hit(BATCH_OF_DEPENDED.found(table, reason=reason), table)


def _copies(action: object) -> bool:
    """Whether a batch copies the table for it: it adds columns without."""
    return isinstance(action, AlterColumn | AddConstraint | DropConstraint | DropColumn)


def outside_of_transaction(situation: Situation) -> Iterator[Hit]:
    action = situation.action
    if situation.change.autocommit or not isinstance(action, Other):
        return
    if action.verb in _CONTROL and not (
        action.verb == "PRAGMA" and (not action.words or action.words[0] in _GOOD_PRAGMAS)
    ):
        where = " ".join([action.verb, *action.words[: action.verb == "PRAGMA"]])
        yield Hit(OUTSIDE_OF_TRANSACTION.found(where, reason=_CONTROL[action.verb]))


RULES = (
    Rule(needs_batch, (NEEDS_BATCH,), "sqlite"),
    Rule(unnamed_in_batch, (UNNAMED_IN_BATCH,), "sqlite"),
    Rule(batch_of_depended, (BATCH_OF_DEPENDED, BATCH_OF_REFERRED), "sqlite"),
    Rule(outside_of_transaction, (OUTSIDE_OF_TRANSACTION,), "sqlite"),
)
