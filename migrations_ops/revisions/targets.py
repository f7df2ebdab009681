"""What the words of a target mean: ``head``, ``LABEL@head``, a prefix, ``+1``, ``base``.

The rules are Alembic's, as its own code has them (its documentation leaves some of them open).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from migrations_ops.revisions.errors import (
    AmbiguousRevision,
    BadTarget,
    SeveralHeads,
    UnknownRevision,
)
from migrations_ops.revisions.graph import reach

if TYPE_CHECKING:
    from migrations_ops.revisions.history import History

# Shorter ids and labels are never completed from their beginning.
_COMPLETED_FROM = 4


class Target(NamedTuple):
    """Where an upgrade leads: what the version table holds then, and the word that was typed.

    What follows goes by the revisions: after the upgrade, ``+1`` would mean another one.
    ``meant`` are the revisions that the word means, where other branches stay beside them.
    """

    revisions: tuple[str, ...]
    word: str = ""
    meant: tuple[str, ...] = ()

    @classmethod
    def here(cls, revisions: tuple[str, ...]) -> Target:
        """Where a database is now: with it as the target, nothing is pending there."""
        return cls(revisions)

    @property
    def argument(self) -> str:
        """The target in a command of Alembic: the revision, or the word that means several."""
        meant = self.meant or self.revisions
        return meant[0] if len(meant) == 1 else self.word


class _Steps(NamedTuple):
    label: str
    symbol: str
    number: int


def resolve(history: History, target: str, current: Sequence[str]) -> tuple[str, ...]:
    """See ``History.resolve``; the current revisions must be known ones."""
    steps = _steps(target)
    if steps is None:
        return _absolute(history, target)
    if steps.symbol:
        return _from_symbol(history, target, steps)
    if steps.number > 0:
        return _forward(history, target, steps, current)
    return _backward(history, target, steps, current)[1]


def upgrade_target(history: History, target: str, current: Sequence[str]) -> tuple[str, ...]:
    """The revisions to upgrade to.

    :raises BadTarget: the target steps backward from where the database is, or to the base.
    """
    steps = _steps(target)
    if steps and not steps.symbol and steps.number <= 0:
        raise BadTarget(f"{target!r} does not lead forward, and an upgrade does.")
    found = resolve(history, target, current)
    if steps and not found:
        raise BadTarget(f"{target!r} leads to the base, and an upgrade leads forward.")
    return found


def downgrade_roots(
    history: History, target: str, current: Sequence[str]
) -> tuple[list[str], str | None]:
    """The oldest revisions that a downgrade undoes, and its target; None is the base.

    :raises BadTarget: the target steps forward, or the label has nothing above the target.
    """
    branch, name = _downgrade_target(history, target, current)
    roots = list(history.bases) if name is None else history.children.get(name, [])
    if branch and len(roots) > 1:
        line = reach([branch], {name: each.down for name, each in history.revisions.items()})
        roots = [root for root in roots if root in line]
        if not roots:
            raise BadTarget(f"The branch {branch} has nothing above {name or 'base'}.")
    return roots, name


def nearest(history: History, asked: str) -> list[str]:
    """Up to five ids and labels that a user who typed this may have meant."""
    from difflib import get_close_matches

    names = [*history.revisions, *history.labels]
    alike = [name for name in names if asked and name.startswith(asked)]
    return alike[:5] or get_close_matches(asked, names, n=5, cutoff=0.6)


def _downgrade_target(
    history: History, target: str, current: Sequence[str]
) -> tuple[str | None, str | None]:
    """The branch to stay on and the revision to go back to; None where there is none."""
    steps = _steps(target)
    if steps is None:
        label, _, symbol = target.rpartition("@")
        found = _absolute(history, symbol)
        branch = _branch(history, label) if label else None
    elif steps.symbol:
        found = _from_symbol(history, target, steps)
        branch = _branch(history, steps.label) if steps.label else None
    elif steps.number >= 0:
        raise BadTarget(f"{target!r} does not lead backward, and a downgrade does.")
    else:
        branch, found = _backward(history, target, steps, current)
    return branch, _only(history, target, found)


def _steps(target: str) -> _Steps | None:
    """The parts of ``LABEL@REVISION+2``; None for a target without steps."""
    if "+" not in target and "-" not in target:
        return None
    import re

    # As Alembic, whose pattern need not reach the end and knows only word characters as revision.
    found = re.match(r"(?:(.+?)@)?(\w+)?((?:\+|-)\d+)", target)
    return _Steps(found[1] or "", found[2] or "", int(found[3])) if found else None


def _absolute(history: History, target: str) -> tuple[str, ...]:
    label, symbol = target.split("@", 1) if "@" in target else ("", target)
    line = _line(history, label) if label else None
    if symbol == "base":
        return ()
    if symbol == "heads" and line is None:
        return history.effective_heads
    if symbol in ("head", "heads"):
        heads = [head for head in history.heads if line is None or head in line]
        if symbol == "head" and len(heads) > 1:
            named = [(head, history.revisions[head].title) for head in heads]
            raise SeveralHeads(target, named, labelled=not alike_heads(history, heads))
        return tuple(heads)
    return (_identify(history, symbol, label, line),)


def _identify(
    history: History, symbol: str, label: str = "", line: Collection[str] | None = None
) -> str:
    """The one revision that an id, a label, or the beginning of either means.

    :param label: the branch that it has to belong to, and
    :param line: the revisions that do; None for any.
    """
    if symbol in history.revisions:
        name = symbol
    elif symbol in history.labels:
        name = history.labels[symbol]
    else:
        return _complete(history, symbol, line)
    if line is not None and name not in line:
        raise BadTarget(f"The revision {name} does not belong to the branch {label!r}.")
    return name


def _complete(history: History, symbol: str, line: Collection[str] | None) -> str:
    names = [
        name
        for name in (*history.revisions, *history.labels)
        if symbol and len(name) >= _COMPLETED_FROM and name.startswith(symbol)
    ]
    found = [name for name in names if line is None or history.labels.get(name, name) in line]
    if not found:
        raise UnknownRevision(symbol, nearest(history, symbol))
    if len(found) > 1:
        raise AmbiguousRevision(symbol, found)
    return history.labels.get(found[0], found[0])


def alike_heads(history: History, heads: Sequence[str]) -> tuple[str, ...]:
    """Those heads that are of one branch: with the same labels; () where each has its own."""
    alike: dict[frozenset[str], list[str]] = {}
    for head in heads:
        line = history.ancestors([head], dependencies=False)
        labels = frozenset(each for each, name in history.labels.items() if name in line)
        alike.setdefault(labels, []).append(head)
    return next((tuple(found) for found in alike.values() if len(found) > 1), ())


def _branch(history: History, label: str) -> str:
    """The revision that declares a label; a revision id is accepted as a label, too."""
    return _identify(history, label)


def _line(history: History, label: str) -> set[str]:
    """The revisions before and after the label's, by down_revision alone."""
    branch = _branch(history, label)
    before = history.ancestors([branch], dependencies=False)
    return {*before, *history.descendants([branch], dependencies=False)}


def _only(history: History, target: str, found: Sequence[str]) -> str | None:
    if len(found) > 1:
        raise SeveralHeads(target, [(name, history.revisions[name].title) for name in found])
    return found[0] if found else None


def _from_symbol(history: History, target: str, steps: _Steps) -> tuple[str, ...]:
    """``REVISION+2`` and ``REVISION-1``; a label chooses the way up, or the start of a way down."""
    if steps.number > 0 or not steps.label:
        start = _only(history, target, _absolute(history, steps.symbol))
    else:
        start = _only(history, target, _absolute(history, f"{steps.label}@{steps.symbol}"))
    line = _line(history, steps.label) if steps.label else None
    return _walk(history, target, start, steps.number, line)


def _forward(
    history: History, target: str, steps: _Steps, current: Sequence[str]
) -> tuple[str, ...]:
    """``+1`` and ``LABEL@+1``, from where the database is."""
    line = _line(history, steps.label) if steps.label else None
    starts = [name for name in current if line is None or name in line]
    if line is not None and not starts:
        # The branch is not applied, or is below a revision of another branch: start at its tips.
        active = {name for name in history.ancestors(current) if name in line}
        inner = {parent for name in active for parent in history.walked[name]}
        starts = sorted(active - inner)
    if len(starts) > 1:
        raise AmbiguousRevision(
            target, starts, what=f"{target!r} could start from any of {', '.join(starts)}."
        )
    return _walk(history, target, starts[0] if starts else None, steps.number, line)


def _backward(
    history: History, target: str, steps: _Steps, current: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """``-1`` and ``LABEL@-1``: the branch that this leads down, and where it arrives."""
    if not steps.number or not current:
        raise BadTarget(f"There is nothing below the current revision for {target!r}.")
    starts = list(current)
    if steps.label:
        line = _line(history, steps.label)
        starts = [name for name in current if name in line]
        starts = starts or [name for name in _tips(history, current) if name in line]
        if not starts:
            raise BadTarget(f"The database holds no revision of the branch {steps.label!r}.")
    if len(starts) > 1:
        raise AmbiguousRevision(
            target, starts, what=f"{target!r} could start from any of {', '.join(starts)}."
        )
    branch = _branch(history, steps.label) if steps.label else starts[0]
    return branch, _walk(history, target, starts[0], steps.number, None)


def _tips(history: History, current: Sequence[str]) -> list[str]:
    """The active revisions that no other active one descends from by down_revision."""
    active = history.ancestors(current)
    inner = {name for each in active for name in history.revisions[each].down}
    return sorted(active - inner)


def _walk(
    history: History, target: str, start: str | None, number: int, line: Collection[str] | None
) -> tuple[str, ...]:
    """The revision that many steps from the start, () for the base.

    :param line: the revisions to choose from where ways part on the way up; None for all.
    """
    at = start
    for _ in range(abs(number)):
        if number > 0:
            ways = history.bases if at is None else tuple(history.children.get(at, ()))
            ways = tuple(way for way in ways if line is None or way in line)
        elif at is not None and not history.revisions[at].down:
            at = None
            continue
        else:
            ways = history.revisions[at].down if at is not None else ()
        if not ways:
            raise BadTarget(f"{target!r} is more steps than there are revisions.")
        if len(ways) > 1:
            raise AmbiguousRevision(
                target, ways, what=f"{target!r} can go several ways: {', '.join(ways)}."
            )
        at = ways[0]
    return () if at is None else (at,)
