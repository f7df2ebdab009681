"""What revisions say that they drop, read from their sources.

Commands of a project run them without our child inside. Names that are written out are
found; one that is computed is not, and what it drops counts as unsaid until it is allowed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from migrations_ops.revisions.history import Revision

# The names of the positional parameters of Alembic's operations; those of a batch lack the table.
_OPERATIONS = {
    "drop_table": ("table_name",),
    "rename_table": ("old_table_name", "new_table_name"),
    "drop_column": ("table_name", "column_name"),
    "drop_index": ("index_name", "table_name"),
    "drop_constraint": ("constraint_name", "table_name", "type_"),
    "alter_column": ("table_name", "column_name"),
}


@dataclass
class Sayings(ast.NodeVisitor):
    """The operations and statements of upgrades, in the form in which the child tells them."""

    told: list[dict[str, Any]] = field(default_factory=list)
    _batches: dict[str, tuple[str, int]] = field(default_factory=dict)
    _count: int = 0

    @property
    def operations(self) -> list[dict[str, Any]]:
        return [each for each in self.told if "sql" not in each]

    @property
    def statements(self) -> list[dict[str, Any]]:
        return [each for each in self.told if "sql" in each]

    @classmethod
    def of(cls, revisions: Iterable[Revision]) -> Sayings:
        """What these revisions say, as far as their sources are there to be read."""
        said = cls()
        for revision in revisions:
            for node in ast.parse(revision.path.read_bytes()).body if revision.file else ():
                if isinstance(node, ast.FunctionDef) and node.name == "upgrade":
                    said.visit(node)
        return said

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
        if isinstance(node.func, ast.Attribute):
            if node.func.attr == "execute":
                self._note_statement(node)
            elif node.func.attr in _OPERATIONS:
                self._note_operation(node, node.func)
        self.generic_visit(node)

    def _note_statement(self, node: ast.Call) -> None:
        for part in ast.walk(node):
            text = _text(part)
            if text:
                self.told.append({"sql": text})

    def _note_operation(self, node: ast.Call, function: ast.Attribute) -> None:
        parameters, kind = _OPERATIONS[function.attr], function.attr
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
        table, batch = self._batches.get(owner, ("", 0))
        if batch:
            parameters = tuple(name for name in parameters if name != "table_name")
        found = {"table_name": table} | _arguments(node, parameters)
        if kind == "alter_column":
            self._note_alteration(node, found, batch)
            if not any(keyword.arg == "new_column_name" for keyword in node.keywords):
                return
            kind = "rename_column"
        names = ("column_name", "index_name", "constraint_name")
        self.told.append(
            {
                "kind": kind,
                "batch": batch,
                "table": found.get("old_table_name") or found["table_name"],
                "name": next((found[name] for name in names if name in found), ""),
                "type": found.get("type_"),
                "to": found.get("new_table_name") or found.get("new_column_name"),
            }
        )

    def _note_alteration(self, node: ast.Call, found: dict[str, str], batch: int) -> None:
        """What of a column is changed by name."""
        given = {keyword.arg for keyword in node.keywords}
        words = {"type_": "type", "nullable": "nullable", "server_default": "default"}
        self.told.append(
            {
                "kind": "alter_column",
                "batch": batch,
                "table": found["table_name"],
                "name": found.get("column_name", ""),
                "changes": [what for word, what in words.items() if word in given],
            }
        )


def _arguments(node: ast.Call, parameters: tuple[str, ...]) -> dict[str, str]:
    """The arguments of a call that are written out, by the names of their parameters."""
    given = dict(zip(parameters, node.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    texts = {name: _text(value) for name, value in given.items()}
    return {name: text for name, text in texts.items() if text}


def _text(node: ast.AST) -> str:
    """A text that is written out, also as ``op.f("...")``; empty for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _text(node.args[0]) if node.func.attr == "f" and node.args else ""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
