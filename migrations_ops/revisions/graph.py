"""Walks over a graph of revisions: plain loops over plain mappings, linear in its size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

Edges = Mapping[str, Sequence[str]]


def reach(starts: Iterable[str], edges: Edges) -> set[str]:
    """Everything that the edges lead to from the starts, the starts included."""
    seen = set(starts)
    todo = list(seen)
    while todo:
        for found in edges.get(todo.pop(), ()):
            if found not in seen:
                seen.add(found)
                todo.append(found)
    return seen


def reverse(edges: Edges) -> dict[str, list[str]]:
    """The same edges, each the other way round; a node without any has no key."""
    turned: dict[str, list[str]] = {}
    for node, targets in edges.items():
        for target in targets:
            if target in turned:
                turned[target].append(node)
            else:
                turned[target] = [node]
    return turned


def oldest_first(parents: Edges, children: Edges) -> list[str]:
    """Every node after all of its parents; nodes of a cycle, and those above one, are left out."""
    missing = {node: len(above) for node, above in parents.items()}
    ready = [node for node, count in missing.items() if not count]
    for node in ready:  # grows while it is walked
        for child in children.get(node, ()):
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    return ready


def find_cycle(parents: Edges, sorted_nodes: Collection[str]) -> list[str]:
    """One cycle, in the order of its parents, among the nodes that could not be sorted."""
    sorted_nodes = set(sorted_nodes)
    node = min(node for node in parents if node not in sorted_nodes)
    trail: dict[str, None] = {}
    while node not in trail:
        trail[node] = None
        # A node that could not be sorted has a parent that could not be sorted either.
        node = next(parent for parent in parents[node] if parent not in sorted_nodes)
    walked = list(trail)
    return walked[walked.index(node) :]


def without_inherited(
    dependencies: Mapping[str, Sequence[str]], down: Edges, up: Edges
) -> dict[str, tuple[str, ...]]:
    """The down edges and dependencies of each node, less what an ancestor depends on already.

    Alembic walks this reduced graph, so the order in which it runs revisions follows from it.
    """
    edges = {node: tuple(dict.fromkeys(targets)) for node, targets in down.items()}
    holders: dict[str, list[str]] = {}
    for node, targets in dependencies.items():
        for target in targets:
            holders.setdefault(target, []).append(node)
    inherited: set[tuple[str, str]] = set()
    for target, nodes in holders.items():
        if len(nodes) > 1:
            above = reach((child for node in nodes for child in up.get(node, ())), up)
            inherited.update((node, target) for node in nodes if node in above)
    for node, targets in dependencies.items():
        own = [target for target in targets if (node, target) not in inherited]
        edges[node] = tuple(dict.fromkeys((*edges[node], *own)))
    return edges


def newest_first(
    todo: Collection[str], tips: Iterable[str], parents: Edges, order: Sequence[str]
) -> list[str]:
    """The nodes to do, each before its parents, in the order in which Alembic walks them.

    Alembic follows one line downward for as long as nothing else has to come first. Where
    something has, it changes to the first open line that leads there.

    :param todo: the nodes wanted; with a node, every node between it and a tip is among them.
    :param tips: where to start, in order; those that are not wanted are passed over.
    :param parents: the edges downward.
    :param order: all nodes, parents first.
    """
    left = set(todo)
    waiting = Counter(parent for node in left for parent in parents[node] if parent in left)
    lines = [tip for tip in tips if tip in left]
    open_ends = set(lines)
    below: dict[str, int] = {}
    bit_of: dict[str, int] = {}
    done: list[str] = []
    at = 0
    while lines:
        node = lines[at]
        if waiting[node]:
            if not below:
                bit_of = {node: 1 << bit for bit, node in enumerate(n for n in order if n in left)}
                below = _sets_below(bit_of, parents)
            bit = bit_of[node]
            at = next(i for i, end in enumerate(lines) if i != at and below[end] & bit)
            continue
        done.append(node)
        left.remove(node)
        open_ends.remove(node)
        following = []
        for parent in parents[node]:
            if parent in left:
                waiting[parent] -= 1
                if parent not in open_ends:
                    following.append(parent)
        if following:
            lines[at] = following[0]
            lines.extend(following[1:])
            open_ends.update(following)
        else:
            del lines[at]
            at = max(at - 1, 0)
    return done


def _sets_below(bit_of: Mapping[str, int], parents: Edges) -> dict[str, int]:
    """For each node the set of nodes at or below it, as the bits of a number.

    Sets of bits keep the question "does this line lead there?" cheap: histories with hundreds of
    merges ask it often, and sets of names would grow with the square of the history.
    """
    below: dict[str, int] = {}
    for node, bit in bit_of.items():
        for parent in parents[node]:
            bit |= below.get(parent, 0)
        below[node] = bit
    return below
