"""The plugin that Alembic loads: protection for a bare ``alembic`` in a configured project.

Without ``[tool.migrations_ops]`` in reach it does nothing at all. With it, a bare ``alembic
upgrade head`` is as transactional as a step of a release, and says on standard error which
environment it is about to touch. An application that calls Alembic from its own code is left
alone: its engines go on living after the upgrade.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from .orders import Orders, same_file

_OWN = "migrations_ops.toml"
_MARK = b"tool.migrations_ops"


@dataclass(frozen=True)
class _Configured:
    """What a configuration says here: the selector, and the SQLite file of each environment.

    ``trouble`` is why it could not be read.
    """

    selector: str
    databases: dict[str, str]
    trouble: str = ""


def setup(plugin: Any) -> None:
    """Called by Alembic while it is still being imported, so that only what waits is done here."""
    if "migrations_ops_child" in sys.modules:
        return  # a step of ours: the launcher guards it, and better
    from alembic.util.langhelpers import ModuleClsProxy

    original = ModuleClsProxy._install_proxy
    seen: list[Any] = []

    def install_proxy(context: Any) -> None:
        if not seen and type(context).__name__ == "EnvironmentContext":
            seen.append(context)
            _arm(context.config)
        original(context)

    ModuleClsProxy._install_proxy = install_proxy  # type: ignore[method-assign,assignment]


def _arm(config: Any) -> None:
    command = getattr(config.cmd_opts, "cmd", None)
    if command is None:
        return  # not the command line
    configured = _find_configuration(config)
    if configured is None:
        return
    from .events import Events
    from .guard import wrap_configure
    from .ledger import Ledger
    from .tracing import Tracing
    from .transactions import CHANGING, SQLiteTransactions

    events = Events()
    orders = Orders(environment="")
    transactions = SQLiteTransactions(orders, events)
    transactions.command_begins(changes=command[0].__name__ in CHANGING)
    transactions.install()
    announced: list[str] = []

    def announce(connection: Any) -> None:
        if not announced:
            announced.append(_line(connection, configured))
            print(f"migrations_ops: {announced[0]}", file=sys.stderr, flush=True)

    wrap_configure(announce, transactions, Tracing(events, statements=False), Ledger(orders))


def _find_configuration(config: Any) -> _Configured | None:
    """What the nearest configuration above the ini, or above the working directory, says."""
    for file in _candidates(config.config_file_name):
        try:
            text = file.read_bytes()
        except OSError:
            continue
        if file.name == _OWN or _MARK in text:
            configured = _read(file, text)
            if configured is not None:
                return configured
    return None


def _candidates(ini: str | None) -> Iterator[Path]:
    try:
        starts = [Path.cwd()]
    except OSError:  # it was deleted
        starts = []
    if ini is not None:
        starts.insert(0, Path(os.path.abspath(ini)).parent)
    for start in starts:
        for folder in (start, *start.parents):
            yield folder / _OWN
            yield folder / "pyproject.toml"


def _read(file: Path, text: bytes) -> _Configured | None:
    import tomllib

    try:
        document = tomllib.loads(text.decode())
    except ValueError:
        return _Configured("EXEC_ENV", {}, f"{file.name} is not valid TOML; ")
    inside = file.name != _OWN or "tool" in document
    table = _table(_table(document, "tool"), "migrations_ops") if inside else document
    if not table:
        return None
    databases = {}
    for name, entry in _table(table, "environments").items():
        url = entry.get("url") if isinstance(entry, dict) else None
        if isinstance(url, str) and url.startswith("sqlite") and ":///" in url:
            path = unquote(url.partition(":///")[2].partition("?")[0])
            databases[name] = os.path.join(file.parent, os.path.expanduser(path))
    return _Configured(str(table.get("selector", "EXEC_ENV")), databases)


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _line(connection: Any, configured: _Configured) -> str:
    """The environment, its database, and what chose it."""
    value = os.environ.get(configured.selector)
    why = f"{configured.selector}={value}" if value else f"{configured.selector} is not set"
    if connection.dialect.name != "sqlite":
        url = connection.engine.url.render_as_string(hide_password=True)
        return f"{configured.trouble}this reaches {url}; {why}"
    from .driver import main_file
    from .ledger import environment_of

    file = main_file(connection)
    told = environment_of(connection)
    for name, path in configured.databases.items():
        if same_file(file, path):
            doubt = f", whose ledger says that it is {told}" if told not in (None, name) else ""
            return f"this reaches {name} ({_short(file)}){doubt}; {why}"
    unnamed = ", which no environment of the configuration names" if configured.databases else ""
    return f"{configured.trouble}this reaches {_short(file)}{unnamed}; {why}"


def _short(file: str | None) -> str:
    if file is None:
        return "a database in memory"
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):  # the working directory is gone, or on another drive
        return file
    return file if relative.startswith("..") else relative


class _Entry(ModuleType):
    """What the entry point names: a module for Alembic 1.20, a collection of them before."""

    def __iter__(self) -> Iterator[ModuleType]:
        yield self


entry = _Entry(__name__)
entry.__dict__["setup"] = setup
