"""Keeps any text from acting on what reads it next: a terminal, or the log of a CI runner.

Messages of revisions, names of tables, errors of drivers and whatever a file holds come from
others. A terminal obeys their control characters, a reader is misled by marks that turn the
direction of a line, and a CI runner takes some lines for commands.
"""

from __future__ import annotations

import re

# Control characters (C0, DEL, C1), marks of direction, invisible ones, separators of lines, tags,
# noncharacters.
_ACTING = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# What the locale could not decode is written as the bytes that it was.
_BYTES = "\udc80-\udcff"
_IN_TEXT = re.compile(f"[{_ACTING}]|[{_BYTES}]+")
# The line breaks of a JSON document are its own: those in a text are escaped already.
_IN_JSON = re.compile(rf"(?!\n)[{_ACTING}{_BYTES}]|#(?=#\w*\[)")
# GitHub trims a line, and then looks for "::"; "##[" there and on Azure Pipelines, "##vso[" there
# and "##teamcity[" on TeamCity may be anywhere in a line. The sections of GitLab need control
# characters. Colours of our own may come before it.
# https://docs.github.com/actions/reference/workflow-commands-for-github-actions
# https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
_COMMAND = re.compile(r"^((?:\s|\x1b\[[\d;]*m)*):(?=:)|(?<=#)(?=#\w*\[)")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: str) -> str:
    """A text in one line, without any character that acts on what shows it.

    >>> escaped("a\\nb\\x1b[2J")
    'a\\\\nb\\\\x1b[2J'
    """
    return _IN_TEXT.sub(_as_text, text)


def defused(line: str) -> str:
    """A line that no CI runner takes for a command: a backslash is in the middle of it."""
    return _COMMAND.sub(lambda found: f"{found[1]}\\:" if found[0] else "\\", line)


def one_line(text: str) -> str:
    """A text as one line that can be shown anywhere."""
    return defused(escaped(text))


def in_json(document: str) -> str:
    """A JSON document with the same content, in which such characters are escaped."""
    return _IN_JSON.sub(_as_json, document)


def _as_text(found: re.Match[str]) -> str:
    character = found[0]
    if "\udc80" <= character[0] <= "\udcff":
        return _bytes_as_text(character)
    code = ord(character)
    width = (2, "x") if code < 0x100 else (4, "u") if code < 0x10000 else (8, "U")
    return _SHORT.get(character) or f"\\{width[1]}{code:0{width[0]}x}"


def _bytes_as_text(undecoded: str) -> str:
    """Bytes of a name, of which those that are no UTF-8 may be C1 to an 8-bit terminal."""
    text = undecoded.encode("ascii", "surrogateescape").decode("utf-8", "surrogateescape")
    shown = "".join(map(_decoded_as_text, text))
    return shown.encode("utf-8", "surrogateescape").decode("ascii", "surrogateescape")


def _decoded_as_text(character: str) -> str:
    if "\udc80" <= character <= "\udc9f":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character if "\udca0" <= character <= "\udcff" else escaped(character)


def _as_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
