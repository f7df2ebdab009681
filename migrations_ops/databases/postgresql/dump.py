"""pg_dump and pg_restore: found, of the right version, and given the password in a file only."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NoReturn

import psycopg

from migrations_ops.databases.address import Address
from migrations_ops.databases.interface import Progress
from migrations_ops.databases.postgresql.connect import (
    ANSWER_SECONDS,
    connect,
    parameters,
    watched,
)
from migrations_ops.databases.postgresql.sessions import find_blocking_sessions
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.system import process
from migrations_ops.system.files import make_own, open_own
from migrations_ops.system.variables import base_variables

# From this version on, pg_dump compresses by zstd: a third of the time of gzip, and smaller.
_KNOWS_ZSTD = 16
_DUMPING = re.compile(rb"dumping contents of table \"(.+)\"")
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
# A subscription is a tie to another server, with a password in it: a copy that had it could not be
# dropped, and a restored database with it would not receive its rows.
_NO_SUBSCRIPTIONS = "--no-subscriptions"
# How long, in milliseconds, pg_dump waits for a table that another session has locked.
_LOCK_WAIT = 5000
# The first version whose pg_restore tells every server of a setting that only newer ones know.
_SAYS_TOO_MUCH = 17
_TOO_MUCH = "Command was: SET transaction_timeout"
_PLACE = re.compile(r"from TOC entry \d+; \d+ \d+ (.+)")
_STATEMENT = "Command was: "
# How many characters of a statement are kept; its literals, which may be secrets, are not.
_SHOWN = 200
_IGNORED = re.compile(r"errors ignored on restore: (\d+)")
_FROM_SERVER = "detail: Error message from server:"
# Which clients read a file, by the minor version of its format; the newest read all.
_READERS = {14: 12, 15: 16, 16: 17}
# Several keep their output when they failed; the first says why.
_KEPT_ERRORS = 20


@dataclass(frozen=True)
class Tools:
    """The programs of one installation of PostgreSQL's clients."""

    folder: Path
    version: int

    def program(self, name: str) -> str:
        return str(self.folder / name)


@cache
def find_tools(server: int) -> Tools | None:
    """The oldest clients here that are not older than the server; None where there are none.

    pg_dump refuses a newer server: https://www.postgresql.org/docs/current/app-pgdump.html

    :param server: the server's major version.
    """
    fitting = [tools for tools in _installed() if tools.version >= server]
    return min(fitting, key=lambda tools: tools.version, default=None)


def require_tools(server: int) -> Tools:
    """:raises Refused: there are no clients, or all are older than the server."""
    tools = find_tools(server)
    if tools is not None:
        return tools
    newest = max((each.version for each in _installed()), default=None)
    has = "there is no pg_dump in PATH" if newest is None else f"pg_dump here is version {newest}"
    raise Refused(
        f"The server is PostgreSQL {server}, and {has}: no backup could be taken.",
        untouched="No database was changed.",
        next=f"Install PostgreSQL's clients of version {server} or later, and see that their folder"
        " is in PATH.",
    )


def _installed() -> Iterator[Tools]:
    import glob

    path = base_variables().get("PATH", os.defpath).split(os.pathsep)
    found = [folder for pattern in _PLACES for folder in sorted(glob.glob(pattern))]
    for folder in dict.fromkeys([*path, *found]):
        # The folder in which we happen to be decides nothing.
        version = _version(Path(folder)) if os.path.isabs(folder) else None
        if version is not None:
            yield Tools(Path(folder), version)


@cache
def _version(folder: Path) -> int | None:
    names = ("pg_dump.exe",) if os.name == "nt" else ("pg_dump",)
    for name in names:
        # Debian's wrapper starts whichever version it thinks best; all of them are in _PLACES.
        if not os.access(folder / name, os.X_OK) or (folder / name).resolve().name == "pg_wrapper":
            continue
        with suppress(OSError, process.TooLong, ValueError):
            argv = [str(folder / name), "--version"]
            output = process.run(argv, base_variables(), folder, timeout=ANSWER_SECONDS).stdout
            return int(re.findall(rb"\d+", output)[0])
    return None


def dump(
    address: Address,
    into: Path,
    *,
    tools: Tools,
    snapshot: str,
    sizes: Mapping[str, int],
    progress: Progress | None,
    encoding: str = "UTF8",
) -> None:
    """Write the database as one snapshot sees it into a new file, in pg_dump's own format.

    :param snapshot: of a transaction that stays open meanwhile.
    :param sizes: the bytes of each table, for the progress.
    :param encoding: the database's own; what it sets for its clients may know fewer characters.
    :raises StepFailed: pg_dump failed; its own words say why.
    """
    make_own(into)
    argv = [
        tools.program("pg_dump"), "--format=custom", _compression(tools), "--verbose",
        f"--lock-wait-timeout={_LOCK_WAIT}", f"--snapshot={snapshot}", f"--file={into}",
        _NO_SUBSCRIPTIONS, f"--encoding={encoding}",
    ]  # fmt: skip
    total, done, current = sum(sizes.values()), 0, ""

    def follow(line: bytes) -> None:
        nonlocal done, current
        found = _DUMPING.search(line)
        if found is not None and progress is not None and total:
            done += sizes.get(current, 0)
            current = found.group(1).decode(errors="replace")
            progress(min(done, total), total)

    _run(argv, address, "pg_dump", follow)
    if progress is not None and total:
        progress(total, total)
    with into.open("rb+") as file:
        os.fsync(file.fileno())


def restore(address: Address, file: Path, *, server: int) -> None:
    """Fill an empty database from such a file.

    :param server: its server's major version.
    :raises StepFailed: pg_restore failed; its own words say why.
    :raises Refused: no clients here know that server.
    """
    tools = require_tools(server)
    reader = _reader_of(file)
    if tools.version < reader:
        tools = find_tools(reader) or _no_reader(file, reader, tools)
    argv = [tools.program("pg_restore"), "--verbose", _NO_SUBSCRIPTIONS, str(file)]
    lenient = server < _SAYS_TOO_MUCH <= tools.version
    # Where errors are recognised by their words, one process writes: those of several run into
    # each other within a line, and an error that is not recognised would be missed.
    if not lenient:
        argv[1:1] = ["--exit-on-error", f"--jobs={min(4, os.cpu_count() or 1)}"]
    _run(argv, address, "pg_restore", lambda line: None, lenient=lenient)


def _reader_of(file: Path) -> int:
    """The version of the oldest clients that read it; 0 where it is no such file."""
    with file.open("rb") as stream:
        head = stream.read(7)
    if len(head) < 7 or not head.startswith(b"PGDMP"):
        return 0
    return _READERS.get(head[6], max(_READERS.values()))


def _no_reader(file: Path, reader: int, tools: Tools) -> NoReturn:
    raise StepFailed(
        f"{file.name} was written by clients of PostgreSQL {reader} or later, and pg_restore here"
        f" is version {tools.version}.",
        untouched="No database was changed.",
        next=f"Install PostgreSQL's clients of version {reader} or later, and see that their folder"
        " is in PATH.",
    )


@cache
def _compression(tools: Tools) -> str:
    """zstd where this build has it, else the least of gzip."""
    if tools.version < _KNOWS_ZSTD:
        return "--compress=1"
    # Nothing is asked of a server: a build without zstd says so before.
    argv = [tools.program("pg_dump"), "--compress=zstd:1", "--dbname=host=/nonexistent"]
    with tempfile.TemporaryFile() as output, suppress(OSError, process.TooLong):
        process.run(argv, base_variables(), tools.folder, output=output, timeout=ANSWER_SECONDS)
        output.seek(0)
        if b"does not support" not in output.read():
            return "--compress=zstd:1"
    return "--compress=1"


@dataclass
class _ToolErrors:
    """The standard error of a tool: its first errors, else its last line."""

    errors: list[str] = field(default_factory=list)
    place: str = ""
    spared: int = 0
    ignored: int = 0
    last: str = ""
    locked: bool = False
    holders: list[str] = field(default_factory=list)

    def hear(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        if re.match(r"pg_\w+: error: ", text):
            if len(self.errors) < _KEPT_ERRORS:
                self.errors.append(f"{text}, in {self.place}" if self.place else text)
        elif found := _PLACE.search(text):
            # The last word is its owner.
            self.place = found[1].rpartition(" ")[0] or found[1]
        elif text.startswith(_TOO_MUCH) and self.errors:
            self.errors.pop()
            self.spared += 1
        elif text.startswith(_STATEMENT) and self.errors:
            statement = re.sub(r"'(?:[^']|'')*'?", "'...'", text.removeprefix(_STATEMENT))
            self.errors[-1] += f": {statement[:_SHOWN]}"
        elif count := _IGNORED.search(text):
            self.ignored = int(count[1])
        elif "Query was: LOCK TABLE" in text:
            self.locked = True
        elif _FROM_SERVER in text and self.errors:
            self.errors[-1] += f" {text.partition(_FROM_SERVER)[2]}"
        self.last = text or self.last

    @property
    def all_spared(self) -> bool:
        """Whether all errors that pg_restore itself has counted are those that may be."""
        return self.spared > 0 and self.spared == self.ignored and not self.errors

    def why(self, code: int | None) -> str:
        """Why it failed, in one line."""
        if self.locked:
            return ": ".join(["another session has locked a table", *self.holders[:1]])
        if self.errors:
            return self.errors[0]
        if code is not None and code < 0:
            return f"it was ended by signal {-code}"
        return self.last or f"it ended with exit code {code}"


def _run(
    argv: Sequence[str],
    address: Address,
    name: str,
    follow: Callable[[bytes], None],
    *,
    lenient: bool = False,
) -> None:
    """:param lenient: it may fail at a setting that its server does not know, and at no more."""
    output = _ToolErrors()
    with _credentials(address) as (variables, secrets):
        command = [*argv, "--no-password", f"--dbname={_conninfo(address)}"]
        with process.supervised(command, variables, secrets) as run, watched(address, run.end):
            for line in run.lines():
                follow(line)
                output.hear(line)
            code, reason = run.ended()
    if code == 0 or (lenient and code == 1 and output.all_spared):
        return
    if output.locked:
        output.holders = _holders(address)
    why = "the server does not answer any more" if run.is_ending else reason or output.why(code)
    raise StepFailed(
        f"{name} failed: {_bare(why, address)}.",
        untouched=f"{address.label} was only read."
        if name == "pg_dump"
        else f"{address.label} is a copy, which is thrown away.",
        next="Let the other process finish, or stop it, and try again."
        if output.locked
        else "Fix that, and try again.",
    )


def _holders(address: Address) -> list[str]:
    with suppress(psycopg.Error), connect(address, "locks") as connection:
        return find_blocking_sessions(connection, readers=True)
    return []


def _bare(text: str, address: Address) -> str:
    """A message of a tool without its name, and without anything that it must not tell."""
    text = re.sub(r"^pg_(dump|restore): (error: )?", "", text).rstrip(".")
    return text.replace(address.password, "***") if address.password else text


@contextmanager
def _credentials(address: Address) -> Iterator[tuple[dict[str, str], list[Path]]]:
    """The variables of a tool, and the files in which it finds the password.

    Both an argument and a variable can be read by others on the machine while the tool runs; a
    file that is ours alone cannot.

    :raises StepFailed: the password cannot be given in that way.
    """
    base = base_variables()
    variables = {name: value for name, value in base.items() if not name.startswith("LC_")}
    variables |= {"LC_ALL": "C", "PGCONNECT_TIMEOUT": str(ANSWER_SECONDS)}
    # What a database sets for applications holds for its copies, too, which are to be filled.
    variables["PGOPTIONS"] = (
        "-c synchronous_commit=off -c statement_timeout=0 -c default_transaction_read_only=off"
    )
    if not address.password:
        yield variables, []
        return
    if re.search(r"[\r\n]", address.password):
        raise StepFailed(
            f"The password of {address.label} contains a line break, which PostgreSQL's own"
            " clients cannot read from a password file.",
            untouched="No database was changed.",
            next="Choose another password.",
        )
    with tempfile.TemporaryDirectory(prefix="migrations_ops-") as folder:
        file = Path(folder) / "pgpass"
        descriptor = open_own(file, os.O_WRONLY | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            escaped = address.password.replace("\\", "\\\\").replace(":", "\\:")
            stream.write(f"*:*:*:*:{escaped}\n")
        yield variables | {"PGPASSFILE": str(file)}, [file]


def _conninfo(address: Address) -> str:
    def quoted(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"

    settings = {**parameters(address), "keepalives_idle": "10", "keepalives_interval": "5"}
    return " ".join(f"{key}={quoted(value)}" for key, value in settings.items())
