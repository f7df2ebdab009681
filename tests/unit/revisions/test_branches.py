"""An upgrade of one branch, where a database holds heads of others."""

from __future__ import annotations

import pytest

from migrations_ops.revisions.history import History, Revision


def history(*revisions: tuple[str, tuple[str, ...]], **depends_on: tuple[str, ...]) -> History:
    return History.of(
        Revision(name, down, depends_on.get(name, ()), (), f"{name}.py", "")
        for name, down in revisions
    )


# Two branches with bases of their own, and a third that needs one of them.
APART = history(("g1", ()), ("g2", ("g1",)), ("t1", ()), ("t2", ("t1",)), ("x1", ()), x1=("t1",))
FORKED = history(("r1", ()), ("a1", ("r1",)), ("a2", ("a1",)), ("b1", ("r1",)))


@pytest.mark.parametrize(
    ("scripts", "current", "wanted", "word", "leads", "arrival"),
    [
        (APART, ("g1", "t1"), ("g2",), "gxy@head", True, ("g2", "t1")),
        (APART, ("g1", "t1"), ("g2",), "g2", True, ("g2", "t1")),
        (APART, ("t1",), ("g2",), "gxy@head", True, ("g2", "t1")),
        (APART, ("t1",), ("g2",), "g2", True, ("g2", "t1")),
        (APART, ("g1", "t1"), ("g2", "t2"), "heads", True, ("g2", "t2")),
        (APART, ("g2", "t2"), ("g2",), "gxy@head", True, ("g2", "t2")),
        (APART, ("g1", "t1"), ("x1",), "x1", True, ("g1", "x1")),
        (FORKED, ("a1", "b1"), ("a2",), "a2", True, ("a2", "b1")),
        (FORKED, ("b1",), ("a2",), "a@head", True, ("a2", "b1")),
        (FORKED, ("b1",), ("a2",), "a2", False, ("a2", "b1")),
        (FORKED, ("b1",), ("a2", "b1"), "heads", True, ("a2", "b1")),
        (FORKED, ("a1",), ("a2", "b1"), "heads", True, ("a2", "b1")),
        (FORKED, ("r1",), ("a2",), "a2", True, ("a2",)),
        (FORKED, (), ("a2",), "a2", True, ("a2",)),
    ],
)
def test_heads_of_other_branches_stay_beside_the_target(
    scripts: History,
    current: tuple[str, ...],
    wanted: tuple[str, ...],
    word: str,
    leads: bool,
    arrival: tuple[str, ...],
) -> None:
    assert scripts.lead_to(current, wanted, word) is leads
    assert scripts.after_upgrade(current, wanted) == arrival
