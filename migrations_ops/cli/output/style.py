"""Colour and signs, where the terminal has them."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from typing import TextIO

from migrations_ops.child.protocol.escaping import defused, escaped
from migrations_ops.child.protocol.redaction import redacted

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_SEVERITIES = {"error": ("✗", "red"), "warning": ("⚠", "yellow"), "note": ("●", "dim")}
_PLAIN_SIGNS = {
    "✓": "ok", "✗": "!!", "→": "->", "●": "*", "…": "...", "⚠": "!", "█": "#", "░": "-",
    "○": "o", "│": "|", "─": "-", "├": "+", "╮": "\\", "┬": "+", "┴": "+", "╯": "/",
}  # fmt: skip
# Stands for an escape sequence of our own until a text leaves, where all others are escaped.
# No text can contain it, since it is random in each process.
_MARK = f"\ufdd0{os.urandom(4).hex()}"
_MARKED = re.compile(rf"{_MARK}([\d;]+)\ufdd1")


class Style:
    """What one stream can show: colours on a terminal unless NO_COLOR is set (no-color.org)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.live = (
            stream.isatty() and os.environ.get("TERM") != "dumb" and _understands_escapes(stream)
        )
        self.colours = self.live and not os.environ.get("NO_COLOR")
        encoding = getattr(stream, "encoding", None) or "ascii"
        try:
            "".join(_PLAIN_SIGNS).encode(encoding)
            self._signs = True
        except (UnicodeEncodeError, LookupError):
            # A Windows console of code page 932 cannot show them and would raise.
            self._signs = False

    def columns(self) -> int:
        """The width of this stream's terminal; if unknown, the shell's COLUMNS or 80.

        Another stream may be a file.
        """
        try:
            found = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            found = 0
        return found or shutil.get_terminal_size().columns

    def paint(self, text: str, *names: str) -> str:
        """The text in that colour or weight, if there are colours."""
        if not self.colours or not text:
            return text
        codes = ";".join(_CODES[name] for name in names)
        return f"{_MARK}{codes}\ufdd1{text}{_MARK}0\ufdd1"

    def sign(self, sign: str) -> str:
        """The sign, or its ASCII replacement."""
        return sign if self._signs else _PLAIN_SIGNS[sign]

    def severity(self, severity: str) -> str:
        """The sign of a finding, in its colour."""
        sign, colour = _SEVERITIES[severity]
        return self.paint(self.sign(sign), colour)


def shown(line: str) -> str:
    """A line as it leaves, the one exit for text: it is one line, in the colours that it was given,
    without secrets, and nothing in it acts on a terminal or on a CI runner."""
    parts = _MARKED.split(redacted(line))
    parts[::2] = map(escaped, parts[::2])
    parts[1::2] = [f"\x1b[{codes}m" for codes in parts[1::2]]
    return defused("".join(parts))


def plain(text: str) -> str:
    """A text for a format that escapes characters of its own, Markdown for instance: before that,
    since a secret is not recognised afterwards."""
    return escaped(redacted(text))


def _understands_escapes(stream: TextIO) -> bool:
    """Whether escape sequences work; on a Windows console they have to be enabled.

    https://learn.microsoft.com/windows/console/console-virtual-terminal-sequences
    """
    if sys.platform != "win32":
        return True
    import ctypes
    import msvcrt

    kernel = ctypes.windll.kernel32
    try:
        handle = msvcrt.get_osfhandle(stream.fileno())
    except (OSError, ValueError):  # a stream in memory
        return False
    mode = ctypes.c_uint32()
    if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
        return False
    return bool(kernel.SetConsoleMode(handle, mode.value | 4))


def unpainted(line: str) -> str:
    """A line without the colours that it was given."""
    return _MARKED.sub("", line)


def shortened(text: str, columns: int) -> str:
    """The text, cut to that many columns."""
    while text and width(text) > columns:
        text = text[:-1]
    return text


def width(text: str) -> int:
    """How many columns a text takes; Japanese characters take two each."""
    return sum(
        0 if unicodedata.combining(character) else
        2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )  # fmt: skip


def padded(text: str, columns: int) -> str:
    """The text, padded with spaces to that many columns."""
    return text + " " * max(0, columns - width(text))
