"""The plugin that Alembic loads: protection for a bare ``alembic`` in a configured project.

Without a ``[tool.migrations_ops]`` configuration it does nothing. With one, a bare
``alembic upgrade head`` is as transactional as a step of a release, and prints on standard error
which environment it is about to touch. It ignores an application that calls Alembic from its own
code, since that keeps its engines after the upgrade.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from .protocol.escaping import escaped
from .protocol.instructions import Instructions, same_file

# Family, host, port and database.
_Address = tuple[str, str, int, str]
_LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})
_OWN = "migrations_ops.toml"
_MARK = b"tool.migrations_ops"


@dataclass(frozen=True)
class _Configured:
    """What a configuration names: the selector, and the database of each environment.

    ``databases`` are files of SQLite, ``servers`` are addresses; ``trouble`` is why the
    configuration could not be read.
    """

    selector: str
    databases: dict[str, str]
    trouble: str = ""
    servers: dict[str, _Address] = field(default_factory=dict)

    @property
    def knows_some(self) -> bool:
        return bool(self.databases or self.servers)


def setup(plugin: Any) -> None:
    """Alembic calls this during its own import: everything else is done later."""
    if "migrations_ops_child" in sys.modules:
        return  # a step of ours, which the launcher guards better
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
    from .channel import Events
    from .families import FAMILIES, load
    from .guards import wrap_configure
    from .recording.ledger import Ledger
    from .recording.tracing import Tracing
    from .transactions.all import AllTransactions
    from .transactions.base import CHANGING

    events = Events()
    instructions = Instructions(environment="")
    ledger = Ledger(instructions, events)
    transactions = AllTransactions(
        [
            load(family.transactions)(instructions, events, ledger)
            if family.server
            else load(family.transactions)(instructions, events, record_begun=ledger.record_begun)
            for family in FAMILIES.values()
        ]
    )
    transactions.command_begins(changes=command[0].__name__ in CHANGING)
    transactions.install()
    announced: list[str] = []

    def announce(connection: Any, options: Mapping[str, Any]) -> None:
        if not announced:
            announced.append(_line(connection, options, configured))
            print(f"migrations_ops: {escaped(announced[0])}", file=sys.stderr, flush=True)

    wrap_configure(announce, transactions, Tracing(events), ledger)


def _find_configuration(config: Any) -> _Configured | None:
    """The nearest configuration above the ini, or above the working directory."""
    for file in _candidates(config.config_file_name):
        if not file.is_file():  # opening a FIFO would wait
            continue
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
    except (ValueError, RecursionError):
        return _Configured("EXEC_ENV", {}, f"{file.name} is not valid TOML; ")
    inside = file.name != _OWN or "tool" in document
    table = _table(_table(document, "tool"), "migrations_ops") if inside else document
    if not table:
        return None
    databases, servers = {}, {}
    for name, entry in _table(table, "environments").items():
        url = entry.get("url") if isinstance(entry, dict) else None
        # As in databases/url.py, which the child must not import.
        if isinstance(url, str) and url.startswith("sqlite") and ":///" in url:
            path = unquote(url.partition(":///")[2].partition("?")[0])
            databases[name] = os.path.join(file.parent, os.path.expanduser(path))
        elif isinstance(url, str) and (address := _address_of_url(url)) is not None:
            servers[name] = address
    return _Configured(str(table.get("selector", "EXEC_ENV")), databases, servers=servers)


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _address_of_url(text: str) -> _Address | None:
    from .families import family_of_scheme

    family = family_of_scheme(text.partition(":")[0].partition("+")[0])
    if family is None or family.server is None:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port or family.server.port
        return _address(family.name, parts.hostname, port, unquote(parts.path[1:]))
    except ValueError:  # a bracket in a password
        return None


def _address(family: str, host: str | None, port: int, database: str | None) -> _Address:
    host = (host or "").lower()
    return family, "" if host in _LOCAL else host, port, database or ""


def _line(connection: Any, options: Mapping[str, Any], configured: _Configured) -> str:
    """The environment, its database, and what chose it."""
    value = os.environ.get(configured.selector)
    why = f"; {configured.selector}={value}" if value else f"; {configured.selector} is not set"
    if not configured.selector:
        why = ""
    from .families import SQLITE, family_of

    family = family_of(connection.dialect)
    if family == SQLITE:
        name, reached = _of_file(connection, configured)
    else:
        name, reached = _of_server(connection, family, configured)
    if name is None:
        unnamed = ", which no environment of the configuration names"
        reached += unnamed if configured.knows_some else ""
        return f"{configured.trouble}this reaches {reached}{why}"
    return f"this reaches {name} ({reached}){_warning(connection, options, name)}{why}"


def _of_file(connection: Any, configured: _Configured) -> tuple[str | None, str]:
    from .driver import main_file

    file = main_file(connection)
    names = (name for name, path in configured.databases.items() if same_file(file, path))
    return next(names, None), _short(file)


def _of_server(connection: Any, family: str, configured: _Configured) -> tuple[str | None, str]:
    from .destination.proof import address_of
    from .families import server_of

    url = connection.engine.url
    reached = None
    server = server_of(family)
    if server is not None:
        reached = _address(family, url.host, url.port or server.port, url.database)
    names = (name for name, address in configured.servers.items() if address == reached)
    return next(names, None), address_of(connection)


def _warning(connection: Any, options: Mapping[str, Any], name: str) -> str:
    """A warning about the ledger: another environment, or a half applied revision."""
    from .driver import is_idle
    from .protocol.ledger import environment_in, revisions_begun
    from .recording.ledger import ledger_of

    idle = is_idle(connection.connection.driver_connection)
    runs = ledger_of(connection, options)
    if idle:
        connection.connection.dbapi_connection.rollback()
    owner, begun = environment_in(runs), revisions_begun(runs)
    warning = f", whose ledger says that it is {owner}" if owner not in ("", name) else ""
    if begun:
        warning += f", where {', '.join(begun)} is half applied"
    return warning


def _short(file: str | None) -> str:
    if file is None:
        return "a database in memory"
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):  # the working directory is gone, or on another drive
        return file
    return file if relative.startswith("..") else relative


class _Entry(ModuleType):
    """The object of the entry point: a module for Alembic 1.20, a collection of modules before."""

    def __iter__(self) -> Iterator[ModuleType]:
        yield self


entry = _Entry(__name__)
entry.__dict__["setup"] = setup
