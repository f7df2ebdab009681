"""The ids of tasks: the local time at which a task began, and a number if it is not the first.

Records are read in the order of their ids, newest first: what a later task has finished must not
look unfinished. So a new id follows the newest there is, also while the clock shows an earlier
time: after it was set back, or for an hour when summer time ends. A sequence within each record
would not do: all records would have to be read to find the last one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from migrations_ops.system.files import local_stamp

_ID = re.compile(r"([0-9]{8}_[0-9]{6})(?:_([0-9]{1,9}))?")
_LAST = 999_999_999


def is_id(name: str) -> bool:
    """Whether a task can have this id; no path is one."""
    return _ID.fullmatch(name) is not None


def by_time(id: str) -> tuple[str, int]:
    """The key by which ids are sorted, oldest first."""
    found = _ID.fullmatch(id)
    return (found[1], int(found[2] or 1)) if found else ("", 0)


def ids_in(folder: Path) -> list[str]:
    """The ids in a folder, oldest first; none if it cannot be read."""
    try:
        return sorted(filter(is_id, os.listdir(folder)), key=by_time)
    except OSError:
        return []


def new_id(used: Iterable[str], stamp: str | None = None) -> str:
    """The id of a task that begins now.

    :param used: the existing ids; every text in it has to be an id.
    """
    stamp, numbers = stamp or local_stamp(), dict[str, int]()
    for each in used:
        its, number = by_time(each)
        numbers[its] = max(number, numbers.get(its, 0))
    newest = max(numbers, default="")
    if newest > stamp and numbers[newest] < _LAST:
        stamp = newest
    return f"{stamp}_{numbers[stamp] + 1}" if stamp in numbers else stamp
