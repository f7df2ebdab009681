"""What a source writes by SQLAlchemy's expressions, as statements of SQL.

``op.execute(posts.update().values(title=""))`` writes to the column ``title`` of the table that
``posts`` was made for: ``sa.table("posts", ...)``, ``sa.Table("posts", ...)`` or a mapped class.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

_VERBS = ("update", "insert", "delete")
# The name of a table in SQL, by the name of a variable or a class.
Tables = Mapping[str, str]


def tables_in(source: ast.AST) -> Tables:
    """The tables that a source names."""
    found: dict[str, str] = {}
    for node in ast.walk(source):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            table = _made_table(node.value)
            found |= {each.id: table for each in targets if isinstance(each, ast.Name) and table}
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                match part:
                    case ast.Assign([ast.Name("__tablename__")], ast.Constant(str(name))):
                        found[node.name] = _quoted(name)
    return found


class WrittenRows:
    """Finds the statements in the calls of a source, outer ones first.

    The parts of a chain are calls, too: ``t.update().values(a=1)`` is one statement.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._known: set[ast.Call] = set()

    def find(self, call: ast.Call) -> str:
        """The statement that a call makes; empty where it makes none, or a known one."""
        if _name(call.func) == "bulk_insert" and call.args:
            table = self._table(call.args[0])
            return f"INSERT INTO {table} VALUES (1)" if table else ""
        columns: list[str] = []
        for part in _chain(call):
            verb, table = self._written(part)
            if table and part not in self._known:
                self._known.add(part)
                return _statement(verb, table, columns or _columns(part))
            if _name(part.func) == "values":
                columns += _columns(part)
            elif _name(part.func) == "from_select" and part.args:
                columns += _texts(part.args[0])
        return ""

    def _written(self, call: ast.Call) -> tuple[str, str]:
        """What begins a statement: ``t.update()``, ``sa.update(t)``, ``query(T).update()``."""
        verb = _name(call.func)
        if verb not in _VERBS:
            return "", ""
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        queries = (each for each in _chain(owner) if _name(each.func) == "query" and each.args)
        places = [*([owner] if owner else []), *call.args[:1]]
        places += [each.args[0] for each in queries]
        return verb, next(filter(None, map(self._table, places)), "")

    def _table(self, node: ast.AST) -> str:
        if isinstance(node, ast.Attribute) and node.attr == "__table__":
            node = node.value
        return self._tables.get(node.id, "") if isinstance(node, ast.Name) else _made_table(node)


def _statement(verb: str, table: str, columns: Iterable[str]) -> str:
    names = [_quoted(each) for each in dict.fromkeys(columns)]
    if verb == "delete":
        return f"DELETE FROM {table}"
    if verb == "insert":
        listed = f" ({', '.join(names)})" if names else ""
        return f"INSERT INTO {table}{listed} VALUES (1)"
    assigned = ", ".join(f"{name} = 1" for name in names)
    return f"UPDATE {table} SET {assigned}" if names else ""


def _chain(node: ast.AST | None) -> Iterator[ast.Call]:
    """A call, the one whose result it is a method of, and so on."""
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Call):
            yield node
            node = node.func
        else:
            node = node.value


def _columns(call: ast.Call) -> list[str]:
    """The columns that a call names: as keywords, or as the keys of a dictionary."""
    found = [each.arg for each in call.keywords if each.arg]
    for each in call.args:
        if isinstance(each, ast.Dict):
            for key in each.keys:
                found += [key.attr] if isinstance(key, ast.Attribute) else _texts(key)
    return found


def _texts(node: ast.AST | None) -> list[str]:
    match node:
        case ast.Constant(str(text)):
            return [text]
        case ast.List(parts) | ast.Tuple(parts):
            return [text for part in parts for text in _texts(part)]
    return []


def _made_table(node: ast.AST | None) -> str:
    """The table of ``sa.table("posts", ...)``; empty for anything else."""
    match node:
        case ast.Call(function, [ast.Constant(str(name)), *_], keywords):
            if _name(function).lower() == "table":
                schema = [each.value for each in keywords if each.arg == "schema"]
                parts = [*_texts(schema[0] if schema else None), name]
                return ".".join(map(_quoted, parts))
    return ""


def _name(function: ast.AST) -> str:
    """The last part of the name of what is called."""
    match function:
        case ast.Attribute(_, name) | ast.Name(name):
            return name
    return ""


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def has_condition(call: ast.Call) -> bool:
    """Whether a chain restricts the rows that it writes: ``.where(...)``, ``.filter(...)``."""
    conditions = ("where", "filter", "filter_by")
    whole = any(each.arg == "whereclause" for part in _chain(call) for each in part.keywords)
    return whole or any(_name(each.func) in conditions for each in _chain(call))
