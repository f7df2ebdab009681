"""How an env.py learns its database, as far as its source tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from migrations_ops.system.reading import read_bytes

_OF_THE_INI = frozenset({"engine_from_config", "async_engine_from_config"})
_URL = "sqlalchemy.url"
# Such parts has the name of a variable that holds a database's address.
_ADDRESSES = ("URL", "URI", "DSN", "DATABASE", "DB")


def setting_for(file: Path) -> str:
    """The line of configuration that hands this env.py its URL; empty where its source does not
    tell, or cannot be read."""
    try:
        tree = ast.parse(read_bytes(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    variables = [name for name in _variables(tree) if any(part in name for part in _ADDRESSES)]
    if variables:
        return f'variables = {{ {variables[0]} = "{{url}}" }}'
    return "ini_url = true" if _reads_ini(tree) else ""


def _variables(tree: ast.AST) -> Iterator[str]:
    """The environment variables that it reads by a name that is written there."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(
                value=ast.Attribute(attr="environ") | ast.Name(id="environ"),
                slice=ast.Constant(value=str() as name),
            ):
                yield name
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Attribute(attr="environ") | ast.Name(id="environ"), attr="get"
                )
                | ast.Attribute(attr="getenv")
                | ast.Name(id="getenv"),
                args=[ast.Constant(value=str() as name), *_],
            ):
                yield name


def _reads_ini(tree: ast.AST) -> bool:
    """Whether it takes ``sqlalchemy.url`` from Alembic's configuration."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if text == _URL:
                return True
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _OF_THE_INI:
                return True
    return False
