"""The rules for MariaDB: columns that are defined again, copies of tables, what it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrations_ops.analysis.lint.actions import (
    AddColumn,
    AddConstraint,
    AlterColumn,
    Change,
    Column,
    ColumnType,
    Constraint,
    CreateIndex,
    CreateTable,
    Drop,
    DropColumn,
    DropConstraint,
    Maintain,
    Rename,
)
from migrations_ops.analysis.lint.known import foreign_key_of
from migrations_ops.analysis.lint.rule import Hit, Rule, Situation
from migrations_ops.analysis.lint.types import is_kept_by_mariadb, is_of_sql
from migrations_ops.model.findings import (
    ATTRIBUTES_DROPPED,
    CHARSET_CONVERTED,
    ENUM_CHANGED,
    FOREIGN_KEY_TYPES_DIFFER,
    SEVERAL_DDL,
    TYPE_REWRITES,
)

_DDL = (CreateTable, Drop, AddColumn, DropColumn, AlterColumn, Rename, CreateIndex, AddConstraint,
        DropConstraint, Maintain)  # fmt: skip
_VALUES = ("enum", "set")


def attributes_dropped(situation: Situation) -> Iterator[Hit]:
    """MODIFY and CHANGE define the whole column, and Alembic writes them for each change but that
    of a default alone: it takes what is not changed from existing_nullable and the like."""
    match situation.action:
        case AlterColumn(table, column, existing, by) as action:
            known = situation.known.column(table, column.name)
            if known is None or not _is_modified(action):
                return
            missing = [
                what
                for what, was, given in (
                    ("NOT NULL", known.nullable is False,
                     (column.nullable, existing.nullable) != (None, None)),
                    (f"DEFAULT {known.default}", bool(known.default),
                     (column.default, existing.default) != (None, None)),
                    *((what.upper(), what in known.attributes,
                       what in column.attributes | existing.attributes)
                      for what in ("comment", "autoincrement", "on-update")),
                )
                if was and not given
            ]  # fmt: skip
            if missing:
                statement = "op.alter_column" if by == "alter_column" else by
                finding = ATTRIBUTES_DROPPED.found(
                    f"{table}.{column.name}", statement=statement, attributes=", ".join(missing)
                )
                yield Hit(finding, table)


def _is_modified(action: AlterColumn) -> bool:
    """Whether the whole column is defined again."""
    column = action.column
    others = bool(column.type.name) or column.nullable is not None or bool(column.attributes)
    by_operation = action.by == "alter_column" and (others or bool(action.new_name))
    return by_operation or action.by in ("MODIFY", "CHANGE")


def enum_changed(situation: Situation) -> Iterator[Hit]:
    table, name, old, new = _type_change(situation)
    if old.name not in _VALUES or new.name not in _VALUES or old == new:
        return
    if new.arguments[: len(old.arguments)] != old.arguments:
        gone = [each for each in old.arguments if each not in new.arguments]
        changed = f"without {', '.join(gone)}" if gone else "in another order"
        yield Hit(ENUM_CHANGED.found(f"{table}.{name}", changed=changed), table)


def type_copies(situation: Situation) -> Iterator[Hit]:
    table, name, old, new = _type_change(situation)
    if is_of_sql(old) and is_of_sql(new) and not is_kept_by_mariadb(old, new):
        types = f", {new} instead of {old},"
        finding = TYPE_REWRITES.found(
            f"{table}.{name}", types=types, table=table, blocked="write to"
        )
        yield Hit(finding, table, "writes")


def _type_change(situation: Situation) -> tuple[str, str, ColumnType, ColumnType]:
    match situation.action:
        case AlterColumn(table, Column(name=name, type=new), existing):
            known = situation.known.column(table, name)
            old = existing.type if existing.type.name or known is None else known.type
            return table, name, old, new
    return "", "", ColumnType(), ColumnType()


def charset_converted(situation: Situation) -> Iterator[Hit]:
    match situation.action:
        case Maintain("CONVERT TO CHARACTER SET", table):
            yield Hit(CHARSET_CONVERTED.found(table), table, "writes")


def foreign_key_types_differ(situation: Situation) -> Iterator[Hit]:
    for table, own, new in _new_foreign_keys(situation):
        for name, referred in zip(new.columns, new.target_columns, strict=False):
            first, second = own.get(name), situation.known.column(new.target, referred)
            if first and second and _differ(first.type, second.type):
                finding = FOREIGN_KEY_TYPES_DIFFER.found(
                    f"{table}.{name}",
                    type=first.type,
                    target=f"{new.target}.{referred}",
                    target_type=second.type,
                )
                yield Hit(finding)


def _new_foreign_keys(
    situation: Situation,
) -> Iterator[tuple[str, Mapping[str, Column], Constraint]]:
    """Each with its table, and the columns of that."""
    match situation.action:
        case AddConstraint(table, new) if new.kind == "foreign key":
            yield table, situation.known.table(table).columns, new
        case AddColumn(table, column):
            if inline := foreign_key_of(column):
                yield table, {column.name: column}, inline
        case CreateTable(table, columns, constraints):
            own = {each.name: each for each in columns}
            for each in (*constraints, *map(foreign_key_of, columns)):
                if each and each.kind == "foreign key":
                    yield table, own, each


def _differ(*types: ColumnType) -> bool:
    """Whether two types whose names are known well enough are not the same."""
    plain = ("integer", "bigint", "smallint", "varchar", "text", "uuid", "timestamp")
    return len({each.name for each in types}) > 1 and all(each.name in plain for each in types)


def several_ddl(situation: Situation) -> Iterator[Hit]:
    """Once for each revision, at the first change that rows can make fail after another one."""
    before = sum(_changes_old(each, situation) for each in situation.earlier)
    if not before or any(_may_fail(each, situation) for each in situation.earlier[1:]):
        return
    if _may_fail(situation.change, situation):
        yield Hit(SEVERAL_DDL.found(situation.change.revision))


def _may_fail(change: Change, situation: Situation) -> bool:
    """Whether it fails if rows of a table that was there before are not as they should be."""
    if not _changes_old(change, situation):
        return False
    match change.action:
        case AlterColumn(_, column):
            return column.nullable is False or bool(column.type.name)
        case AddConstraint() | CreateIndex(_, _, _, True):
            return True
    return False


def _changes_old(change: Change, situation: Situation) -> bool:
    action = change.action
    if not isinstance(action, _DDL) or isinstance(action, CreateTable):
        return False
    table = getattr(action, "table", "") or getattr(action, "name", "")
    return not situation.is_new(table)


RULES = (
    Rule(attributes_dropped, (ATTRIBUTES_DROPPED,), "mariadb"),
    Rule(enum_changed, (ENUM_CHANGED,), "mariadb"),
    Rule(type_copies, (TYPE_REWRITES,), "mariadb"),
    Rule(charset_converted, (CHARSET_CONVERTED,), "mariadb"),
    Rule(foreign_key_types_differ, (FOREIGN_KEY_TYPES_DIFFER,), "mariadb"),
    Rule(several_ddl, (SEVERAL_DDL,), "mariadb"),
)
