"""What makes one head of several: every case of whose revisions they are, and of where they ran."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest

from migrations_ops.operations.heads.decision import Fork, Merge, Rewrite, Undecided, decide
from migrations_ops.revisions.history import History, Revision
from tests.unit.revisions.small_histories import history, revision

# Two sides of two revisions each, after a common root.
TWO = history(
    revision("r"), revision("a1", "r"), revision("a2", "a1"),
    revision("b1", "r"), revision("b2", "b1"),
)  # fmt: skip
A, B = frozenset({"a1", "a2"}), frozenset({"b1", "b2"})
A_AFTER_B = Rewrite({"a1": ("b2",)}, ("a1", "a2"), "b2")
B_AFTER_A = Rewrite({"b1": ("a2",)}, ("b1", "b2"), "a2")
NOWHERE: dict[str, tuple[str, ...]] = {}


def fork(
    whole: History,
    own: frozenset[str] | None,
    ran: Mapping[str, tuple[str, ...]] = NOWHERE,
    unknown: tuple[str, ...] = (),
) -> Fork:
    return Fork(whole, whole.heads, own, ran, unknown)


def outcome(found: Rewrite | Merge | Undecided) -> object:
    return found if isinstance(found, Rewrite) else type(found)


# Whose they are, and which side ran (a revision of it, anywhere).
@pytest.mark.parametrize(
    ("own", "ran_a", "ran_b", "expected"),
    [
        # a is this branch's: it follows, unless it ran.
        (A, False, False, A_AFTER_B),
        (A, False, True, A_AFTER_B),
        (A, True, False, Merge),
        (A, True, True, Merge),
        # Both are: what ran stays first; of two that did not, the first file.
        (A | B, False, False, B_AFTER_A),
        (A | B, True, False, B_AFTER_A),
        (A | B, False, True, A_AFTER_B),
        (A | B, True, True, Merge),
        # None is: others may have run what is merged already.
        (frozenset[str](), False, False, Merge),
        (frozenset[str](), False, True, Merge),
        (frozenset[str](), True, False, Merge),
        (frozenset[str](), True, True, Merge),
        # git does not tell: only what ran does.
        (None, False, False, Undecided),
        (None, False, True, A_AFTER_B),
        (None, True, False, B_AFTER_A),
        (None, True, True, Merge),
    ],
)
@pytest.mark.parametrize("position", [1, 2])
def test_a_side_follows_the_other_unless_it_ran(
    own: frozenset[str] | None, ran_a: bool, ran_b: bool, expected: object, position: int
) -> None:
    ran: dict[str, tuple[str, ...]] = {f"a{position}": ("dev",)} if ran_a else {}
    ran |= {f"b{position}": ("dev", "prod")} if ran_b else {}
    assert outcome(decide(fork(TWO, own, {"r": ("prod",), **ran}))) == expected


def test_the_reason_for_a_merge_names_what_ran_and_where() -> None:
    found = decide(fork(TWO, A, {"a2": ("dev", "stage")}))
    assert found == Merge(("a2", "b2"), "a2 ran in dev and stage")
    found = decide(fork(TWO, frozenset()))
    assert found == Merge(("a2", "b2"), "a2 and b2 are not this branch's own")


def test_an_environment_that_cannot_be_asked_may_have_run_what_git_does_not_tell() -> None:
    ran = {"b1": ("dev",)}
    assert outcome(decide(fork(TWO, None, ran, ("prod",)))) == Undecided
    assert outcome(decide(fork(TWO, A, ran, ("prod",)))) == A_AFTER_B


def test_a_side_with_a_revision_of_others_is_theirs() -> None:
    assert outcome(decide(fork(TWO, frozenset({"a2"})))) == Merge


def test_several_sides_of_ones_own_form_a_line() -> None:
    three = history(
        revision("r"), revision("c", "r"), revision("a", "r"), revision("b1", "r"),
        revision("b2", "b1"),
    )  # fmt: skip
    found = decide(fork(three, frozenset({"a", "b1", "b2"})))
    assert found == Rewrite({"a": ("c",), "b1": ("a",)}, ("a", "b1", "b2"), "c")


def test_heads_of_others_are_not_decided_about() -> None:
    three = history(revision("r"), revision("a", "r"), revision("b", "r"), revision("c", "r"))
    found = decide(fork(three, frozenset({"a"})))
    assert found == Merge(("a", "b", "c"), "b and c are not this branch's own")


@pytest.mark.parametrize(
    ("revisions", "own", "parents"),
    [
        pytest.param([revision("a"), revision("b")], {"a"}, {"a": ("b",)}, id="a root"),
        pytest.param(
            [
                revision("r"), revision("x", "r"), revision("y", "r"),
                revision("a", "x", "y"), revision("b", "x", "y"),
            ],
            {"a"},
            {"a": ("b",)},
            id="two merges of the same",
        ),
        pytest.param(
            [
                revision("r"), revision("b1", "r"), revision("b2", "b1"),
                revision("a1", "r"), revision("a2", "a1", "b1"),
            ],
            {"a1", "a2"},
            {"a1": ("b2",), "a2": ("a1",)},
            id="a merge with what the other side has",
        ),
        pytest.param(
            [
                revision("r"), revision("b", "r"),
                revision("a1", "r"), revision("a2", "r"), revision("a3", "a1", "a2"),
            ],
            {"a1", "a2", "a3"},
            {"a1": ("b",), "a2": ("b",)},
            id="a side that forks and merges",
        ),
        pytest.param(
            [
                revision("r"), revision("j", labels=["jobs"]),
                revision("a", "r", depends_on=["j"]), revision("b", "r"),
            ],
            {"a"},
            {"a": ("b",)},
            id="a dependency on another branch",
        ),
    ],
)  # fmt: skip
def test_only_what_leads_over_the_fork_gets_other_parents(
    revisions: list[Revision], own: set[str], parents: dict[str, tuple[str, ...]]
) -> None:
    whole = history(*revisions)
    heads = tuple(name for name in whole.heads if name != "j")
    found = decide(Fork(whole, heads, frozenset(own), NOWHERE))
    assert isinstance(found, Rewrite)
    assert found.parents == parents


def test_a_side_that_the_other_depends_on_is_merged() -> None:
    whole = history(revision("r"), revision("a", "r"), revision("b", "r", depends_on=["a"]))
    found = decide(Fork(whole, ("a", "b"), frozenset({"a"}), NOWHERE))
    assert found == Merge(("a", "b"), "one of them depends on the other")


def test_every_small_fork_becomes_one_head_or_is_left_alone() -> None:
    """Whatever each side is made of, and whoever owns which revision."""
    shapes = [("r",), ("r", "1"), ("r", "1", "2")]
    for left, right in product(shapes[1:], repeat=2):
        names = [*(f"a{each}" for each in left[1:]), *(f"b{each}" for each in right[1:])]
        revisions = [revision("r")]
        for side, shape in (("a", left), ("b", right)):
            line = ["r", *(f"{side}{each}" for each in shape[1:])]
            revisions += [revision(line[i], line[i - 1]) for i in range(1, len(line))]
        whole = history(*revisions)
        for owned, did_run in product(product([False, True], repeat=len(names)), repeat=2):
            own = frozenset(name for name, it in zip(names, owned, strict=True) if it)
            ran = {name: ("dev",) for name, it in zip(names, did_run, strict=True) if it}
            found = decide(fork(whole, own, ran))
            if isinstance(found, Rewrite):
                assert not set(found.moved) & ran.keys()
                assert set(found.moved) <= own
                after = History.of(
                    each._replace(down=found.parents.get(each.revision, each.down))
                    for each in whole.revisions.values()
                )
                assert len(after.heads) == 1
                assert found.after in after.ancestors(found.moved[:1])
