"""File names that hold the order of revisions: ``0007_add_reviews.py``, numbered by hand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from migrations_ops.revisions.history import History, Revision

_NUMBERED = re.compile(r"(\d{3,})(_.*\.py)")
# A date is no number: 20260102_add_reviews.py.
_MOST_DIGITS = 6


def new_names(history: History, moved: Iterable[str], after: str) -> Mapping[str, str]:
    """The file names of revisions once they come after another one; {} where theirs may stay.

    They change only where each file is numbered and each number is above those of the parents, so
    that the numbers are meant as the order, and where the id is not that number as well.
    """
    numbers = {name: _number(each) for name, each in history.revisions.items()}
    for name, each in history.revisions.items():
        above = max((numbers[parent] or 0 for parent in each.down), default=-1)
        number = numbers[name]
        if number is None or number <= above or _digits(each) in each.revision:
            return {}
    names = [*moved]
    last = max(numbers[name] or 0 for name in history.ancestors([after], dependencies=False))
    if (numbers[names[0]] or 0) > last:
        return {}
    return {
        name: f"{last + step:0{len(_digits(history.revisions[name]))}}"
        f"{os.path.basename(history.revisions[name].file)[len(_digits(history.revisions[name])) :]}"
        for step, name in enumerate(names, start=1)
    }


def _digits(revision: Revision) -> str:
    found = _NUMBERED.fullmatch(os.path.basename(revision.file))
    return found[1] if found and len(found[1]) <= _MOST_DIGITS else ""


def _number(revision: Revision) -> int | None:
    digits = _digits(revision)
    return int(digits) if digits else None
