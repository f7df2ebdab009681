"""Formats numbers and values as people read and type them."""

from __future__ import annotations

import re

_SQL_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


def human_size(size: int) -> str:
    """A number of bytes with the unit that is easiest to read (1 KB is 1000 bytes)."""
    amount = float(size)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def counted(count: int, noun: str) -> str:
    """``1 revision``, ``3 revisions``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def quoted(argument: str) -> str:
    """An argument, quoted alike for bash, PowerShell and cmd as far as they agree.

    Within double quotes, each shell expands some characters; cmd has no single quotes; and each
    shell escapes a single quote within single quotes differently: then it is quoted for POSIX.
    """
    plain = argument.replace("-", "").replace("_", "").replace(":", "").replace(".", "")
    if plain.isalnum() and plain.isascii():
        return argument
    if not set('"$`\\!%\n') & set(argument):
        return f'"{argument}"'
    if "'" not in argument:
        return f"'{argument}'"
    import shlex

    return shlex.quote(argument)


def bare(name: str) -> str:
    """A name, or several separated by dots, without SQL quotes."""
    return _SQL_QUOTED.sub(lambda found: found[1].replace('""', '"'), name)


def os_error_in_words(error: OSError) -> str:
    """Describe an OSError, with its file."""
    file = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{file}"
