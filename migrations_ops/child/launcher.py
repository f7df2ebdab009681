"""The launcher: imports Alembic ahead of time, waits for instructions, runs Alembic's commands.

``python .../child -c a.ini upgrade head --then -c a.ini check`` runs two commands in one process,
and waits for a line from the parent before each of them. When the parent closes the channel, or
dies, the process stops: before its instructions it has done nothing, in the middle of a run it
rolls back.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from .channel import INTERRUPTED, Control, Events, take_channels
from .families import SQLITE, family_of_identity, family_of_scheme, load
from .protocol import ProtocolError
from .protocol.events import Failed, Finished, Ready
from .protocol.instructions import DIALECT, Instructions
from .protocol.redaction import redacted

# What env.py and the guards would import one after the other once the instructions are there.
_AHEAD = (
    "alembic.config", "sqlalchemy.orm", "logging.config", ".alembic_commands", ".failures",
    ".destination.proof", ".destination.version_table", ".guards", ".recording.ledger",
    ".recording.tracing",
)  # fmt: skip
_OF_SERVERS = (".destination.connections", ".transactions.sessions")


def main(arguments: list[str]) -> int:
    """Run the Alembic commands of the arguments, one for each line that the parent sends."""
    control, events = take_channels()
    dialect, arguments = _dialect_of(arguments)
    # A shell script starts what it leaves in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _import_ahead(dialect)
        from alembic.config import CommandLine
    except ImportError as error:
        message = f"{sys.executable} lacks what a step needs: {error}"
        events.emit(Failed("guard", "ImportError", message))
        return 1
    parser = CommandLine(prog="alembic")
    gc.freeze()
    gc.enable()
    control.start()
    events.emit(Ready())
    try:
        first = control.next_line()
        if first is None:
            return 0
        code = _run(parser, arguments, Instructions.from_json(first), control, events)
    except ProtocolError as error:
        events.emit(Failed("guard", "ProtocolError", str(error)))
        code = 1
    except KeyboardInterrupt:
        events.emit(Failed("interrupted", "KeyboardInterrupt", "interrupted"))
        code = INTERRUPTED
    control.working = False
    control.await_stop()
    gc.freeze()
    return code


def _dialect_of(arguments: list[str]) -> tuple[str, list[str]]:
    if arguments[:1] and arguments[0].startswith(DIALECT):
        return arguments[0].removeprefix(DIALECT), arguments[1:]
    return SQLITE, arguments


def _import_ahead(dialect: str) -> None:
    """Import what nearly every run needs before the instructions arrive, but nothing of the
    project.

    Mako imports pygments, where it is installed, for HTML error pages, which Alembic never shows:
    with pygments hidden, the child is ready a tenth sooner.
    """
    if "pygments" not in sys.modules:
        sys.modules["pygments"] = None  # type: ignore[assignment]
        with contextlib.suppress(ImportError):
            importlib.import_module("mako.exceptions")
        del sys.modules["pygments"]
    for name in _AHEAD:
        importlib.import_module(name, __package__)
    _import_dialect(dialect)
    import sqlalchemy

    if sqlalchemy.__version__.startswith(("0.", "1.")):
        raise ImportError(f"SQLAlchemy 2 (it has {sqlalchemy.__version__})")


def _import_dialect(dialect: str) -> None:
    """Import what SQLAlchemy needs for a dialect and its driver; env.py reports what is missing."""
    scheme, _, driver = dialect.partition("+")
    family = family_of_scheme(scheme)
    if family is None:
        return
    load(family.transactions)
    load(family.ledger)
    importlib.import_module(family.dialects)
    if family.server is None:
        return
    for module in _OF_SERVERS:
        importlib.import_module(module, __package__)
    with contextlib.suppress(Exception):
        importlib.import_module({"mysqldb": "MySQLdb"}.get(driver, driver.removesuffix("_async")))


def _run(
    parser: Any, arguments: list[str], instructions: Instructions, control: Control, events: Events
) -> int:
    from .alembic_commands import Usage, run_command, split
    from .destination.proof import WrongDatabase
    from .failures import failed
    from .forgotten_models import ForgottenModels

    if instructions.stdout is not None:
        target = os.open(instructions.stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(target, 1)
        os.close(target)
    transactions, tracing = _install_guards(instructions, control, events)
    report_measurements = _measure(instructions, events, tracing)
    try:
        for number, command in enumerate(split(arguments)):
            if number and not control.may_go_on():
                return 0
            try:
                run_command(parser, command, instructions, events, transactions)
            finally:
                report_measurements()
            events.emit(Finished())
    except WrongDatabase as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except ForgottenModels as refusal:
        events.emit(Failed("refused", "ForgottenModels", str(refusal), next=refusal.next))
        return 1
    except Usage as usage:
        events.emit(Failed("usage", "CommandError", str(usage)))
        return 1
    except SystemExit as leaving:
        message = f"the process ended itself with sys.exit({leaving.code!r})"
        events.emit(Failed("exit", "SystemExit", message, tracing.revision))
        return 1
    except Exception as error:
        print(redacted(traceback.format_exc()), file=sys.stderr, end="")
        if control.is_stopping:
            # The statement was cancelled on the server before the signal arrived here.
            raise KeyboardInterrupt from error
        events.emit(
            failed(error, transactions.reason(error), tracing.revision, instructions.environment)
        )
        return 1
    finally:
        sys.stdout.flush()
    return 0


def _install_guards(
    instructions: Instructions, control: Control, events: Events
) -> tuple[Any, Any]:
    """Install the proof of destination, the transaction guard, and the events to the parent."""
    from .destination.proof import Destination
    from .destination.version_table import VersionTable
    from .guards import wrap_configure
    from .recording.ledger import Ledger
    from .recording.tracing import Tracing
    from .transactions.all import AllTransactions

    family = family_of_identity(instructions.destination)
    destination = Destination(instructions, events)
    ledger = Ledger(instructions, events)
    tracing = Tracing(events)

    guard = load(family.transactions)
    if family.server is None:
        own = guard(
            instructions,
            events,
            destination.require_allowed,
            control.may_go_on,
            tracing.writes.add,
            ledger.record_begun,
        )
        prove: Callable[[Any, Mapping[str, Any]], None] = destination.prove
    else:
        own = guard(instructions, events, ledger, control.may_go_on)
        prove = _guard_connections(instructions, own, destination)
    transactions = AllTransactions([own])
    control.on_stop = transactions.stop
    destination.install()
    transactions.install()
    tracing.install()
    version_table = VersionTable(instructions, destination.refuse_as)
    version_table.install()
    wrap_configure(prove, transactions, tracing, ledger, version_table.require_known)
    return transactions, tracing


def _measure(instructions: Instructions, events: Events, tracing: Any) -> Callable[[], None]:
    """Measure the run if that was asked for; returns the function that reports it."""
    if not instructions.measure:
        return lambda: None
    from .recording.measuring import start_measuring

    return start_measuring(instructions, events, tracing)


def _guard_connections(
    instructions: Instructions, transactions: Any, destination: Any
) -> Callable[[Any, Mapping[str, Any]], None]:
    """Check each connection to a server from now on; returns what proves Alembic's own."""
    from .destination.connections import Connections
    from .destination.cross_database import CrossDatabase
    from .protocol.redaction import keep_secret, keep_secrets_of_urls
    from .transactions.sessions import ServerSessions

    sessions = ServerSessions(instructions, transactions, destination.refuse)
    cross_database = CrossDatabase(instructions)
    keep_secret(instructions.redirect or {})
    keep_secrets_of_urls([*os.environ.values(), instructions.ini_url or ""])
    Connections(instructions, destination.refuse, sessions, cross_database).install()
    cross_database.install()

    def prove(connection: Any, options: Mapping[str, Any]) -> None:
        destination.prove(connection, options)
        # Also one that a function of env.py's has made.
        cross_database.guard(connection.connection.dbapi_connection, instructions.destination)
        sessions.proved(connection)

    return prove
