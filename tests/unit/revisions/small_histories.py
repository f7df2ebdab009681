"""Histories that are made in a line, and the names of their revisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from migrations_ops.revisions.history import History, Revision


def revision(
    name: str,
    *down: str,
    depends_on: Sequence[str] = (),
    labels: Sequence[str] = (),
    message: str = "",
    file: str = "",
) -> Revision:
    file = file or f"{name}.py"
    return Revision(name, down, tuple(depends_on), tuple(labels), file, message)


def history(*revisions: Revision) -> History:
    return History.of(revisions)


def line(*names: str) -> list[Revision]:
    return [revision(names[0]), *(revision(b, a) for a, b in pairwise(names))]


def names_of(revisions: Iterable[Revision]) -> list[str]:
    return [each.revision for each in revisions]
