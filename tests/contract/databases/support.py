"""What the tests of the engines share: live databases, writers, and ways to cut a connection."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from migrations_ops.databases.sqlite.database import SQLite

MODES = ("wal", "delete")
NOBODY = 65534

# Two tables that change in one transaction, without a pause: a copy in which they differ is torn.
_WRITER = """
import itertools, sqlite3, sys
live = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
live.execute("PRAGMA synchronous=OFF")
for number in itertools.count():
    live.execute("BEGIN IMMEDIATE")
    live.execute("UPDATE left_side SET n = n + 1")
    live.execute("UPDATE right_side SET n = n + 1")
    live.execute("INSERT INTO log VALUES (?)", ("x" * 200,))
    live.execute("COMMIT")
    if number == 0:
        print("writing", flush=True)
"""
_HOLDER = """
import sqlite3, sys, time
live = sqlite3.connect(sys.argv[1], isolation_level=None)
live.execute(sys.argv[2])
if len(sys.argv) > 3:
    live.execute(sys.argv[3]).fetchone()
print("held", flush=True)
sys.stdin.read()
"""


def sqlite(path: Path) -> SQLite:
    return SQLite(path, path.name)


def make_pair(path: Path, mode: str, megabytes: int = 0) -> SQLite:
    """A database of two tables that always agree, and as much ballast as is asked for."""
    with closing(sqlite3.connect(path, isolation_level=None)) as live:
        live.execute(f"PRAGMA journal_mode={mode}")
        live.execute("CREATE TABLE left_side (n INTEGER)")
        live.execute("CREATE TABLE right_side (n INTEGER)")
        live.execute("CREATE TABLE log (line TEXT)")
        live.execute("INSERT INTO left_side VALUES (0)")
        live.execute("INSERT INTO right_side VALUES (0)")
        live.execute("CREATE TABLE ballast (bytes BLOB)")
        live.execute("BEGIN")
        for _ in range(megabytes):
            live.execute("INSERT INTO ballast VALUES (randomblob(1000000))")
        live.execute("COMMIT")
    return sqlite(path)


def sides(path: Path) -> tuple[int, int]:
    """What the two tables say."""
    with closing(sqlite3.connect(path)) as live:
        sql = "SELECT left_side.n, right_side.n FROM left_side, right_side"
        found: tuple[int, int] = live.execute(sql).fetchone()
        return found


@contextmanager
def running(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that has said that it is at work; it is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def writer(path: Path) -> Iterator[None]:
    """Another process that writes without a pause."""
    with running(_WRITER, str(path)) as process:
        yield
        assert process.poll() is None, "the writer has failed"


@contextmanager
def held(path: Path, *statements: str) -> Iterator[None]:
    """Another process that holds a lock: the transaction that these statements open."""
    with running(_HOLDER, str(path), *statements):
        yield


@contextmanager
def as_nobody() -> Iterator[Path]:
    """Within, rights count, which root may ignore; yields a folder that may be written."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    if os.name == "nt":
        pytest.skip("rights are another matter on Windows")
    root = os.geteuid() == 0
    if root and not hasattr(os, "setresuid"):
        pytest.skip("root cannot lay down its rights here")
    if root:
        # The real one too: os.access asks for that. The saved one leads back.
        os.setresuid(NOBODY, NOBODY, 0)
    own = folder / "own"
    try:
        own.mkdir()
        yield own
    finally:
        if root:
            os.setresuid(0, 0, 0)
        own.chmod(0o700)
        shutil.rmtree(folder)


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Within, not even root may change the file; skips where the file system cannot do that."""
    chattr = shutil.which("chattr")
    if chattr is None or subprocess.run([chattr, "+i", path], capture_output=True).returncode:
        pytest.skip("no file can be made immutable here")
    try:
        yield
    finally:
        subprocess.run([chattr, "-i", path], check=True)
