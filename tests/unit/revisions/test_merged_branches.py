"""Whether a branch's revisions come after those of its base, and what is said where not."""

from __future__ import annotations

import pytest

from migrations_ops.revisions.branches import (
    Base,
    Branch,
    require_after_base,
    require_one_head,
    split_heads,
)
from migrations_ops.revisions.errors import (
    DuplicateRevision,
    InsertedRevision,
    MissingRevision,
    NotAfterBase,
    RevisionCycle,
    SeveralHeads,
)
from migrations_ops.revisions.history import Revision
from tests.unit.revisions.small_histories import history, line, revision

ROOT = [revision("r1"), revision("r2", "r1")]
OURS = revision("o1", "r2", message="add reviews")
OURS_2 = revision("o2", "o1")
THEIRS = revision("t1", "r2", message="count loans")


def by_id(revisions: list[Revision]) -> dict[str, Revision]:
    return {each.revision: each for each in revisions}


def branch(
    ours: list[Revision], base: list[Revision], common: list[Revision] | None = ROOT
) -> Branch:
    before = None if common is None else by_id(common)
    return Branch(by_id(ours), Base("main", by_id(base), before))


def merged(made: Branch, target: str = "head") -> tuple[str, ...]:
    return require_after_base(made, target, "prod").heads


@pytest.mark.parametrize("common", [ROOT, None], ids=["whole", "shallow"])
@pytest.mark.parametrize(
    ("ours", "base", "heads"),
    [
        pytest.param(ROOT, ROOT, ("r2",), id="nothing new"),
        pytest.param([*ROOT, OURS], ROOT, ("o1",), id="ours"),
        pytest.param(ROOT, [*ROOT, THEIRS], ("t1",), id="theirs"),
        pytest.param(
            [*ROOT, THEIRS, revision("o1", "t1")], [*ROOT, THEIRS], ("o1",), id="ours after theirs"
        ),
        pytest.param(
            [*ROOT, OURS, THEIRS, revision("m1", "o1", "t1")],
            [*ROOT, THEIRS],
            ("m1",),
            id="merged by a revision",
        ),
        pytest.param(
            [*ROOT, revision("t1", "r2")], [*ROOT, THEIRS], ("t1",), id="taken from the base"
        ),
    ],
)
def test_what_comes_after_the_base_passes(
    ours: list[Revision], base: list[Revision], common: list[Revision] | None, heads: tuple[str]
) -> None:
    assert merged(branch(ours, base, common)) == heads


@pytest.mark.parametrize("is_here", [True, False])
def test_what_follows_the_same_revision_is_named_with_the_command_that_mends_it(
    is_here: bool,
) -> None:
    ours = [*ROOT, OURS, OURS_2, *([THEIRS] if is_here else [])]
    with pytest.raises(NotAfterBase) as caught:
        merged(branch(ours, [*ROOT, THEIRS]))
    assert caught.value.what == (
        "o1 (add reviews) of this branch does not come after t1 (count loans) of main."
    )
    fix = "invoke heads --fix --base main"
    assert caught.value.next == (
        f"Type: {fix}" if is_here else f"Merge main into this branch, then type: {fix}"
    )


def test_what_is_put_before_a_revision_of_the_base_is_refused() -> None:
    ours = [ROOT[0], revision("o1", "r1"), revision("r2", "o1")]
    with pytest.raises(InsertedRevision, match="o1 of this branch comes before r2, which main has"):
        merged(branch(ours, ROOT))


def test_a_new_root_is_another_head() -> None:
    with pytest.raises(NotAfterBase, match="o1 of this branch does not come after r2 of main"):
        merged(branch([*ROOT, revision("o1")], ROOT))


def test_two_heads_of_one_side_are_heads() -> None:
    two = [*ROOT, OURS, revision("o9", "r2")]
    for made in (branch(two, ROOT), branch(ROOT, two)):
        with pytest.raises(SeveralHeads, match=r"2 heads: o1 \(add reviews\), o9"):
            merged(made)


def test_what_one_side_removed_or_changed_since_stays_so() -> None:
    squashed = [revision("s1")]
    assert merged(branch(ROOT, squashed)) == ("s1",)
    assert merged(branch(squashed, ROOT)) == ("s1",)
    turned = [revision("r1"), revision("x1", "r1"), revision("r2", "x1")]
    assert merged(branch([*ROOT, OURS], turned)) == ("o1",)


def test_a_parent_that_the_base_removed_is_missing() -> None:
    with pytest.raises(MissingRevision):
        merged(branch([*ROOT, OURS], [revision("s1")]))


def test_an_id_that_both_sides_gave_is_there_twice_after_the_merge() -> None:
    mine = revision("0003", "r2", file="versions/0003_mine.py")
    theirs = revision("0003", "r2", file="main:versions/0003_theirs.py")
    with pytest.raises(DuplicateRevision, match="0003"):
        merged(branch([*ROOT, mine], [*ROOT, theirs]))


def test_a_file_that_got_another_name_is_no_second_one() -> None:
    renamed = [ROOT[0], revision("r2", "r1", file="versions/renamed.py")]
    assert merged(branch(renamed, ROOT)) == ("r2",)


def test_sides_that_change_each_others_parents_may_make_a_circle() -> None:
    common = line("a", "b", "c")
    ours = [revision("a"), revision("b", "c"), revision("c", "a")]
    theirs = [revision("a", "b"), revision("b"), revision("c", "a")]
    with pytest.raises(RevisionCycle):
        merged(branch(ours, theirs, common))


A = revision("a1", "r1", labels=["web"])
B = revision("b1", "r1", labels=["jobs"])


@pytest.mark.parametrize(
    ("revisions", "target", "split"),
    [
        pytest.param([], "head", (), id="empty"),
        pytest.param(line("r1", "r2"), "head", (), id="line"),
        pytest.param([*ROOT, OURS, THEIRS], "head", ("o1", "t1"), id="fork"),
        pytest.param([*ROOT, OURS, THEIRS], "heads", (), id="fork that is meant"),
        pytest.param([*ROOT, OURS, THEIRS], "r2", (), id="target below the fork"),
        pytest.param([revision("x1"), revision("y1")], "head", ("x1", "y1"), id="two roots"),
        pytest.param([revision("x1"), revision("y1")], "heads", (), id="two roots that are meant"),
        pytest.param([ROOT[0], A, B], "head", (), id="two labels"),
        pytest.param([ROOT[0], A, revision("b1", "r1")], "head", (), id="one label"),
        pytest.param(
            [ROOT[0], A, B, revision("a2", "a1"), revision("a3", "a1")],
            "head",
            ("a2", "a3"),
            id="a fork within a label",
        ),
        pytest.param(
            [ROOT[0], A, B, revision("a2", "a1"), revision("a3", "a1")],
            "jobs@head",
            (),
            id="a fork in the label that is not asked for",
        ),
        pytest.param(
            [ROOT[0], A, B, revision("a2", "a1"), revision("a3", "a1")],
            "web@head",
            ("a2", "a3"),
            id="a fork in the label that is asked for",
        ),
    ],
)
def test_heads_without_labels_that_differ(
    revisions: list[Revision], target: str, split: tuple[str, ...]
) -> None:
    whole = history(*revisions)
    assert split_heads(whole, target) == split
    if not split:
        require_one_head(whole, target, "prod")
        return
    with pytest.raises(SeveralHeads, match=f"2 heads: {split[0]}.*, {split[1]}") as caught:
        require_one_head(whole, target, "prod")
    assert "invoke heads --fix" in caught.value.next
