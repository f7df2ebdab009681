"""Reads columns, types and constraints as SQLAlchemy's expressions write them."""

from __future__ import annotations

import ast
from dataclasses import replace

from migrations_ops.analysis.lint.actions import UNKNOWN, Column, ColumnType, Constraint
from migrations_ops.analysis.lint.reading.values import (
    Names,
    bound,
    is_none,
    is_true,
    last_name,
    text_of,
    texts_of,
)
from migrations_ops.analysis.lint.types import type_named

_CONSTRAINTS = {
    "PrimaryKeyConstraint": "primary key",
    "UniqueConstraint": "unique",
    "ForeignKeyConstraint": "foreign key",
    "CheckConstraint": "check",
    "ExcludeConstraint": "exclude",
}
# The parameters of types that are their arguments in SQL.
_ARGUMENTS = ("length", "precision", "scale")


def read_type(node: ast.expr | None, names: Names) -> ColumnType:
    """The type that ``sa.String(50)`` or ``sa.Text`` is; an empty one where that is unknown."""
    node = bound(node, names)
    while isinstance(node, ast.Call) and last_name(node.func) in ("with_variant", "evaluates_none"):
        node = node.func.value if isinstance(node.func, ast.Attribute) else None
    if not isinstance(node, ast.Call):
        return type_named(last_name(node))
    name = last_name(node.func)
    given = {each.arg: bound(each.value, names) for each in node.keywords}
    if name in ("DateTime", "TIMESTAMP") and is_true(given.get("timezone"), names):
        return ColumnType("timestamptz")
    values = [*node.args, *(given[each] for each in _ARGUMENTS if each in given)]
    if name.lower() in ("enum", "set"):
        return ColumnType(
            name.lower(), tuple(text_of(each, names) or UNKNOWN for each in node.args)
        )
    constants = [each.value for each in (bound(value, names) for value in values)
                 if isinstance(each, ast.Constant)]  # fmt: skip
    found = [str(each) for each in constants
             if isinstance(each, int | str) and not isinstance(each, bool)]  # fmt: skip
    return type_named(name, tuple(found))


def read_default(node: ast.expr | None, names: Names) -> str:
    """The SQL of a server_default; UNKNOWN where it is computed, empty for none."""
    found = bound(node, names)
    if found is None or is_none(found, names) or is_true(found, names) is False:
        return ""
    if isinstance(found, ast.Call):
        text = text_of(found, names)
        if text is not None:
            return text
        name = last_name(found.func)
        return f"{name}()" if name else UNKNOWN
    text = text_of(found, names)
    return UNKNOWN if text is None else f"'{text}'"


def read_column(node: ast.expr | None, names: Names) -> Column | None:
    """The column that ``sa.Column(...)`` makes; None for anything else."""
    node = bound(node, names)
    if not isinstance(node, ast.Call) or last_name(node.func) != "Column":
        return None
    given = {each.arg: each.value for each in node.keywords if each.arg}
    arguments = list(node.args)
    name = text_of(given.get("name") or (arguments[0] if arguments else None), names)
    if name is not None and "name" not in given:
        arguments = arguments[1:]
    is_key = is_true(given.get("primary_key"), names) is True
    nullable = is_true(given.get("nullable"), names)
    found = Column(
        (name or UNKNOWN).lower(),
        nullable=(not is_key) if nullable is None and "nullable" not in given else nullable,
        default=read_default(given.get("server_default"), names),
        is_key=is_key,
        is_unique=is_true(given.get("unique"), names) is True,
        attributes=_attributes(given, names),
    )
    if "type_" in given:
        found = replace(found, type=read_type(given["type_"], names))
    for each in arguments:
        found = _with(found, each, names)
    return found


def _attributes(given: dict[str, ast.expr], names: Names) -> frozenset[str]:
    found = {name for name in ("comment",) if name in given and not is_none(given[name], names)}
    if is_true(given.get("autoincrement"), names):
        found.add("autoincrement")
    if is_true(given.get("index"), names):
        found.add("index")
    return frozenset(found)


def _with(column: Column, argument: ast.expr, names: Names) -> Column:
    node = bound(argument, names)
    if isinstance(node, ast.Call):
        name = last_name(node.func)
        if name == "ForeignKey":
            target = (text_of(node.args[0], names) if node.args else None) or UNKNOWN
            table, _, referred = target.lower().rpartition(".")
            return replace(column, references=(table or UNKNOWN, referred))
        if name == "Computed":
            stored = is_true(next((k.value for k in node.keywords if k.arg == "persisted"), None),
                             names)  # fmt: skip
            return replace(column, generated="stored" if stored is not False else "virtual")
        if name == "Identity":
            return replace(column, generated="identity")
        if name in ("Sequence", *_CONSTRAINTS):
            return column
    return replace(column, type=read_type(node, names)) if not column.type.name else column


def read_constraint(node: ast.expr | None, names: Names) -> Constraint | None:
    """The constraint that ``sa.UniqueConstraint(...)`` makes; None for anything else."""
    node = bound(node, names)
    kind = _CONSTRAINTS.get(last_name(node.func), "") if isinstance(node, ast.Call) else ""
    if not kind or not isinstance(node, ast.Call):
        return None
    given = {each.arg: each.value for each in node.keywords if each.arg}
    name = (text_of(given.get("name"), names) or "").lower()
    if kind == "foreign key":
        arguments = [*node.args, given.get("columns"), given.get("refcolumns")]
        columns = texts_of(arguments[0], names)
        referred = texts_of(arguments[1] if len(node.args) > 1 else given.get("refcolumns"), names)
        tables = {each.rpartition(".")[0] for each in referred}
        target = tables.pop() if len(tables) == 1 else UNKNOWN
        inside = tuple(each.rpartition(".")[2] for each in referred)
        return Constraint(kind, name, columns, target, inside)
    if kind == "check":
        condition = text_of(node.args[0], names) if node.args else None
        return Constraint(kind, name, condition=condition or UNKNOWN)
    columns = tuple((text_of(each, names) or UNKNOWN).lower() for each in node.args)
    return Constraint(kind, name, columns)
