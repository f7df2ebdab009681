"""The plugin that Alembic loads: protection for a bare ``alembic`` in a configured project.

Without ``[tool.migrations_ops]`` in reach it does nothing at all. With it, a bare ``alembic
upgrade head`` is as transactional as a step of a release, and says on standard error which
environment it is about to touch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from .orders import Orders, same_file

_NAMES = ("migrations_ops.toml", "pyproject.toml")
_MARK = b"tool.migrations_ops"


def setup(plugin: Any) -> None:
    """Called by Alembic while it is still being imported, so that only what waits is done here."""
    if "migrations_ops_child" in sys.modules:
        return  # a step of ours: the launcher guards it, and better
    file = _find_configuration()
    if file is None:
        return
    from alembic.util.langhelpers import ModuleClsProxy

    original = ModuleClsProxy._install_proxy
    armed: list[str] = []

    def install_proxy(context: Any) -> None:
        if not armed and type(context).__name__ == "EnvironmentContext":
            armed.append(file)
            _arm(file, context)
        original(context)

    ModuleClsProxy._install_proxy = install_proxy  # type: ignore[method-assign,assignment]


def _find_configuration() -> str | None:
    """The nearest configuration above the working directory or the ini that was named."""
    folders = [os.getcwd()]
    arguments = sys.argv[1:]
    for option, value in zip(arguments, arguments[1:], strict=False):
        if option in {"-c", "--config"}:
            folders.insert(0, os.path.dirname(os.path.abspath(value)))
    for start in folders:
        for folder in (Path(start), *Path(start).parents):
            for name in _NAMES:
                file = folder / name
                if file.is_file() and (name == _NAMES[0] or _MARK in file.read_bytes()):
                    return str(file)
    return None


def _arm(file: str, context: Any) -> None:
    from .events import Events
    from .guard import follow_steps
    from .tracing import Tracing
    from .transactions import CHANGING, SQLiteTransactions

    selector, databases = _configured(file)
    if not databases:
        return
    command = getattr(getattr(context.config, "cmd_opts", None), "cmd", None)
    changes = command is None or command[0].__name__ in CHANGING
    transactions = SQLiteTransactions(Orders(environment=""))
    transactions.changes = changes
    transactions.install()
    tracing = Tracing(Events(), statements=False)
    environment_context = type(context)
    original = environment_context.configure

    def configure(self: Any, connection: Any = None, **options: Any) -> None:
        if connection is not None:
            _announce(connection, selector, databases)
            if connection.dialect.name == "sqlite" and changes:
                options |= {"transactional_ddl": True, "transaction_per_migration": False}
        follow_steps(self, transactions, tracing)
        original(self, connection, **options)

    environment_context.configure = configure


def _configured(file: str) -> tuple[str, dict[str, str]]:
    """The selector's name and the SQLite file of each environment whose URL stands as text."""
    import tomllib

    try:
        with open(file, "rb") as stream:
            document = tomllib.load(stream)
    except (OSError, ValueError):
        return "", {}
    table = document.get("tool", {}).get("migrations_ops", {})
    if os.path.basename(file) == _NAMES[0] and not table:
        table = document
    databases = {}
    for name, entry in table.get("environments", {}).items():
        url = entry.get("url")
        if isinstance(url, str) and url.startswith("sqlite") and ":///" in url:
            path = url.partition(":///")[2].partition("?")[0]
            databases[name] = os.path.join(os.path.dirname(os.path.abspath(file)), path)
    return table.get("selector", "EXEC_ENV"), databases


def _announce(connection: Any, selector: str, databases: dict[str, str]) -> None:
    """One line on standard error: the environment, its database, and what chose it."""
    if connection.dialect.name != "sqlite":
        return
    from .destination import main_file

    file = main_file(connection)
    names = [name for name, path in databases.items() if same_file(file, path)]
    value = os.environ.get(selector)
    why = f"{selector}={value}" if value else f"{selector} is not set"
    if names:
        line = f"migrations_ops: this reaches {names[0]} ({_short(file)}); {why}"
    else:
        line = (
            f"migrations_ops: this reaches {_short(file)}, which no environment of the"
            f" configuration names; {why}"
        )
    print(line, file=sys.stderr, flush=True)


def _short(file: str | None) -> str:
    if file is None:
        return "a database in memory"
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative
