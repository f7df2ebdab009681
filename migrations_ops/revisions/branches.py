"""How a branch's revisions fit together with those of the branch that it will be merged into.

Everything here is about sources alone: no database, no git.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from migrations_ops.revisions.errors import (
    DuplicateRevision,
    InsertedRevision,
    NotAfterBase,
    SeveralHeads,
)
from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.targets import alike_heads

Revisions = Mapping[str, Revision]


@dataclass(frozen=True)
class Base:
    """The branch that is merged into, by its name: its revisions, and those of the commit that both
    branches started from, which is unknown in a shallow clone."""

    name: str
    revisions: Revisions
    common: Revisions | None


@dataclass(frozen=True)
class Branch:
    """The revisions of a checkout, against those of a base."""

    ours: Revisions
    base: Base

    @cached_property
    def own(self) -> frozenset[str]:
        """The revisions that this branch adds."""
        return frozenset(self.ours.keys() - self.base.revisions.keys() - self._common.keys())

    @cached_property
    def _common(self) -> Revisions:
        return self.base.common or {}

    def merged(self) -> History:
        """The history that a merge in git makes: what one side has changed since, it keeps.

        :raises BrokenHistory: both sides add an id, or what comes out is no history.
        """
        base, common = self.base.revisions, self._common
        self._refuse_twice_added()
        found: list[Revision] = []
        for name in dict.fromkeys((*base, *self.ours)):
            mine, theirs, before = self.ours.get(name), base.get(name), common.get(name)
            if mine and theirs:
                found.append(theirs if before and mine.down == before.down else mine)
            elif before is None and (only := mine or theirs):
                found.append(only)
        return History.of(found)

    def _refuse_twice_added(self) -> None:
        if self.base.common is None:
            return
        for name in self.ours.keys() & self.base.revisions.keys() - self._common.keys():
            mine, theirs = self.ours[name], self.base.revisions[name]
            if os.path.basename(mine.file) != os.path.basename(theirs.file):
                raise DuplicateRevision(name, theirs.file, mine.file)


def split_heads(history: History, target: str) -> tuple[str, ...]:
    """The heads of one branch, of which a target means only one; () where that is as it should be:
    one head, a target that means each, or branches with labels of their own.

    :raises HistoryError: as ``History.resolve``.
    """
    try:
        history.resolve(target)
    except SeveralHeads as several:
        return alike_heads(history, several.heads)
    return ()


def require_one_head(history: History, target: str, environment: str) -> None:
    """:raises SeveralHeads: one branch has several heads."""
    heads = split_heads(history, target)
    if heads:
        named = [(head, history.revisions[head].title) for head in heads]
        raise SeveralHeads(target, named, environment=environment)


def require_after_base(branch: Branch, target: str, environment: str) -> History:
    """The history after the merge, in which a branch's revisions come after those of its base.

    :raises BrokenHistory: there is no such history.
    :raises InsertedRevision: a revision was put before one of the base.
    :raises NotAfterBase: the branch has a head of its own.
    :raises SeveralHeads: the base has several itself.
    """
    history, base = branch.merged(), branch.base
    before = history.ancestors(name for name in base.revisions if name in history.revisions)
    for name in history.sorted:
        if name in before & branch.own:
            after = next(
                each
                for each in history.sorted
                if each in base.revisions and name in history.ancestors([each])
            )
            raise InsertedRevision(history.revisions[name], history.revisions[after], base.name)
    heads = split_heads(history, target)
    own = [head for head in heads if head in branch.own]
    theirs = [head for head in heads if head not in branch.own]
    if own and theirs:
        first = first_of(history, own[0], theirs)
        raise NotAfterBase(
            history.revisions[first],
            history.revisions[theirs[0]],
            base.name,
            is_here=theirs[0] in branch.ours,
        )
    require_one_head(history, target, environment)
    return history


def first_of(history: History, head: str, others: list[str]) -> str:
    """The first revision on the way to a head that is on the way to none of the others."""
    line = line_of(history, head, others)
    return next(each for each in history.sorted if each in line)


def line_of(history: History, head: str, others: list[str]) -> frozenset[str]:
    """The revisions that lead to a head, and to none of the others."""
    return history.ancestors([head], dependencies=False) - history.ancestors(
        others, dependencies=False
    )
