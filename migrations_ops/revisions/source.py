"""Reads from the sources of revisions what their functions do, without running them."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from migrations_ops.child.protocol.events import OperationAsked, StatementRan, Traced
from migrations_ops.revisions.errors import UnreadableScript
from migrations_ops.revisions.expressions import WrittenRows, tables_in
from migrations_ops.revisions.history import Revision
from migrations_ops.system.reading import read_bytes

# The names of the positional parameters of Alembic's operations; those of a batch lack the table.
_OPERATIONS = {
    "drop_table": ("table_name",),
    "rename_table": ("old_table_name", "new_table_name"),
    "drop_column": ("table_name", "column_name"),
    "drop_index": ("index_name", "table_name"),
    "drop_constraint": ("constraint_name", "table_name", "type_"),
    "alter_column": ("table_name", "column_name"),
    "create_primary_key": ("constraint_name", "table_name", "columns"),
    "create_unique_constraint": ("constraint_name", "table_name", "columns"),
    "create_foreign_key": ("constraint_name", "table_name", "referent_table", "columns"),
    "create_check_constraint": ("constraint_name", "table_name"),
}
# Other names of these parameters.
_ALIASES = {"source_table": "table_name", "local_cols": "columns"}
# What the child reports them as, and the kind of the constraint.
_CREATED = {
    "create_primary_key": "primary",
    "create_unique_constraint": "unique",
    "create_foreign_key": "foreignkey",
    "create_check_constraint": "check",
}


def read_upgrades(revisions: Iterable[Revision]) -> list[Traced]:
    """The operations and statements of these upgrades, in the form in which the child reports them.

    This is for commands of a project, which run revisions without our child inside. Names that are
    written out are found. One that is computed is not, and what it drops counts as undeclared until
    it is allowed.
    """
    reader, events = _UpgradeReader(), list[Traced]()
    for revision in revisions:
        if revision.file:
            read = reader.read(tree_of(revision.path))
            events += [each._replace(revision=revision.revision) for each in read]
    return events


def has_downgrade(revision: Revision) -> bool:
    """Whether the script has a downgrade that does something.

    One that only passes or raises is no downgrade; neither is a missing one.
    """
    return any(
        not isinstance(statement, ast.Pass | ast.Raise)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for function in _functions(revision.path, "downgrade")
        for statement in function.body
    )


def find_syntax_error(revision: Revision) -> tuple[str, int] | None:
    """Why Python would not import the script, and at which line; None where it would.

    The compiler finds more than the parser, such as a ``return`` outside of a function.
    """
    try:
        with _without_warnings():
            compile(read_bytes(revision.path), revision.file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return str(error.args[0]), getattr(error, "lineno", None) or 1
    except (RecursionError, MemoryError):
        return "it is nested too deeply", 1
    except OSError as error:
        return f"it cannot be read, {error.strerror}", 1
    return None


def list_operations(file: Path) -> list[str]:
    """What the upgrade of a script does, a line each: ``add_column loans due``."""
    lines = []
    for function in _functions(file, "upgrade"):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in ("op", "batch_op"):
                    texts = (
                        part.value
                        for part in node.args
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    )
                    lines.append((node.lineno, " ".join([node.func.attr, *texts])))
    return [line for _, line in sorted(lines)]


def _functions(file: Path, name: str) -> Iterator[ast.FunctionDef]:
    yield from _functions_in(tree_of(file), name)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Old scripts have many invalid escapes; Python warns about them when they run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def tree_of(file: Path) -> ast.Module:
    """The syntax tree of a script.

    :raises UnreadableScript: the file cannot be read, or is not valid Python."""
    try:
        with _without_warnings():
            return ast.parse(read_bytes(file))
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except (SyntaxError, ValueError) as error:
        reason = str(error.args[0])
    except (RecursionError, MemoryError):
        reason = "it is nested too deeply"
    raise UnreadableScript(f"{file} cannot be read: {reason}.")


def _functions_in(source: ast.Module, name: str) -> Iterator[ast.FunctionDef]:
    for node in source.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            yield node


class _UpgradeReader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.events: list[Traced] = []
        # The table and the number of each batch, by the name of its variable.
        self._batches: dict[str, tuple[str, int]] = {}
        self._count = 0
        self._rows = WrittenRows({})

    def read(self, source: ast.Module) -> list[Traced]:
        self.events, self._rows = [], WrittenRows(tables_in(source))
        for function in _functions_in(source, "upgrade"):
            self.visit(function)
        return self.events

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            call, name = item.context_expr, item.optional_vars
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "batch_alter_table"
                and isinstance(name, ast.Name)
            ):
                arguments = _arguments(call, ("table_name",))
                self._count += 1
                self._batches[name.id] = arguments.get("table_name", ""), self._count
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if written := self._rows.find(node):
            self.events.append(StatementRan(written))
        if isinstance(node.func, ast.Attribute):
            if node.func.attr == "execute":
                self._add_statement(node)
            elif node.func.attr in _OPERATIONS:
                self._add_operation(node, node.func)
        self.generic_visit(node)

    def _add_statement(self, node: ast.Call) -> None:
        for part in ast.walk(node):
            text = _text(part)
            if text:
                self.events.append(StatementRan(text))

    def _add_operation(self, node: ast.Call, function: ast.Attribute) -> None:
        parameters, kind = _OPERATIONS[function.attr], function.attr
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
        table, batch = self._batches.get(owner, ("", 0))
        if batch:
            parameters = tuple(name for name in parameters if name != "table_name")
        found = {"table_name": table} | _arguments(node, parameters)
        if kind in _CREATED:
            self._add_constraint(node, kind, found, parameters, batch)
            return
        if kind == "alter_column":
            self._add_alteration(node, found, batch)
            if not any(keyword.arg == "new_column_name" for keyword in node.keywords):
                return
            kind = "rename_column"
        names = ("column_name", "index_name", "constraint_name")
        self.events.append(
            OperationAsked(
                kind,
                table=found.get("old_table_name") or found["table_name"],
                name=next((found[name] for name in names if name in found), ""),
                batch=batch,
                type=found.get("type_"),
                to=found.get("new_table_name") or found.get("new_column_name"),
            )
        )

    def _add_constraint(
        self,
        node: ast.Call,
        kind: str,
        found: dict[str, str],
        parameters: tuple[str, ...],
        batch: int,
    ) -> None:
        given = _given(node, parameters).get("columns")
        parts = given.elts if isinstance(given, ast.List | ast.Tuple) else []
        self.events.append(
            OperationAsked(
                "create_constraint",
                table=found["table_name"],
                name=found.get("constraint_name", ""),
                batch=batch,
                type=_CREATED[kind],
                columns=tuple(filter(None, map(_text, parts))),
            )
        )

    def _add_alteration(self, node: ast.Call, found: dict[str, str], batch: int) -> None:
        """What of a column is changed by name."""
        given = {keyword.arg for keyword in node.keywords}
        words = {
            "type_": "type",
            "nullable": "nullable",
            "server_default": "default",
            "autoincrement": "autoincrement",
            "comment": "comment",
        }
        self.events.append(
            OperationAsked(
                "alter_column",
                table=found["table_name"],
                name=found.get("column_name", ""),
                batch=batch,
                changes=tuple(what for word, what in words.items() if word in given),
            )
        )
        if using := _arguments(node, ()).get("postgresql_using"):
            column = f'"{found["table_name"]}" ALTER "{found.get("column_name", "")}"'
            self.events.append(StatementRan(f"ALTER TABLE {column} TYPE text USING {using}"))


def _arguments(node: ast.Call, parameters: tuple[str, ...]) -> dict[str, str]:
    """The arguments of a call that are written out, by the names of their parameters."""
    texts = {name: _text(value) for name, value in _given(node, parameters).items()}
    return {name: text for name, text in texts.items() if text}


def _given(node: ast.Call, parameters: tuple[str, ...]) -> dict[str, ast.expr]:
    given = dict(zip(parameters, node.args, strict=False))
    named = {each.arg: each.value for each in node.keywords if each.arg}
    return given | {_ALIASES.get(name, name): value for name, value in named.items()}


def _text(node: ast.AST) -> str:
    """A text that is written out, also as ``op.f("...")``; empty for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _text(node.args[0]) if node.func.attr == "f" and node.args else ""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
