"""Formats numbers and values as people read and type them."""

from __future__ import annotations

import errno
import re
from datetime import datetime

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


def local_time(moment: str, *, offset: bool = False) -> str:
    """A moment in local time to the second, as the names of backups and records have it.

    :param moment: in UTC, as ISO 8601 text; any other text is shown as it is.
    :param offset: whether it ends with the offset from UTC, for a reader who is elsewhere.
    """
    try:
        local = datetime.fromisoformat(moment).astimezone().replace(microsecond=0)
        return local.isoformat(" ") if offset else local.strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return moment


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


def is_typo(one: str, other: str) -> bool:
    """Whether one name may be a slip of the other: at most two letters differ, are missing or have
    changed places. Names that differ in a number alone form a series."""
    one, other = one.lower(), other.lower()
    if re.sub(r"\d+", "0", one) == re.sub(r"\d+", "0", other):
        return False
    return 0 < _distance(one, other) <= min(2, (min(len(one), len(other)) - 1) // 2)


def _distance(one: str, other: str) -> int:
    """How many letters have to be changed, added, left out, or swapped with the next one."""
    last: list[int] = []
    before: list[int] = []
    row: list[int] = [*range(len(other) + 1)]
    for i, letter in enumerate(one):
        last, before, row = before, row, [i + 1]
        for j, also in enumerate(other):
            cost = min(before[j + 1] + 1, row[j] + 1, before[j] + (letter != also))
            if i and j and letter == other[j - 1] and one[i - 1] == also:
                cost = min(cost, last[j - 1] + 1)
            row.append(cost)
    return row[-1]


def bare(name: str) -> str:
    """A name, or several separated by dots, without SQL quotes."""
    return _SQL_QUOTED.sub(lambda found: found[1].replace('""', '"'), name)


def excerpt(text: str, most: int = 120) -> str:
    """A text, or its beginning if it is too long to be read in a message."""
    return text if len(text) <= most else f"{text[:most]}..."


def os_error_in_words(error: OSError) -> str:
    """Describe an OSError, with its file."""
    file = f" ({excerpt(str(error.filename))})" if error.filename else ""
    return f"{error.strerror or error}{file}"


def advice_on_os_error(error: OSError) -> str:
    """What to do before trying again."""
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "Check its permissions, and try again."
        case errno.ENAMETOOLONG:
            return "Choose a shorter name, and try again."
    return "Fix that, and try again."


def duration(seconds: float) -> str:
    """``3 ms``, ``1.24 s``, ``3 min 05 s``."""
    if 0 < seconds < 0.0005:
        return "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"
