"""The lanes of a drawn history, traced by their signs: each leads from a revision to a parent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alembic.script.revision import Revision as AlembicRevision
from alembic.script.revision import RevisionMap
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.lanes import JOINED, JOINS, NODE, SPLIT, SPLITS, START, Line, lay_out
from tests.unit.revisions.small_histories import history, line, names_of, revision

Edges = set[tuple[str, str]]


@st.composite
def histories(draw: st.DrawFn) -> tuple[Revision, ...]:
    """Revisions with branches, merges, several bases and dependencies."""
    made: list[Revision] = []
    for number in range(draw(st.integers(1, 14))):
        before = names_of(made)
        some = st.lists(st.sampled_from(before), max_size=3, unique=True) if before else st.just([])
        down = draw(some)
        depends_on = [name for name in draw(some) if name not in down]
        made.append(revision(f"r{number:02}", *down, depends_on=depends_on[:1]))
    return tuple(made)


def in_order(found: History) -> list[Revision]:
    """As ``history`` shows them."""
    return list(reversed(found.pending((), "heads")))


def drawn(revisions: Iterable[Revision]) -> list[Line]:
    return list(lay_out((each.revision, each.down) for each in revisions))


def traced(lines: Iterable[Line]) -> tuple[list[str], Edges]:
    """The revisions, and from which to which the lines go, read from the signs alone."""
    lanes: dict[int, set[str]] = {}
    names, edges = [], set()
    for each in lines:
        cells = dict(enumerate(each.cells[::2]))
        start = next((lane for lane, cell in cells.items() if cell == START), -1)
        for lane, cell in cells.items():
            if cell == NODE:
                names.append(each.revision)
                edges |= {(child, each.revision) for child in lanes.get(lane, ())}
                lanes[lane] = {each.revision}
            elif cell in (JOINS, JOINED):
                lanes[start] |= lanes.pop(lane)
            elif cell in (SPLITS, SPLIT):
                lanes[lane] = set(lanes[start])
            elif cell == " ":
                lanes.pop(lane, None)
        for lane in [lane for lane in lanes if lane not in cells]:
            del lanes[lane]
    return names, edges


def text(*revisions: Revision) -> list[str]:
    return [each.cells for each in drawn(in_order(history(*revisions)))]


@given(histories())
def test_each_line_leads_to_a_parent_and_each_parent_has_a_line(
    revisions: tuple[Revision, ...],
) -> None:
    shown = in_order(history(*revisions))
    names, edges = traced(drawn(shown))
    assert names == names_of(shown)
    assert edges == {(each.revision, parent) for each in revisions for parent in each.down}


@given(histories())
def test_the_order_is_that_of_alembic(revisions: tuple[Revision, ...]) -> None:
    theirs = RevisionMap(
        lambda: [
            AlembicRevision(each.revision, each.down or None, each.depends_on or None)
            for each in revisions
        ]
    )
    walked = [each.revision for each in theirs.iterate_revisions("heads", "base")]
    lines = drawn(in_order(history(*revisions)))
    assert [each.revision for each in lines if each.revision] == walked


@given(histories())
def test_lanes_are_no_more_than_the_revisions_that_are_waited_for(
    revisions: tuple[Revision, ...],
) -> None:
    most = sum(max(1, len(each.down)) for each in revisions)
    assert all(len(each.cells) <= 2 * most for each in drawn(in_order(history(*revisions))))
    assert all(each.cells == each.cells.rstrip() for each in drawn(in_order(history(*revisions))))


def test_a_line_of_revisions_is_one_lane() -> None:
    names: Sequence[str] = [f"r{number:03}" for number in range(300)]
    assert set(text(*line(*names))) == {NODE}


def test_branches_and_merges_are_drawn() -> None:
    merged = [
        revision("base"), revision("a", "base"), revision("b", "base"), revision("c", "base"),
        revision("m", "a", "b", "c"), revision("x", "m"), revision("y", "m"),
    ]  # fmt: skip
    lines = text(*merged)
    assert "├─┬─╮" in lines
    assert "├─┴─╯" in lines
    assert lines[:3] == ["○", "│ ○", "├─╯"]


def test_a_line_goes_below_the_lanes_between() -> None:
    lines = [
        each.cells
        for each in lay_out([("a", ["p"]), ("b", ["q"]), ("c", ["p"]), ("p", []), ("q", [])])
    ]
    assert lines == ["○", "│ ○", "│ │ ○", "├─│─╯", "○ │", "  ○"]
