"""Reads what one of Alembic's operations does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from migrations_ops.analysis.lint.actions import (
    UNKNOWN,
    Action,
    AddColumn,
    AddConstraint,
    AlterColumn,
    Column,
    Constraint,
    CreateIndex,
    CreateTable,
    Drop,
    DropColumn,
    DropConstraint,
    Rename,
    WriteRows,
)
from migrations_ops.analysis.lint.reading.columns import (
    read_column,
    read_constraint,
    read_default,
    read_type,
)
from migrations_ops.analysis.lint.reading.values import (
    Names,
    bound,
    is_none,
    is_true,
    text_of,
    texts_of,
)

# Other names of these parameters.
_ALIASES = {"source_table": "table_name", "local_cols": "columns", "source": "table_name",
            "referent": "referent_table", "name": "constraint_name"}  # fmt: skip


@dataclass(frozen=True)
class Arguments:
    """The arguments of an operation.

    :param batch: the table of its batch, which its operations do not name; empty for none.
    """

    call: ast.Call
    names: Names
    batch: str

    def given(self, *parameters: str) -> dict[str, ast.expr]:
        """The arguments by name.

        :param parameters: the positional ones; ``table_name`` is left out in a batch.
        """
        if self.batch:
            parameters = tuple(each for each in parameters if each != "table_name")
        found = dict(zip(parameters, self.call.args, strict=False))
        named = {each.arg: each.value for each in self.call.keywords if each.arg}
        return found | {
            (_ALIASES.get(name, name) if _ALIASES.get(name, name) in parameters else name): value
            for name, value in named.items()
        }

    def text(self, node: ast.expr | None) -> str:
        """A name; UNKNOWN where it is computed, empty where it is None or not given."""
        if node is None or is_none(node, self.names):
            return ""
        return (text_of(node, self.names) or UNKNOWN).lower()

    def table(self, given: dict[str, ast.expr], parameter: str = "table_name") -> str:
        """The table, with its schema if one is given."""
        name = self.batch or self.text(given.get(parameter)) or UNKNOWN
        schema = self.text(given.get("schema") or given.get("source_schema"))
        return f"{schema}.{name}" if schema and not self.batch else name

    def is_true(self, node: ast.expr | None) -> bool:
        return is_true(node, self.names) is True


def read_operation(name: str, arguments: Arguments) -> Iterator[Action]:
    """What an operation does; nothing for one that is unknown."""
    if name in _READERS:
        yield from _READERS[name](arguments)


def is_operation(name: str) -> bool:
    return name in _READERS


def _create_table(arguments: Arguments) -> Iterator[Action]:
    given = arguments.given("table_name")
    columns, constraints = [], []
    for each in arguments.call.args[1:]:
        if column := read_column(each, arguments.names):
            columns.append(column)
        elif constraint := read_constraint(each, arguments.names):
            constraints.append(constraint)
    table = arguments.table(given)
    yield CreateTable(table, tuple(columns), tuple(constraints))
    for column in columns:
        if "index" in column.attributes:
            yield CreateIndex("", table, (column.name,))


def _drop_table(arguments: Arguments) -> Iterator[Action]:
    yield Drop("table", arguments.table(arguments.given("table_name")))


def _rename_table(arguments: Arguments) -> Iterator[Action]:
    given = arguments.given("old_table_name", "new_table_name")
    new = arguments.text(given.get("new_table_name"))
    yield Rename("table", arguments.table(given, "old_table_name"), new)


def _add_column(arguments: Arguments) -> Iterator[Action]:
    given = arguments.given("table_name", "column")
    column = read_column(given.get("column"), arguments.names)
    if column:
        table = arguments.table(given)
        yield AddColumn(table, column)
        if "index" in column.attributes:
            yield CreateIndex("", table, (column.name,))


def _drop_column(arguments: Arguments) -> Iterator[Action]:
    given = arguments.given("table_name", "column_name")
    yield DropColumn(arguments.table(given), arguments.text(given.get("column_name")))


def _alter_column(arguments: Arguments) -> Iterator[Action]:
    given, names = arguments.given("table_name", "column_name"), arguments.names
    name = arguments.text(given.get("column_name"))
    table = arguments.table(given)
    new = arguments.text(given.get("new_column_name") or given.get("name"))

    def column(prefix: str) -> Column:
        kind, default = f"{prefix}type_" if not prefix else "existing_type", "server_default"
        return Column(
            name,
            read_type(given.get(kind), names) if kind in given else Column("").type,
            is_true(given.get(f"{prefix}nullable"), names),
            _default_of(given.get(f"{prefix}{default}"), names),
            attributes=frozenset(
                each for each in ("comment", "autoincrement") if f"{prefix}{each}" in given
            ),
        )

    altered = column("")
    if any(f"{each}" in given for each in ("type_", "nullable", "server_default", "comment",
                                          "autoincrement")) or not new:  # fmt: skip
        yield AlterColumn(table, altered, column("existing_"), "alter_column", new)
    else:
        yield Rename("column", name, new, table)


def _default_of(node: ast.expr | None, names: Names) -> str | None:
    return None if node is None else read_default(node, names)


def _create_index(arguments: Arguments) -> Iterator[Action]:
    given = arguments.given("index_name", "table_name", "columns")
    columns: list[str] = []
    for each in _column_nodes(given.get("columns"), arguments.names):
        name = text_of(each, arguments.names)
        # An expression is written as sa.text("lower(a)").
        if name is None or isinstance(bound(each, arguments.names), ast.Call):
            break
        columns.append(name.lower())
    yield CreateIndex(
        arguments.text(given.get("index_name")),
        arguments.table(given),
        tuple(columns),
        arguments.is_true(given.get("unique")),
        arguments.is_true(given.get("postgresql_concurrently")),
    )


def _column_nodes(node: ast.expr | None, names: Names) -> list[ast.expr]:
    found = bound(node, names)
    return list(found.elts) if isinstance(found, ast.List | ast.Tuple) else []


def _drop_index(arguments: Arguments) -> Iterator[Action]:
    given = arguments.given("index_name", "table_name")
    table = arguments.batch or arguments.text(given.get("table_name"))
    concurrently = arguments.is_true(given.get("postgresql_concurrently"))
    yield Drop("index", arguments.text(given.get("index_name")), table, concurrently=concurrently)


def _create_foreign_key(arguments: Arguments) -> Iterator[Action]:
    given = arguments.given(
        "constraint_name", "table_name", "referent_table", "columns", "remote_cols"
    )
    target = arguments.text(given.get("referent_table")) or UNKNOWN
    schema = arguments.text(given.get("referent_schema"))
    constraint = Constraint(
        "foreign key",
        arguments.text(given.get("constraint_name")),
        texts_of(given.get("columns"), arguments.names),
        f"{schema}.{target}" if schema else target,
        texts_of(given.get("remote_cols"), arguments.names),
        is_valid=not arguments.is_true(given.get("postgresql_not_valid")),
    )
    yield AddConstraint(arguments.table(given), constraint)


def _create_constraint(kind: str) -> Callable[[Arguments], Iterator[Action]]:
    def read(arguments: Arguments) -> Iterator[Action]:
        third = "condition" if kind == "check" else "columns"
        given = arguments.given("constraint_name", "table_name", third)
        found = Constraint(kind, arguments.text(given.get("constraint_name")))
        if kind == "check":
            condition = text_of(given.get("condition"), arguments.names) or UNKNOWN
            is_valid = not arguments.is_true(given.get("postgresql_not_valid"))
            found = replace(found, condition=condition, is_valid=is_valid)
        else:
            columns = texts_of(given.get("columns"), arguments.names)
            from_index = "postgresql_using_index" in given
            found = replace(found, columns=columns, from_index=from_index)
        yield AddConstraint(arguments.table(given), found)

    return read


def _drop_constraint(arguments: Arguments) -> Iterator[Action]:
    given = arguments.given("constraint_name", "table_name", "type_")
    kinds = {"foreignkey": "foreign key", "primary": "primary key"}
    kind = arguments.text(given.get("type_"))
    name = arguments.text(given.get("constraint_name"))
    yield DropConstraint(arguments.table(given), name, kinds.get(kind, kind))


def _bulk_insert(arguments: Arguments) -> Iterator[Action]:
    yield WriteRows("INSERT", UNKNOWN)


_READERS: dict[str, Callable[[Arguments], Iterator[Action]]] = {
    "create_table": _create_table,
    "drop_table": _drop_table,
    "rename_table": _rename_table,
    "add_column": _add_column,
    "drop_column": _drop_column,
    "alter_column": _alter_column,
    "create_index": _create_index,
    "drop_index": _drop_index,
    "create_foreign_key": _create_foreign_key,
    "create_unique_constraint": _create_constraint("unique"),
    "create_primary_key": _create_constraint("primary key"),
    "create_check_constraint": _create_constraint("check"),
    "create_exclude_constraint": _create_constraint("exclude"),
    "drop_constraint": _drop_constraint,
    "bulk_insert": _bulk_insert,
}
