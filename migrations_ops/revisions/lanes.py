"""Lays out a history in lanes, newest first: where each revision is, and how it goes on below.

The lines are text of a few signs, two columns a lane:

    ○      a merge
    ├─╮    its parents
    ○ │
    │ ○
    ├─╯    two revisions with one parent
    ○
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

NODE, THROUGH, ACROSS = "○", "│", "─"
# Where a line begins that goes to other lanes, is joined by them, and where it ends.
START, SPLIT, SPLITS, JOINS, JOINED = "├", "╮", "┬", "┴", "╯"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``revision`` is empty where it only joins lanes."""

    cells: str
    revision: str = ""


def lay_out(revisions: Iterable[tuple[str, Sequence[str]]]) -> Iterator[Line]:
    """The lines of a history.

    :param revisions: each with its parents, and before these.
    """
    lanes: list[str] = []  # the revision that each leads to; empty for a free one
    # The lane of a base in the line above: a revision below it would look like its parent.
    ended = -1
    for name, parents in revisions:
        here = [number for number, leads_to in enumerate(lanes) if leads_to == name]
        if len(here) > 1:
            yield Line(_between(lanes, here, JOINS, JOINED))
            for number in here[1:]:
                lanes[number] = ""
        at = here[0] if here else _free(lanes, 0, ended)
        ended = -1 if parents else at
        lanes[at] = name
        yield Line(_through(lanes, {at: NODE}), name)
        lanes[at] = parents[0] if parents else ""
        more = [at]
        for parent in parents[1:]:
            more.append(_free(lanes, at + 1))
            lanes[more[-1]] = parent
        if len(more) > 1:
            yield Line(_between(lanes, more, SPLITS, SPLIT))
        while lanes and not lanes[-1]:
            lanes.pop()


def _free(lanes: list[str], first: int, taken: int = -1) -> int:
    """The number of a free lane, from the first one on, that is not the taken one."""
    numbers = (number for number in count(first) if number != taken)
    found = next(number for number in numbers if number >= len(lanes) or not lanes[number])
    lanes.extend([""] * (found + 1 - len(lanes)))
    return found


def _through(lanes: Sequence[str], signs: Mapping[int, str]) -> str:
    cells = (
        signs.get(number, THROUGH if leads_to else " ") for number, leads_to in enumerate(lanes)
    )
    return " ".join(cells).rstrip()


def _between(lanes: Sequence[str], some: Sequence[int], inner: str, end: str) -> str:
    """A line across from one lane to others; lanes between them go on below it."""
    ends = sorted(some)
    signs = dict.fromkeys(ends[1:-1], inner) | {ends[0]: START, ends[-1]: end}
    cells = list(_through(lanes, signs).ljust(2 * len(lanes)))
    for column in range(2 * ends[0] + 1, 2 * ends[-1]):
        if cells[column] == " ":
            cells[column] = ACROSS
    return "".join(cells).rstrip()
