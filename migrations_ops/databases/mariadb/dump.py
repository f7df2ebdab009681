"""Backups of MariaDB: written by mariadb-dump, restored by mariadb, never in memory as a whole."""

from __future__ import annotations

import os
import queue
import re
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

import pymysql

from migrations_ops.databases.address import Address
from migrations_ops.databases.interface import Progress
from migrations_ops.databases.mariadb.connect import (
    ALL_ROWS,
    LOCK_WAIT,
    WHOLE_ANSWERS,
    Connection,
    ask,
    begin_snapshot,
    close,
    connect,
    database_of,
)
from migrations_ops.databases.mariadb.dump_lines import object_at
from migrations_ops.databases.mariadb.errors import LOST, advice_on, in_words
from migrations_ops.databases.mariadb.rewriting import TRAILER, Rewriting
from migrations_ops.databases.mariadb.rows.insertions import ROWS_MODE, has_long_floats, write_rows
from migrations_ops.databases.mariadb.rows.sums import table_sizes
from migrations_ops.databases.mariadb.server import may_name_definers
from migrations_ops.databases.mariadb.tools import Tools, credentials, require_tools
from migrations_ops.databases.mariadb.waiting import require_no_wait
from migrations_ops.model.errors import StepFailed
from migrations_ops.system import process
from migrations_ops.system.files import open_own

__all__ = ["dump", "require_tools", "restore"]

_BLOCK = 1 << 18
# How many blocks are read ahead of the compression, which takes about as long as the dump.
_AHEAD = 16
# gzip: a user who has nothing but the file can still read it. zstd would save a tenth of the time.
_GZIP, _LEVEL = zlib.MAX_WBITS | 16, 1
_OPTIONS = (
    "--single-transaction", "--quick", "--hex-blob", "--no-tablespaces", "--skip-add-locks",
    "--skip-dump-date", "--default-character-set=utf8mb4", "--max-allowed-packet=1G",
)  # fmt: skip
_PROGRAMS = ("--routines", "--events")
# How mariadb-dump lets its rows be read; a date such as the 31st of February would become zero.
_MODE = (b"SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */", f"SQL_MODE='{ROWS_MODE}' */".encode())
_HEAD = 4096
# More than any list that the clients read of one database: of its tables, their columns, and so on.
_LONGEST_LIST = """SELECT
    (SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = %s)
    + (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = %s)
    + (SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = %s)
    + (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = %s)"""
# What is in a dump was accepted once, perhaps by a session that was laxer than those of today: rows
# that a CHECK refuses, a table whose rows may get too large. What keys and modes accept, the dump
# says itself.
_AS_WRITTEN = "/*M!100201 , innodb_strict_mode = 0, check_constraint_checks = 0 */"
_OF_MYSQL = ("--set-gtid-purged=OFF", "--column-statistics=0")


def dump(address: Address, into: Path, progress: Progress | None) -> None:
    """Write all of the database, as it is at one moment, into a new file.

    What others change of its tables meanwhile may be in it, or not: compare the schema before with
    the one after.

    :raises StepFailed: mariadb-dump failed, or was cut off; no file is left.
    :raises Refused: there is no such program here, or it is too old.
    :raises pymysql.MySQLError: the server cannot be asked.
    """
    connection = connect(address, "backup")
    try:
        begin_snapshot(connection)
        tools = require_tools(connection)
        size = sum(table_sizes(connection, address.database).values())
        # The name as the server keeps it, which is how it prints it.
        named = address.of_database(database_of(connection))
        run = _Run(tools, named, (*_of_kind(tools, connection), *_of_limit(connection, address)))
        default = _default_of(connection)
        rows = connection if has_long_floats(connection) else None
        if rows is None:
            connection.rollback()  # else it would keep others from changing what it has read
        descriptor = open_own(into, os.O_WRONLY | os.O_EXCL)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _write(run, rows, default, file, _Headway(progress, size))
                file.flush()
                os.fsync(file.fileno())
        except BaseException as error:
            with suppress(OSError):
                into.unlink()
            if isinstance(error, OSError):
                raise StepFailed(
                    f"The backup {into} could not be written: {error.strerror}.",
                    untouched=f"{address.label} was only read.",
                    next="Make room there, or see to the rights of the folder, and try again.",
                ) from error
            raise
    finally:
        close(connection)


def _default_of(connection: Connection) -> bytes:
    """A statement that gives a database, whatever its name, the character set of this one."""
    [(charset, collation)] = ask(
        connection, "SELECT @@character_set_database, @@collation_database"
    )
    return f"ALTER DATABASE CHARACTER SET {charset} COLLATE {collation};\n".encode()


def _write(
    run: _Run, rows: Connection | None, default: bytes, file: IO[bytes], headway: _Headway
) -> None:
    """Pack all that mariadb-dump says into a file.

    :param rows: the connection by whose snapshot the rows are read, where mariadb-dump would
        shorten some; else it writes them itself.
    :param default: a statement that comes first.
    """
    packed = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    blocks: Iterator[bytes] = run.blocks(*_PROGRAMS, "--triggers")
    if rows is not None:
        blocks = chain(
            run.blocks(*_PROGRAMS, "--skip-triggers", "--no-data"),
            write_rows(rows),
            # Not before the rows, which would set them off.
            run.blocks("--triggers", "--no-data", "--no-create-info"),
        )
    for block in _with_default(blocks, default):
        file.write(packed.compress(block))
        headway.add(len(block))
    file.write(packed.flush())
    headway.end()


def _with_default(blocks: Iterator[bytes], default: bytes) -> Iterator[bytes]:
    """Its first line may be one that switches the client's own commands off."""
    first, end, rest = next(blocks, b"").partition(b"\n")
    yield first + end + default + rest
    yield from blocks


def _with_mode(blocks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for block in blocks:
        head += block
        if len(head) >= _HEAD:
            break
    yield head.replace(*_MODE, 1)
    yield from blocks


def _of_kind(tools: Tools, connection: Connection) -> tuple[str, ...]:
    """Options that only one of both kinds of clients knows."""
    if not tools.is_mariadb:
        return _OF_MYSQL
    sql = (
        "SELECT COUNT(*) FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'SYSTEM VERSIONED'"
    )
    [(versioned,)] = ask(connection, sql, database_of(connection))
    # Else the rows that were would be lost, and it is known from 10.11 on.
    return ("--dump-history",) if versioned else ()


def _of_limit(connection: Connection, address: Address) -> tuple[str, ...]:
    """Options by which all rows are read from a server that is set to cut its answers.

    :raises StepFailed: it would also cut the lists of what there is, in which nothing helps.
    """
    [(limit,)] = ask(connection, "SELECT @@global.sql_select_limit")
    if limit >= ALL_ROWS:
        return ()
    [(most,)] = ask(connection, _LONGEST_LIST, *[address.database] * 4)
    if limit < most:
        raise StepFailed(
            f"No backup could be taken: the server of {address.label} is set to cut each answer"
            f" after {limit} rows (sql_select_limit), and its clients cannot override that.",
            untouched=f"{address.label} was only read.",
            next="SET GLOBAL sql_select_limit = DEFAULT; and try again.",
        )
    return (f"--where=1 LIMIT {ALL_ROWS}",)


class _Headway:
    """What is done of a whole whose size is known about."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, amount: int) -> None:
        self._done += amount
        if self._progress is not None and self._total:
            self._progress(min(self._done, self._total), self._total)

    def end(self) -> None:
        self.add(self._total)


@dataclass(frozen=True)
class _Run:
    """How mariadb-dump is run on one database."""

    tools: Tools
    address: Address
    options: tuple[str, ...]

    def blocks(self, *what: str) -> Iterator[bytes]:
        """What it writes, the end of which is seen.

        :raises StepFailed: it failed, or was cut off.
        """
        tail = b""
        with credentials(self.address) as (login, variables), tempfile.TemporaryFile() as errors:
            argv = [self.tools.dump, f"--defaults-file={login.file}", *_OPTIONS, *self.options]
            argv += [*what, "--", self.address.database]
            with process.piped(argv, variables, errors, fed=False) as run:
                assert run.stdout is not None
                for block in _with_mode(self._read(run.stdout)):
                    login.forget()
                    tail = (tail + block)[-200:]
                    yield block
                code = run.wait()
            message = _first_error(errors)
        if code or TRAILER not in tail:
            raise StepFailed(
                f"{Path(self.tools.dump).name} failed:"
                f" {_bare(message or f'exit code {code}', self.address)}.",
                untouched=f"{self.address.label} was only read.",
                next=_advice(message),
            )

    def _read(self, stream: IO[bytes]) -> Iterator[bytes]:
        """The blocks of its output.

        :raises StepFailed: nothing comes any more, since it waits for a lock.
        """
        return _read_ahead(
            stream, lambda: require_no_wait(self.address, Path(self.tools.dump).name)
        )


def _read_ahead(stream: IO[bytes], on_silence: Callable[[], None]) -> Iterator[bytes]:
    """The blocks of a pipe, read by a thread, so that its writer goes on meanwhile.

    :param on_silence: called again and again while nothing comes.
    """
    blocks: queue.Queue[bytes] = queue.Queue(_AHEAD)
    given_up = threading.Event()

    def read() -> None:
        block = b"."
        while block and not given_up.is_set():
            try:
                block = stream.read(_BLOCK)
            except (OSError, ValueError):
                block = b""  # closed: the reader is gone
            _put(blocks, block, given_up)

    def next_block() -> bytes:
        while True:
            try:
                return blocks.get(timeout=LOCK_WAIT)
            except queue.Empty:
                on_silence()

    threading.Thread(target=read, daemon=True).start()
    try:
        while block := next_block():
            yield block
    finally:
        given_up.set()


def _put(blocks: queue.Queue[bytes], block: bytes, given_up: threading.Event) -> None:
    while not given_up.is_set():
        with suppress(queue.Full):
            blocks.put(block, timeout=0.2)
            return


def restore(file: Path, address: Address) -> tuple[str, ...]:
    """Fill an empty database from such a file. Its events do not run there.

    :returns: those who defined views or programs there and do not here, since this role may not
        say so.
    :raises StepFailed: it could not be filled, or the file is damaged.
    :raises Refused: there is no such program here, or it is too old.
    """
    try:
        connection = connect(address, "restore")
        try:
            tools, definers = require_tools(connection), may_name_definers(connection)
        finally:
            close(connection)
    except pymysql.MySQLError as error:
        raise _unfilled(in_words(error, address.label), advice_on(error)) from error
    rewriting = Rewriting(address.database, definers=definers)
    argv = [
        "--binary-mode", "--comments", "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G", f"--database={address.database}",
        f"--init-command=SET SESSION {WHOLE_ANSWERS} {_AS_WRITTEN}",
    ]  # fmt: skip
    with credentials(address) as (login, variables), tempfile.TemporaryFile() as errors:
        command = [tools.client, f"--defaults-file={login.file}", *argv]
        with process.piped(command, variables, errors, fed=True) as run:
            assert run.stdin is not None
            longest = 0
            with suppress(OSError):  # it has ended, and reported why
                for number, block in enumerate(rewriting.pass_through(_unpacked(file))):
                    longest = max(longest, len(block))  # which ends with a line, however long
                    run.stdin.write(block)
                    if number > 1:
                        login.forget()  # more than the pipe holds: it has begun to read
                if not rewriting.complete:
                    # Its last statement may be cut, too: it must not be executed.
                    raise _damaged(file, "its end is missing")
                run.stdin.close()
            code = run.wait()
        message = _first_error(errors)
    if code:
        message = _of_too_long(message, address, longest) or message
        what = f"mariadb failed: {_bare(message or f'exit code {code}', address)}"
        again = Rewriting(address.database, definers=definers)
        if where := object_at(message, again.pass_through(_unpacked(file))):
            what += f" (in the dump below: {where})"
        raise _unfilled(what, _advice(message))
    return tuple(sorted(rewriting.replaced))


def _of_too_long(message: str, address: Address, longest: int) -> str:
    """What the server meant when it hung up on a statement longer than it takes, else nothing.

    It says so (1153) and closes the connection, and whether a client that is still writing reads
    that error or the closed connection first (2006, 2013) is a race:
    https://mariadb.com/kb/en/server-system-variables/#max_allowed_packet

    :param longest: of the parts that were sent, in bytes.
    """
    if _number(message) not in LOST:
        return ""
    with suppress(pymysql.MySQLError):
        connection = connect(address, "restore")
        try:
            [(most,)] = ask(connection, "SELECT @@max_allowed_packet")
        finally:
            close(connection)
        if isinstance(most, int) and longest > most:
            return f"ERROR 1153: a statement is longer than the server's max_allowed_packet, {most}"
    return ""


def _unpacked(file: Path) -> Iterator[bytes]:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        with file.open("rb") as stream:
            while packed := stream.read(_BLOCK):
                while packed:
                    yield unpacking.decompress(packed, 4 * _BLOCK)
                    packed = unpacking.unconsumed_tail
    except zlib.error as error:
        raise _damaged(file, str(error)) from None
    except OSError as error:
        raise _damaged(file, error.strerror or str(error)) from None
    if not unpacking.eof:
        raise _damaged(file, "it is cut short")


def _damaged(file: Path, why: str) -> StepFailed:
    return StepFailed(
        f"The backup {file} is damaged: {why}.",
        untouched="No database but a copy was touched.",
        next="Take another one: invoke backups",
    )


def _unfilled(what: str, advice: str) -> StepFailed:
    return StepFailed(
        f"The backup could not be restored: {what}.",
        untouched="No database but a copy was touched.",
        next=advice,
    )


def _first_error(errors: IO[bytes]) -> str:
    """The first line that says what went wrong, without the name of the program."""
    errors.seek(0)
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines()]
    errors_only = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
    first = next((line for line in errors_only or lines if line), "")
    return re.sub(r"^[\w./\\-]+(?:dump|mysql|mariadb)(?:\.exe)?: ", "", first)


def _bare(message: str, address: Address) -> str:
    text = " ".join(message.split()).rstrip(".")
    return text.replace(address.password, "***") if address.password else text


def _advice(message: str) -> str:
    """What to do about the error of a client."""
    if "insufficient privileges to SHOW CREATE" in message:
        return (
            "Let this role see what others have defined: GRANT SELECT ON mysql.proc TO it, or from"
            " MariaDB 11.3 on GRANT SHOW CREATE ROUTINE ON the database; and try again."
        )
    number = _number(message)
    if number is None:
        return "Fix that, and try again."
    if number in (1146, 1412):
        return "Another session changed the tables meanwhile: try again when that has ended."
    if number == 1356:
        return "Fix that view, or drop it, and try again."
    return advice_on(pymysql.OperationalError(number, message))


def _number(message: str) -> int | None:
    found = re.search(r"(?:ERROR|[Ee]rror:?) (\d{4})\b|\((\d{4})\)", message)
    return int(found[1] or found[2]) if found else None
