"""Handles standard output and standard error that are closed, or that break before the task
ends."""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import suppress
from typing import TextIO

_NAMES = ("stdin", "stdout", "stderr")


def open_closed() -> None:
    """Open the null device for a standard stream that the caller closed.

    Otherwise the next opened file gets its number: a database, into which a child would print.
    """
    for number, name in enumerate(_NAMES):
        if getattr(sys, name) is not None:
            continue
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def discard(stream: TextIO) -> None:
    """Drop what could not be written: otherwise Python fails on it at exit."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _as_the_system_has_it(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode surrogates, as in a file name of another encoding, as their original bytes."""
    if isinstance(error, UnicodeEncodeError):
        part = error.object[error.start]
        if "\udc80" <= part <= "\udcff":
            return bytes([ord(part) - 0xDC00]), error.start + 1
    return codecs.backslashreplace_errors(error)


AS_BYTES = "migrations_ops.as_bytes"
codecs.register_error(AS_BYTES, _as_the_system_has_it)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person is at the other end. On Windows the null device says so of itself, too.

    https://learn.microsoft.com/windows/console/getconsolemode
    """
    if sys.platform != "win32" or not stream.isatty():
        return stream.isatty()
    import ctypes
    import msvcrt

    handle = msvcrt.get_osfhandle(stream.fileno())
    return bool(ctypes.windll.kernel32.GetConsoleMode(handle, ctypes.byref(ctypes.c_uint32())))
