"""The launcher: imports Alembic ahead of time, waits for its orders, runs real Alembic commands.

``python .../child -c a.ini upgrade head --then -c a.ini check`` runs two commands in one
process, and waits for a line from the parent before each of them. When the parent closes
the channel, or dies, the process stops: before its orders without having done anything, in the
middle of a run by rolling back.
"""

from __future__ import annotations

import _thread
import contextlib
import gc
import importlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import IO, Any

from .protocol import ProtocolError
from .protocol.events import Events
from .protocol.instructions import DIALECT, SCRIPTS, THEN, Instructions
from .redaction import redacted

INTERRUPTED = 130
# How long, in seconds, a run may take to roll back after its parent is gone.
GRACE = 5.0
# What env.py and the guards would import one after the other once the orders are there.
_AHEAD = (
    "alembic.config", "sqlalchemy.orm", "logging.config",
    ".destination.proof", ".destination.version_table", ".recording.hooks", ".recording.ledger",
    ".recording.tracing", ".transactions.sqlite",
)  # fmt: skip
_OF_SERVERS = (".destination.connections", ".transactions.sessions")


# PostgreSQL's word for a transaction in which something has failed before.
_ABORTED = "25P02"
# What a failing statement is raised in, and what nobody has to mend.
_DRIVERS = (
    "psycopg", "psycopg2", "asyncpg", "pg8000", "pymysql", "MySQLdb", "aiomysql", "asyncmy",
    "mysql.connector", "greenlet",
)  # fmt: skip


class Control:
    """The reading end of the channel: one line allows one command, the end means stop."""

    def __init__(self, channel: IO[bytes]) -> None:
        self._channel = channel
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._gone = False
        self.on_stop: Callable[[], None] | None = None
        self.working = False
        self._stopping, self._stopped = threading.Event(), threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def next_line(self) -> bytes | None:
        """The next line from the parent; None when there will be no more."""
        self.working = False
        line = self._lines.get()
        # In this order, and the other way round in the thread that reads: whoever comes second
        # notices the first, so that no command is begun, or goes on, for a parent that is gone.
        self.working = line is not None
        return None if self._gone else line

    def _read(self) -> None:
        for line in self._channel:
            self._lines.put(line)
        self._gone = True
        self._lines.put(None)
        if self.working:
            self._stop()

    def await_stop(self) -> None:
        """Whoever leaves while another thread is within a driver, to cancel what the server does,
        takes its memory away from under it: the process would end by a signal."""
        if self._stopping.is_set():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it has been heard
            self._stopped.wait(GRACE)

    def _stop(self) -> None:
        self._stopping.set()
        if self.on_stop is not None:
            self.on_stop()
        self._stopped.set()
        if hasattr(signal, "pthread_kill"):
            # Unlike interrupt_main(), a real signal also ends a sleep or a wait.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            _thread.interrupt_main()
        time.sleep(GRACE)
        os._exit(INTERRUPTED)  # SQLite rolls back what is left when it is next opened


def main(arguments: list[str]) -> int:
    """Run the Alembic commands of the arguments, one for each line that the parent sends."""
    control, events = _take_channels()
    dialect, arguments = _dialect_of(arguments)
    # A shell script starts what it leaves in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _import_ahead(dialect)
        from alembic.config import CommandLine
    except ImportError as error:
        message = f"{sys.executable} lacks what a step needs: {error}"
        events.emit("failed", kind="guard", type="ImportError", message=message)
        return 1
    parser = CommandLine(prog="alembic")
    gc.freeze()
    gc.enable()
    control.start()
    events.emit("ready")
    try:
        first = control.next_line()
        if first is None:
            return 0
        code = _run(parser, arguments, Instructions.from_json(first), control, events)
    except ProtocolError as error:
        events.emit("failed", kind="guard", type="ProtocolError", message=str(error))
        code = 1
    except KeyboardInterrupt:
        events.emit("failed", kind="interrupted", type="KeyboardInterrupt", message="interrupted")
        code = INTERRUPTED
    control.working = False
    control.await_stop()
    gc.freeze()
    return code


def _dialect_of(arguments: list[str]) -> tuple[str, list[str]]:
    if arguments[:1] and arguments[0].startswith(DIALECT):
        return arguments[0].removeprefix(DIALECT), arguments[1:]
    return "sqlite", arguments


def _import_ahead(dialect: str) -> None:
    """Import what nearly every run needs, before the orders arrive; nothing of the project.

    Mako takes pygments, where it is installed, for error pages in HTML, which Alembic never
    shows: hidden from it, the child is ready a tenth sooner.
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
    """What SQLAlchemy imports for a dialect, and for its driver; if it cannot, env.py will tell."""
    name, _, driver = dialect.partition("+")
    if name == "sqlite":
        importlib.import_module("sqlalchemy.dialects.sqlite")
        return
    for module in _OF_SERVERS:
        importlib.import_module(module, __package__)
    with contextlib.suppress(Exception):
        importlib.import_module(f"sqlalchemy.dialects.{name.replace('mariadb', 'mysql')}")
    with contextlib.suppress(Exception):
        importlib.import_module({"mysqldb": "MySQLdb"}.get(driver, driver.removesuffix("_async")))


def _take_channels() -> tuple[Control, Events]:
    """Keep the pipes to the parent for ourselves; what env.py prints goes to the log.

    Five of 21 real projects print to standard output while they migrate, and one that asks a
    question must get an end of file instead of our next line.
    """
    control = os.fdopen(os.dup(0), "rb")
    channel = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return Control(control), Events(channel)


def _run(
    parser: Any, arguments: list[str], instructions: Instructions, control: Control, events: Events
) -> int:
    from .destination.proof import WrongDatabase

    if instructions.stdout is not None:
        target = os.open(instructions.stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(target, 1)
        os.close(target)
    transactions, tracing = _install_guards(instructions, control, events)
    try:
        for number, command in enumerate(_split(arguments)):
            if number and control.next_line() is None:
                return 0
            _run_command(parser, command, instructions, events, transactions)
            events.emit("finished", command=command)
    except WrongDatabase as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except _Usage as usage:
        events.emit("failed", kind="usage", type="CommandError", message=str(usage))
        return 1
    except SystemExit as leaving:
        message = f"the process left by itself with sys.exit({leaving.code!r})"
        events.emit(
            "failed", kind="exit", type="SystemExit", message=message, revision=tracing.revision
        )
        return 1
    except Exception as error:
        print(redacted(traceback.format_exc()), file=sys.stderr, end="")
        reason = transactions.reason(error)
        _tell_failure(error if reason else _first(error), reason, tracing.revision, events)
        return 1
    finally:
        sys.stdout.flush()
    return 0


def _first(error: Exception) -> Exception:
    """What went wrong first, where this error only says that something did: whoever tidied up
    after it, as Alembic does after a batch, has failed at the broken transaction."""
    from .driver import sqlstate_of

    first = error
    while sqlstate_of(first) == _ABORTED or type(first).__name__ == "PendingRollbackError":
        cause = first.__cause__ or first.__context__
        while isinstance(cause, Exception) and sqlstate_of(cause) == _ABORTED:
            cause = cause.__context__
        if not isinstance(cause, Exception):
            return error
        first = cause
    return first


def _tell_failure(error: Exception, reason: str, revision: str | None, events: Events) -> None:
    from .driver import sqlstate_of

    events.emit(
        "failed",
        kind="guard" if reason else "error",
        type=type(error).__name__,
        message=reason or _sentence(error),
        revision=revision,
        where=_where(error),
        sqlstate=sqlstate_of(error),
    )


def _install_guards(
    instructions: Instructions, control: Control, events: Events
) -> tuple[Any, Any]:
    """Prove the destination, keep the transaction whole and tell the parent, from now on."""
    from .destination.proof import Destination
    from .destination.version_table import VersionPlace
    from .protocol.identity import is_server
    from .recording.hooks import AllTransactions, wrap_configure
    from .recording.ledger import Ledger
    from .recording.tracing import Tracing

    destination = Destination(instructions, events)
    ledger = Ledger(instructions, events)
    tracing = Tracing(events)

    def written_down() -> bool:
        return control.next_line() is not None

    if is_server(instructions.destination):
        own, prove = _guard_server(instructions, events, ledger, destination, written_down)
    else:
        from .transactions.sqlite import SQLiteTransactions

        own = SQLiteTransactions(instructions, events, destination.require_allowed, written_down)
        prove = destination.prove
    transactions = AllTransactions([own])
    control.on_stop = transactions.stop
    destination.install()
    transactions.install()
    tracing.install()
    place = VersionPlace(instructions, destination.refuse_as)
    place.install()
    wrap_configure(prove, transactions, tracing, ledger, place.require_known)
    return transactions, tracing


def _guard_server(
    instructions: Instructions,
    events: Events,
    ledger: Any,
    destination: Any,
    written_down: Callable[[], bool],
) -> tuple[Any, Callable[[Any, str | None], None]]:
    """The guard of the run's transactions on a server, and what proves a connection to it."""
    from .destination.connections import Connections
    from .destination.cross_database import Elsewhere
    from .redaction import keep_secret, keep_secrets_of_urls
    from .transactions.mariadb import MariaDBTransactions
    from .transactions.postgresql import PostgreSQLTransactions
    from .transactions.sessions import Sessions

    each = (PostgreSQLTransactions, MariaDBTransactions)
    kind = next(
        kind for kind in each if str(instructions.destination).startswith(f"{kind.family}:")
    )
    transactions = kind(instructions, events, ledger, written_down)
    sessions = Sessions(instructions, transactions, destination.refuse)
    elsewhere = Elsewhere(instructions)
    keep_secret(instructions.redirect or {})
    keep_secrets_of_urls([*os.environ.values(), instructions.ini_url or ""])
    Connections(
        instructions, destination.refuse, sessions.opened, sessions.opened_apart, elsewhere.keep_in
    ).install()
    elsewhere.install()

    def prove(connection: Any, schema: str | None) -> None:
        destination.prove(connection, schema)
        # Also one that a function of env.py's has made.
        elsewhere.keep_in(connection.connection.dbapi_connection, instructions.destination)
        sessions.proved(connection)

    return transactions, prove


def _split(arguments: list[str]) -> list[list[str]]:
    """The argument list of each command; each stands with all of its own options."""
    commands: list[list[str]] = [[]]
    for argument in arguments:
        if argument == THEN:
            commands.append([])
        else:
            commands[-1].append(argument)
    return commands


def _run_command(
    parser: Any, command: list[str], instructions: Instructions, events: Events, transactions: Any
) -> None:
    from alembic.util.exc import AutogenerateDiffsDetected

    from . import scripts
    from .transactions.sqlite import CHANGING

    asked = command[-1:] == [SCRIPTS]
    # "heads" only stands in, so that Alembic's parser reads the options before it.
    command = [*command[:-1], "heads"] if asked else command
    sys.argv = ["alembic", *command]
    options = _parse(parser.parser, command)
    if options is None:
        return
    config = _config(parser, options)
    if instructions.ini_url is not None:
        config.set_main_option("sqlalchemy.url", instructions.ini_url.replace("%", "%%"))
    if asked:
        scripts.tell(config, events)
        return
    function, positional, keywords = options.cmd
    transactions.command_begins(changes=function.__name__ in CHANGING)
    try:
        function(
            config,
            *[getattr(options, name, None) for name in positional],
            **{name: getattr(options, name, None) for name in keywords},
        )
    except AutogenerateDiffsDetected as drift:
        events.emit("drift", differences=_differences(drift))


def _config(parser: Any, options: Any) -> Any:
    from alembic.config import Config

    if not hasattr(parser, "_inis_from_config"):
        # Before 1.16, Alembic read no pyproject.toml. A project's own interpreter may have that.
        return Config(file_=options.config, ini_section=options.name, cmd_opts=options)
    toml, ini = parser._inis_from_config(options)
    return Config(file_=ini, toml_file=toml, ini_section=options.name, cmd_opts=options)


class _Usage(Exception):
    """Alembic's parser does not understand the arguments; nothing was started."""


def _parse(parser: Any, command: list[str]) -> Any:
    """Alembic's options; None where --help or --version has printed what was asked for.

    :raises _Usage: there are none for these arguments; the parser's own words say why.
    """
    import io
    from contextlib import redirect_stderr

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            options = parser.parse_args(command)
            if not hasattr(options, "cmd"):
                parser.error("too few arguments")
    except SystemExit as leaving:
        if not leaving.code:
            return None
        lines = said.getvalue().strip().splitlines() or ["these arguments"]
        raise _Usage(lines[-1].partition(" error: ")[2] or lines[-1]) from None
    return options


def _differences(drift: Any) -> list[str]:
    found: list[str] = []

    def collect(entry: Any) -> None:
        if isinstance(entry, list):
            for part in entry:
                collect(part)
        else:
            found.append(_difference(entry))

    collect(getattr(drift, "diffs", None) or [str(drift)])
    return found


def _difference(entry: Any) -> str:
    """``('add_column', None, 'users', Column('age', ...))`` as ``add_column users.age``."""
    if not isinstance(entry, tuple):
        return str(entry)
    kind, *rest = entry
    names = []
    for part in rest:
        name = getattr(part, "name", part)
        table = getattr(getattr(part, "table", None), "name", None)
        if table and table not in names:
            names.append(table)
        if isinstance(name, str) and name not in names:
            names.append(name)
    return f"{kind} {'.'.join(names)}".strip()


def _sentence(error: BaseException) -> str:
    """The first line of a message; SQLAlchemy adds the statement with its values below it."""
    from .driver import words_of

    lines = words_of(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _where(error: BaseException) -> str | None:
    """The last place of the traceback that is the project's: not Python's, Alembic's or ours."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    import sqlalchemy

    import alembic

    drivers = [sys.modules[name].__file__ for name in _DRIVERS if name in sys.modules]
    libraries = [
        os.path.dirname(os.path.abspath(file))
        for file in (__file__, alembic.__file__, sqlalchemy.__file__, *filter(None, drivers))
    ]
    places = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", *libraries))
        and not _is_python(frame.filename)
        and not frame.filename.endswith(".pyx")  # asyncmy's, by a relative path
    ]
    return places[-1] if places else None


def _is_python(file: str) -> bool:
    """Whether a file is of Python's own library; what is installed beside it is not."""
    own = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
    return file.startswith(own) and "-packages" + os.sep not in file[len(own) :]
