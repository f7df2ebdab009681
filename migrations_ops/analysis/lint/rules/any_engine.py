"""The rules for any engine."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_ops.analysis.lint.actions import (
    AddColumn,
    AlterColumn,
    CreateTable,
    Drop,
    DropColumn,
    PythonFact,
    Rename,
    WriteRows,
)
from migrations_ops.analysis.lint.known import bare_name
from migrations_ops.analysis.lint.rule import Hit, Rule, Situation
from migrations_ops.analysis.statements.rows import TEMPORARY
from migrations_ops.model.findings import (
    DROPPED_IN_SOURCE,
    ERROR_SWALLOWED,
    IMPLICIT_DEFAULT,
    MODEL_IMPORTED,
    NOT_NULL_WITHOUT_DEFAULT,
    RENAMED,
    SECOND_CONNECTION,
    WRITE_WITHOUT_CONDITION,
)


def not_null_without_default(situation: Situation) -> Iterator[Hit]:
    """https://www.sqlite.org/lang_altertable.html#alter_table_add_column, and on PostgreSQL each
    row would break the constraint; MariaDB fills in a value of its own."""
    match situation.action:
        case AddColumn(table, column) if not _is_emptied(situation, table) and (
            column.nullable is False and not column.default and not column.generated
            and "autoincrement" not in column.attributes
        ):  # fmt: skip
            where = f"{table}.{column.name}"
            if situation.engine == "mariadb":
                yield Hit(IMPLICIT_DEFAULT.found(where), table)
            else:
                yield Hit(NOT_NULL_WITHOUT_DEFAULT.found(where), table)


def _is_emptied(situation: Situation, table: str) -> bool:
    return any(
        isinstance(each.action, WriteRows)
        and each.action.verb in ("DELETE", "TRUNCATE")
        and each.action.table == table
        and not each.action.has_condition
        for each in situation.earlier
    )


def write_without_condition(situation: Situation) -> Iterator[Hit]:
    """SQLite has one lock for all rows, whatever the condition."""
    match situation.action:
        case WriteRows("DELETE" | "TRUNCATE" as verb, table, False):
            effect = "all its rows are destroyed"
            yield Hit(WRITE_WITHOUT_CONDITION.found(table, verb=verb, effect=effect), table)
        case WriteRows("UPDATE" as verb, table, False) if situation.engine != "sqlite":
            effect = "every row is locked until the revision ends"
            finding = WRITE_WITHOUT_CONDITION.found(table, verb=verb, effect=effect)
            yield Hit(finding, table, "writes")


def renamed(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case Rename("table", name, to) if not _makes_way(situation, name):
            yield Hit(RENAMED.found(name, kind="table", to=to), name)
        case Rename("column", name, to, table) if not _is_added(situation, table, name):
            yield Hit(RENAMED.found(f"{table}.{name}", kind="column", to=to), table)
        case AlterColumn(table, column, _, _, to) if to and not _is_added(
            situation, table, column.name
        ):
            yield Hit(RENAMED.found(f"{table}.{column.name}", kind="column", to=to), table)


def _makes_way(situation: Situation, table: str) -> bool:
    """Whether another table gets the name at once: it is rebuilt by hand."""
    return any(
        (isinstance(each.action, CreateTable) and each.action.table == table)
        or (isinstance(each.action, Rename) and each.action.to == table)
        for each in situation.later
    )  # fmt: skip


def dropped(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case Drop("table", name) if not _is_replaced(situation, name):
            yield Hit(DROPPED_IN_SOURCE.found(name, kind="table"), name)
        case DropColumn(table, name) if not _is_added(situation, table, name):
            yield Hit(DROPPED_IN_SOURCE.found(f"{table}.{name}", kind="column"), table)


def _is_replaced(situation: Situation, table: str) -> bool:
    """Whether a copy takes the place of a table: a rebuild by hand, or what is left of a batch."""
    return table.startswith(TEMPORARY) or any(
        isinstance(each.action, Rename)
        and each.action.kind == "table"
        and table in (each.action.to, each.action.name)
        for each in (*situation.earlier, *situation.later)
    )


def _is_added(situation: Situation, table: str, column: str) -> bool:
    """Whether the column is one that this release has added."""
    return any(
        isinstance(each.action, AddColumn)
        and bare_name(each.action.table) == bare_name(table)
        and each.action.column.name == column
        for each in situation.earlier
    )


def python_facts(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case PythonFact("imports model", name):
            yield Hit(MODEL_IMPORTED.found(name))
        case PythonFact("swallows error", name):
            yield Hit(ERROR_SWALLOWED.found(name))
        case PythonFact("opens connection", name):
            yield Hit(SECOND_CONNECTION.found(name))


RULES = (
    Rule(not_null_without_default, (NOT_NULL_WITHOUT_DEFAULT, IMPLICIT_DEFAULT)),
    Rule(write_without_condition, (WRITE_WITHOUT_CONDITION,)),
    Rule(renamed, (RENAMED,)),
    Rule(dropped, (DROPPED_IN_SOURCE,)),
    Rule(python_facts, (MODEL_IMPORTED, ERROR_SWALLOWED, SECOND_CONNECTION)),
)
