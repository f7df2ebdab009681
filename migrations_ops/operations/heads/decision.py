"""What makes one head of several: put one side after the other, or merge. A pure decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrations_ops.revisions.branches import line_of
from migrations_ops.revisions.errors import BrokenHistory
from migrations_ops.revisions.history import History, Revision


@dataclass(frozen=True)
class Fork:
    """Several heads of one branch.

    ``own`` are the revisions that this branch adds, None where git cannot tell; ``ran`` maps those
    that ran to the environments where they did; ``unknown`` are those that could not be asked.
    """

    history: History
    heads: tuple[str, ...]
    own: frozenset[str] | None
    ran: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...] = ()

    def line(self, head: str) -> tuple[str, ...]:
        """The revisions that lead to this head alone, oldest first."""
        others = [each for each in self.heads if each != head]
        line = line_of(self.history, head, others)
        return tuple(each for each in self.history.sorted if each in line)

    def ran_on(self, head: str) -> tuple[str, ...]:
        """The first revision on the way to this head alone that ran, and where; () for none."""
        return next(((each, *self.ran[each]) for each in self.line(head) if each in self.ran), ())


@dataclass(frozen=True)
class Rewrite:
    """Give these revisions, which ran nowhere, the parents that put them after another head.

    ``moved`` are all the revisions that come after it then, oldest first.
    """

    parents: Mapping[str, tuple[str, ...]]
    moved: tuple[str, ...]
    after: str


@dataclass(frozen=True)
class Merge:
    """Write a revision that merges these heads; ``why`` no revision is rewritten."""

    heads: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Undecided:
    """Nothing tells which side comes first."""

    why: str


def decide(fork: Fork) -> Rewrite | Merge | Undecided:
    """What makes one head of these.

    A side is moved only as a whole, and only where none of it ran: a database that has run it would
    never run what is then before it.
    """
    if fork.own is None:
        staying = [head for head in fork.heads if fork.ran_on(head)]
        if not staying:
            return Undecided("none of them is known to have run, and git does not tell whose")
        if fork.unknown:
            return Undecided(f"{' and '.join(fork.unknown)} cannot be asked what ran there")
        moving = [head for head in fork.heads if head not in staying]
    else:
        moving = [head for head in fork.heads if fork.own.issuperset(fork.line(head))]
        staying = [head for head in fork.heads if head not in moving] or [_first(fork, moving)]
        moving = [head for head in moving if head not in staying]
    for head in moving or fork.heads:
        if ran := fork.ran_on(head):
            return Merge(fork.heads, f"{ran[0]} ran in {' and '.join(ran[1:])}")
    if len(staying) > 1:
        return Merge(fork.heads, f"{' and '.join(staying)} are not this branch's own")
    return _put_after(fork, staying[0], moving)


def _first(fork: Fork, heads: Sequence[str]) -> str:
    """Of several sides of one's own: the one that ran, or else the one whose file comes first."""
    files = [*fork.history.revisions]
    return min(heads, key=lambda head: (not fork.ran_on(head), files.index(fork.line(head)[0])))


def _put_after(fork: Fork, head: str, moving: Sequence[str]) -> Rewrite | Merge:
    revisions, moved, after = dict(fork.history.revisions), list[str](), head
    for side in moving:
        line, reached = fork.line(side), fork.history.ancestors([after], dependencies=False)
        for name in line:
            parents = _parents_after(revisions[name], line, reached, after)
            revisions[name] = revisions[name]._replace(down=parents)
        moved += line
        after = side
    try:
        History.of(revisions.values())
    except BrokenHistory:
        return Merge(fork.heads, "one of them depends on the other")
    before = fork.history.revisions
    changed = {
        name: revisions[name].down for name in moved if revisions[name].down != before[name].down
    }
    return Rewrite(changed, tuple(moved), head)


def _parents_after(
    revision: Revision, line: Sequence[str], reached: frozenset[str], after: str
) -> tuple[str, ...]:
    """The parents that a revision of a side has when the side comes after a head: the head stands
    for all parents that it has among its own."""
    if not revision.down:
        return (after,)
    is_inner = any(name in line for name in revision.down)
    replaced = (after if name in reached else name for name in revision.down)
    parents = tuple(dict.fromkeys(name for name in replaced if not (is_inner and name == after)))
    return parents or (after,)
