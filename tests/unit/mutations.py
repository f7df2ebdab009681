"""Documents that were cut short, written over or made by somebody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

# What a JSON document can hold, with what tempts a reader: huge numbers, and what is no number.
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**63, float("inf"), float("nan"), 1e308, "", "\ud800"])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(node, dict):
        children: Any = node.items()
    else:
        children = enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _places(child, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, document: dict[str, Any]) -> Any:
    """That document, with up to three of its parts replaced by anything or taken away."""
    changed: Any = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from([*_places(changed)][1:] or [(None,)]))
        if last is None:
            return draw(JSON)
        parent = changed
        for key in path:
            parent = parent[key]
        if draw(st.booleans()):
            parent[last] = draw(JSON)
        else:
            del parent[last]
    return changed
