"""What a history answers, and what it says where there is no answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from migrations_ops.model.errors import ExitCode
from migrations_ops.revisions.errors import (
    AmbiguousRevision,
    BadRevisionId,
    BadTarget,
    DuplicateLabel,
    DuplicateRevision,
    MissingRevision,
    OverlappingRevisions,
    RevisionCycle,
    SeveralHeads,
    UnknownRevision,
)
from migrations_ops.revisions.history import History, Revision
from tests.unit.revisions.small_histories import history, line, names_of, revision


@pytest.mark.parametrize("target", ["head", "heads", "base"])
def test_an_empty_history_has_nothing_to_do(target: str) -> None:
    empty = history()
    assert (empty.heads, empty.bases, empty.effective_heads) == ((), (), ())
    assert empty.resolve(target) == ()
    assert empty.pending((), target) == ()


def test_a_revision_tells_its_path() -> None:
    assert revision("a1", file="versions/a1.py").path == Path("versions/a1.py")


def test_a_dependency_makes_a_head_that_is_no_effective_head() -> None:
    whole = history(revision("a1"), revision("b1"), revision("b2", "b1", depends_on=["a1"]))
    assert whole.heads == ("a1", "b2")
    assert whole.effective_heads == ("b2",)
    assert whole.pending(("b2",), "heads") == ()


def test_several_heads_are_named_with_their_messages() -> None:
    whole = history(revision("a1"), revision("b1", "a1", message="add users"), revision("c1", "a1"))
    with pytest.raises(SeveralHeads) as caught:
        whole.pending((), "head")
    assert str(caught.value) == (
        "'head' means one revision, and the scripts have 2 heads: b1 (add users), c1."
        " Nothing was changed. Name one of them."
    )
    of_stage = caught.value.of("stage")
    assert of_stage.what == caught.value.what
    assert "under environments.stage of the configuration" in of_stage.next
    assert caught.value.heads == ("b1", "c1")
    assert caught.value.exit_code == ExitCode.REFUSED


def test_many_heads_are_counted_rather_than_listed() -> None:
    whole = history(*(revision(f"r{number}") for number in range(8)))
    with pytest.raises(SeveralHeads, match=r"8 heads: r0, r1, r2, r3, r4 and 3 more\."):
        whole.resolve("head")


def test_an_unknown_target_suggests_the_nearest() -> None:
    whole = history(*line("1a2b3c4d", "5e6f7a8b"))
    with pytest.raises(UnknownRevision) as caught:
        whole.resolve("1a2b3c4e")
    assert caught.value.candidates == ("1a2b3c4d",)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "Nearest: 1a2b3c4d." in str(caught.value)


def test_an_unknown_target_that_resembles_nothing_points_to_the_history() -> None:
    with pytest.raises(UnknownRevision, match="Type: invoke history"):
        history(*line("1a2b3c4d")).resolve("zzzz")


def test_a_revision_that_only_the_database_knows_is_no_usage_error() -> None:
    whole = history(*line("a1", "a2"))
    assert whole.unknown(("a1", "gone", "a")) == ("gone", "a")
    for ask in (whole.pending, whole.ancestors):
        with pytest.raises(UnknownRevision, match="No script has the revision gone") as caught:
            ask(("gone",))
        assert caught.value.exit_code == ExitCode.REFUSED
    with pytest.raises(UnknownRevision):
        whole.reverting(("gone",), "base")


def test_an_ambiguous_beginning_lists_what_it_fits() -> None:
    whole = history(*(revision(f"abcd{number}") for number in range(7)))
    with pytest.raises(AmbiguousRevision) as caught:
        whole.resolve("abcd")
    assert caught.value.candidates == ("abcd0", "abcd1", "abcd2", "abcd3", "abcd4")
    assert "7 revisions" in str(caught.value)


def test_one_step_back_from_several_revisions_is_ambiguous() -> None:
    whole = history(revision("a1"), revision("b1"))
    with pytest.raises(AmbiguousRevision, match="could start from any of a1, b1"):
        whole.reverting(("a1", "b1"), "-1")


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda whole: whole.pending(("a2",), "-1"), "does not lead forward"),
        (lambda whole: whole.pending(("a2",), "+2"), "more steps than there are"),
        (lambda whole: whole.pending((), "a1-1"), "leads to the base"),
        (lambda whole: whole.reverting(("a2",), "+1"), "does not lead backward"),
        (lambda whole: whole.reverting(("a2",), "-3"), "more steps than there are"),
        (lambda whole: whole.reverting((), "-1"), "nothing below"),
        (lambda whole: whole.reverting(("a2",), "a3"), "a3 is not below .* which holds a2"),
        (lambda whole: whole.reverting((), "a1"), "which holds none"),
        (lambda whole: whole.resolve("blue@b1"), "does not belong to the branch 'blue'"),
    ],
)
def test_a_target_that_lies_elsewhere_is_refused(
    ask: Callable[[History], object], reason: str
) -> None:
    a1, a2, a3 = line("a1", "a2", "a3")
    labelled = Revision("a1", (), (), ("blue",), a1.file, "")
    with pytest.raises(BadTarget, match=reason) as caught:
        ask(history(labelled, a2, a3, revision("b1")))
    assert caught.value.exit_code == ExitCode.USAGE


def test_the_same_current_revision_twice_counts_once() -> None:
    whole = history(*line("a1", "a2"))
    assert names_of(whole.pending(("a1", "a1"))) == ["a2"]
    assert names_of(whole.reverting(("a2", "a2"), "-1")) == ["a2"]


def test_a_database_that_names_a_revision_beside_its_ancestor_is_refused() -> None:
    whole = history(*line("a1", "a2", "a3"))
    with pytest.raises(OverlappingRevisions, match="a3 already contains a1") as caught:
        whole.pending(("a1", "a3"))
    assert (caught.value.outer, caught.value.inner) == ("a3", "a1")


def test_two_files_with_one_id_are_both_named() -> None:
    with pytest.raises(DuplicateRevision, match=r"revision a1: one\.py and two\.py"):
        history(revision("a1", file="one.py"), revision("a1", file="two.py"))


@pytest.mark.parametrize("second", [revision("b1", labels=["blue"]), revision("blue")])
def test_a_label_is_used_once(second: Revision) -> None:
    with pytest.raises(DuplicateLabel, match="'blue'"):
        history(revision("a1", labels=["blue"]), second)


def test_a_parent_that_no_file_has_is_named_with_the_file_that_wants_it() -> None:
    with pytest.raises(MissingRevision, match=r"b1\.py names 'a1' as down_revision"):
        history(revision("b1", "a1"))
    with pytest.raises(MissingRevision, match=r"b1\.py names 'a1' as depends_on"):
        history(revision("b1", depends_on=["a1"]))


@pytest.mark.parametrize("character", "@-+:")
def test_an_id_that_would_read_as_a_target_is_refused(character: str) -> None:
    with pytest.raises(BadRevisionId):
        history(revision("a1"), revision(f"a{character}2", "a1"))


@pytest.mark.parametrize(
    ("circle", "revisions"),
    [
        ({"a1"}, [revision("a1", "a1")]),
        ({"a1"}, [revision("a1", depends_on=["a1"])]),
        ({"b1", "b2"}, [revision("a1"), revision("b1", "b2"), revision("b2", "b1")]),
        ({"b1", "b2"}, [revision("b1", "b2"), revision("b2", depends_on=["b1"])]),
        ({"b1", "b2"}, [revision("b1", "b2"), revision("b2", "b1"), revision("a1", "b2")]),
    ],
)
def test_a_circle_is_walked_once(circle: set[str], revisions: list[Revision]) -> None:
    with pytest.raises(RevisionCycle) as caught:
        history(*revisions)
    assert set(caught.value.revisions) == circle
    assert caught.value.revisions[0] in str(caught.value)


def test_a_long_circle_is_shortened() -> None:
    names = [f"r{number}" for number in range(9)]
    with pytest.raises(RevisionCycle, match=r"circle: r0 -> .* -> \.\.\. -> r0\."):
        history(*(revision(names[number], names[number - 1]) for number in range(9)))
