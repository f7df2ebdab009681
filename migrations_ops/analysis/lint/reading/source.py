"""Reads from the source of a revision what its upgrade does, in order, without running it.

Names that are bound to texts are followed, loops over lists that are written out are run, functions
of the script are entered, and of a condition on the dialect only the branch of the engine counts.
What is computed otherwise stays unknown.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from migrations_ops.analysis.lint.actions import Action, Change, PythonFact, WriteRows
from migrations_ops.analysis.lint.reading.dialects import decide, skips
from migrations_ops.analysis.lint.reading.operations import Arguments, is_operation, read_operation
from migrations_ops.analysis.lint.reading.python_facts import (
    opened_connections,
    swallowing_handlers,
)
from migrations_ops.analysis.lint.reading.statements import read_statement
from migrations_ops.analysis.lint.reading.values import elements, last_name, text_of
from migrations_ops.analysis.statements.blocks import statements_of, unquoted
from migrations_ops.analysis.statements.rows import writes_of
from migrations_ops.child.protocol.sql import Syntax, tokens
from migrations_ops.revisions.expressions import WrittenRows, has_condition, tables_in

_MOST_ROUNDS = 50
_DEEPEST_CALL = 5
# Loops within loops end, and a text that grows in one stays a text.
_MOST_STATEMENTS = 50_000
_LONGEST_TEXT = 1_000_000
_EXECUTING = ("execute", "exec_driver_sql", "scalar", "scalars", "run_sql", "executescript")


def read_changes(tree: ast.Module, engine: Syntax) -> list[Change]:
    """What ``upgrade()`` does on this engine, in order."""
    reader = _Reader(tree, engine)
    for name in ("upgrade", *(each for each in reader.functions if each.startswith("upgrade_"))):
        if name in reader.functions and not reader.changes:
            reader.enter(reader.functions[name], {})
    return reader.changes


@dataclass
class _Scope:
    """What is known at one place of a function."""

    names: dict[str, ast.expr] = field(default_factory=dict)
    batches: dict[str, str] = field(default_factory=dict)
    autocommit: bool = False
    depth: int = 0


class _Reader:
    def __init__(self, tree: ast.Module, engine: Syntax) -> None:
        self.changes: list[Change] = []
        self.functions = {
            each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)
        }
        self._engine = engine
        self._rows = WrittenRows(tables_in(tree))
        self._op = {"op"} | {
            alias.asname
            for each in ast.walk(tree)
            if isinstance(each, ast.ImportFrom) and each.module == "alembic"
            for alias in each.names
            if alias.name == "op" and alias.asname
        }
        self._scope = _Scope()
        self._left = _MOST_STATEMENTS
        for each in tree.body:
            if isinstance(each, ast.Assign | ast.AnnAssign):
                self._bind(each)

    def enter(self, function: ast.FunctionDef, arguments: dict[str, ast.expr]) -> None:
        """Run the body of a function, with these arguments."""
        outer = self._scope
        if outer.depth < _DEEPEST_CALL and not skips(function, self._engine):
            names = outer.names | arguments
            self._scope = replace(outer, names=names, depth=outer.depth + 1)
            for fact, line in opened_connections(function, names):
                self._add(PythonFact("opens connection", fact), line)
            self._block(function.body)
        self._scope = outer

    def _block(self, body: list[ast.stmt]) -> bool:
        """Run statements; whether they leave the function for certain."""
        return any(self._statement(each) for each in body)

    def _statement(self, node: ast.stmt) -> bool:
        self._left -= 1
        if self._left < 0:
            return True
        match node:
            case ast.If(test, body, orelse):
                return self._if(test, body, orelse)
            case ast.For(target, iterated, body, orelse):
                self._for(target, iterated, body)
                self._block(orelse)
            case ast.While(_, body, orelse):
                self._block([*body, *orelse])
            case ast.With(items, body):
                with self._entered(items):
                    return self._block(body)
            case ast.Try(body, handlers, orelse, finalbody):
                self._try(node, [*body, *orelse], handlers)
                self._block(finalbody)
            case ast.Return(value):
                self._expression(value)
                return True
            case ast.Raise():
                return True
            case ast.FunctionDef() | ast.ClassDef():
                if isinstance(node, ast.FunctionDef):
                    self.functions = self.functions | {node.name: node}
            case _:
                self._expression(node)
                self._bind(node)
        return False

    def _if(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt]) -> bool:
        decided = decide(test, self._scope.names, self.functions, self._engine)
        if decided is not None:
            return self._block(body if decided else orelse)
        self._expression(test)
        first = self._block(body)
        return self._block(orelse) and first and bool(orelse)

    def _for(self, target: ast.expr, iterated: ast.expr, body: list[ast.stmt]) -> None:
        self._expression(iterated)
        found = elements(iterated, self._scope.names)
        rounds = [None] if found is None else found[:_MOST_ROUNDS]
        for each in rounds:
            self._unpack(target, each)
            self._block(body)

    def _try(self, node: ast.Try, body: list[ast.stmt], handlers: list[ast.ExceptHandler]) -> None:
        before = len(self.changes)
        self._block(body)
        if any(each.is_operation or not isinstance(each.action, PythonFact | WriteRows)
               for each in self.changes[before:]):  # fmt: skip
            swallowed = list(swallowing_handlers(node))
            for name, line in swallowed:
                self._add(PythonFact("swallows error", name), line)
            if swallowed:
                self.changes[before:] = [
                    replace(each, is_caught=True) for each in self.changes[before:]
                ]
        for handler in handlers:
            self._block(handler.body)

    @contextmanager
    def _entered(self, items: list[ast.withitem]) -> Iterator[None]:
        outer = self._scope
        scope = replace(outer, batches=dict(outer.batches))
        for item in items:
            call, name = item.context_expr, item.optional_vars
            method = last_name(call.func) if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and method == "batch_alter_table":
                arguments = Arguments(call, scope.names, "")
                table = arguments.table(arguments.given("table_name"))
                if isinstance(name, ast.Name):
                    scope.batches[name.id] = table
            elif method == "autocommit_block":
                scope.autocommit = True
            else:
                self._expression(call)
        self._scope = scope
        try:
            yield
        finally:
            self._scope = outer

    def _bind(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets, value):
                for target in targets:
                    self._unpack(target, value)
            case ast.AnnAssign(target, _, ast.expr() as value):
                self._unpack(target, value)
            case ast.AugAssign(ast.Name(name), ast.Add(), value):
                before = self._scope.names.get(name)
                if before is not None:
                    self._set(name, ast.BinOp(before, ast.Add(), value))

    def _unpack(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self._set(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = elements(value, self._scope.names) if value is not None else None
            given = parts if parts and len(parts) == len(target.elts) else [None] * 99
            for each, part in zip(target.elts, given, strict=False):
                self._unpack(each, part)

    def _set(self, name: str, value: ast.expr | None) -> None:
        """Bind a name to a text if it is one: it may be bound again to a text with it inside."""
        text = text_of(value, self._scope.names)
        refers = value is not None and any(
            isinstance(each, ast.Name) and each.id == name for each in ast.walk(value)
        )
        if text is not None and len(text) <= _LONGEST_TEXT:
            self._scope.names[name] = ast.Constant(text)
        elif value is None or refers:
            self._scope.names.pop(name, None)
        else:
            self._scope.names[name] = value

    # -- expressions ------------------------------------------------------------------------

    def _expression(self, node: ast.AST | None) -> None:
        """What the calls in an expression do, the inner ones last."""
        if isinstance(node, ast.Call):
            self._call(node)
        if isinstance(node, ast.Lambda):
            return
        for each in ast.iter_child_nodes(node) if node is not None else ():
            self._expression(each)

    def _call(self, node: ast.Call) -> None:
        name = last_name(node.func)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        of = owner.id if isinstance(owner, ast.Name) else ""
        if is_operation(name) and (of in self._op or of in self._scope.batches):
            batch = self._scope.batches.get(of, "")
            for action in read_operation(name, Arguments(node, self._scope.names, batch)):
                self._add(action, node.lineno, batch=batch, is_operation=True)
        elif name in _EXECUTING and owner is not None and node.args:
            text = text_of(node.args[0], self._scope.names)
            if text is not None:
                self._sql(text, node.lineno)
        elif isinstance(node.func, ast.Name) and name in self.functions:
            self.enter(self.functions[name], self._given(self.functions[name], node))
        if written := self._rows.find(node):
            for write in writes_of(tokens(written, "sqlite")):
                verb = "DELETE" if write.deletes else "INSERT" if write.inserts else "UPDATE"
                self._add(WriteRows(verb, write.table, has_condition(node)), node.lineno)

    def _given(self, function: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr]:
        parameters = [each.arg for each in function.args.args]
        defaults = function.args.defaults
        found = dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True))
        found |= dict(zip(parameters, call.args, strict=False))
        found |= {each.arg: each.value for each in call.keywords if each.arg}
        names = self._scope.names
        texts = {name: text_of(value, names) for name, value in found.items()}
        given: dict[str, ast.expr] = {}
        for name, value in found.items():
            text = texts[name]
            if isinstance(value, ast.Name) and value.id in self._scope.batches:
                # A batch is handed on under another name.
                self._scope.batches[name] = self._scope.batches[value.id]
            given[name] = value if text is None else ast.Constant(text)
            if isinstance(value, ast.Name) and value.id == name:
                given[name] = names.get(name, ast.Constant(None)) if text is None else given[name]
        return given

    def _sql(self, text: str, line: int) -> None:
        # Parameters of drivers and of SQLAlchemy are no words of SQL.
        for statement in statements_of(text, self._engine):
            literals = frozenset(unquoted(each) for each in statement if each.literal)
            for action in read_statement(statement):
                self._add(action, line, literals=literals)

    def _add(
        self,
        action: Action,
        line: int,
        *,
        batch: str = "",
        is_operation: bool = False,
        literals: frozenset[str] = frozenset(),
    ) -> None:
        autocommit = self._scope.autocommit
        self.changes.append(
            Change(action, line, batch, autocommit, is_operation, literals=literals)
        )
