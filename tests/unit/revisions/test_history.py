"""Histories, held against Alembic's own ScriptDirectory over the same files."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from migrations_ops.model.errors import OpsError
from migrations_ops.revisions.history import History, Revision
from tests.unit.revisions.small_histories import history, line, names_of, revision

REFUSED = "refused"
# Several begin alike, some are too short to be completed, one is the beginning of another.
NAMES = ("a", "ab", "abc", "abcd", "abcde", "abdd", "ab1_", "b123", "b124", "b1", "c.1", "0001")
LABELS = ("blue", "abcdblue", "b12", "grey")


@dataclass(frozen=True)
class Case:
    """Revisions in the order of their files, some revisions at work, and words for a target."""

    revisions: tuple[Revision, ...]
    current: tuple[str, ...] = ()
    target: str = "head"

    @property
    def by_id(self) -> dict[str, Revision]:
        return {each.revision: each for each in self.revisions}

    def parents(self, name: str) -> tuple[str, ...]:
        labels = {label: each.revision for each in self.revisions for label in each.labels}
        revision = self.by_id[name]
        return (*revision.down, *(labels.get(each, each) for each in revision.depends_on))

    def below(self, names: Iterable[str]) -> set[str]:
        """The names and all that comes before them, in the most obvious way."""
        found = set(names)
        while more := {p for name in found for p in self.parents(name)} - found:
            found |= more
        return found


def write(folder: Path, revisions: Sequence[Revision]) -> ScriptDirectory:
    """The revisions as real files, opened by Alembic."""
    versions = folder / "versions"
    versions.mkdir()
    for number, each in enumerate(revisions):
        (versions / f"{number:03}_x.py").write_text(
            f"revision = {each.revision!r}\ndown_revision = {each.down or None!r}\n"
            f"depends_on = {each.depends_on or None!r}\nbranch_labels = {each.labels or None!r}\n"
            "upgrade = downgrade = print\n",
            encoding="utf-8",
        )
    return ScriptDirectory(str(folder))


@st.composite
def cases(draw: st.DrawFn, targets: Callable[[Case], st.SearchStrategy[str]]) -> Case:
    """A history with branches, merges, several bases, dependencies and labels."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    labels = iter(draw(st.permutations(LABELS)))
    made: list[Revision] = []
    for name in names:
        before = [each.revision for each in made]
        down = draw(_some(before, draw(st.sampled_from([1, 1, 1, 0, 2, 3]))))
        others = [each for each in before if each not in down]
        depends_on = draw(_some(others, draw(st.sampled_from([0, 0, 0, 1, 2]))))
        chosen = [each for each in [next(labels, "")] if each and draw(st.integers(0, 2)) == 2]
        by_label = {each.revision: each.labels[0] for each in made if each.labels}
        if draw(st.booleans()):
            depends_on = [by_label.get(each, each) for each in depends_on]
        made.append(revision(name, *down, depends_on=depends_on, labels=chosen))
    case = Case(tuple(draw(st.permutations(made))))
    reached = case.below(draw(_some(names, draw(st.sampled_from([0, 1, 1, 2, 3])))))
    inner = {parent for name in reached for parent in case.parents(name)}
    current = tuple(draw(st.permutations(sorted(reached - inner))))
    case = Case(case.revisions, current)
    return Case(case.revisions, current, draw(targets(case)))


def _some(names: Sequence[str], most: int) -> st.SearchStrategy[list[str]]:
    if not names:
        return st.just([])
    return st.lists(st.sampled_from(names), max_size=most, min_size=min(most, 1), unique=True)


def absolute(case: Case) -> st.SearchStrategy[str]:
    names = [each.revision for each in case.revisions]
    labels = [label for each in case.revisions for label in each.labels]
    prefixes = [name[:length] for name in (*names, *labels) for length in range(1, len(name))]
    words = st.sampled_from(["head", "heads", "heads", "base"])
    plain = st.one_of(words, words, st.sampled_from(["nowhere", *names, *labels, *prefixes]))
    branch = st.sampled_from(["nowhere", *labels * 3, *names, *prefixes])
    return st.one_of(plain, plain, st.builds("{}@{}".format, branch, plain))


def relative(sign: str) -> Callable[[Case], st.SearchStrategy[str]]:
    def targets(case: Case) -> st.SearchStrategy[str]:
        names = [each.revision for each in case.revisions]
        labels = [label for each in case.revisions for label in each.labels]
        branch = st.sampled_from(["", "", *(f"{each}@" for each in (*labels, *names))])
        start = st.sampled_from(["", "", "", *names])
        steps = st.sampled_from([f"{sign}1", f"{sign}1", f"{sign}2", f"{sign}3", "+1", "-1"])
        return st.builds("{}{}{}".format, branch, start, steps)

    return targets


def anything(sign: str) -> Callable[[Case], st.SearchStrategy[str]]:
    return lambda case: st.one_of(absolute(case), relative(sign)(case))


def downward(case: Case) -> st.SearchStrategy[str]:
    """Mostly targets that the current revisions stand above."""
    below = sorted(case.below(case.current))
    labels = [label for each in case.revisions for label in each.labels if each.revision in below]
    plain = st.sampled_from(["base", "base", "-1", "-2", *below])
    branch = st.sampled_from(["", "", *(f"{each}@" for each in (*labels, *below))])
    return st.one_of(st.builds("{}{}".format, branch, plain), plain, anything("-")(case))


def alembic_says(ask: Callable[[ScriptDirectory], object], case: Case) -> object:
    """Alembic's answer; whatever it raises, an assertion of its own included, is a refusal."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripts = write(Path(folder), case.revisions)
        try:
            return ask(scripts)
        except (CommandError, RevisionError, AssertionError):
            return REFUSED


def we_say(ask: Callable[[History], object], case: Case) -> object:
    whole = History.of(case.revisions)
    try:
        return ask(whole)
    except OpsError:
        return REFUSED


def order_is_settled(case: Case) -> bool:
    """Alembic walks several dependencies of one revision in the order of a set: by chance."""
    return all(len(each.depends_on) < 2 for each in case.revisions)


def branch_is_overlooked(case: Case) -> bool:
    """Whether the target names a branch that does not exist.

    Alembic notices that only where the branch makes a difference; here it is always refused.
    """
    label, at, _ = case.target.rpartition("@")
    return bool(at) and we_say(lambda ours: ours.resolve(label), case) == REFUSED


thorough = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@thorough
@given(cases(absolute))
def test_heads_and_bases_are_alembics(case: Case) -> None:
    theirs = alembic_says(
        lambda scripts: (
            sorted(scripts.get_heads()),
            sorted(scripts.revision_map._real_heads),
            sorted(scripts.get_bases()),
        ),
        case,
    )
    ours = History.of(case.revisions)
    assert theirs == (list(ours.heads), list(ours.effective_heads), list(ours.bases))


@thorough
@given(cases(absolute))
def test_ancestors_are_everything_before(case: Case) -> None:
    ours = History.of(case.revisions)
    assert ours.ancestors(case.current) == case.below(case.current)
    for name in case.by_id:
        assert ours.descendants([name]) == {n for n in case.by_id if name in case.below([n])}


@thorough
@given(cases(absolute))
@example(Case(tuple(line("ab1", "ab1b")), target="ab1"))
@example(Case(tuple(line("a", "ab1b")), target="ab"))
@example(Case(tuple(line("abb")), target="ab"))
def test_targets_mean_what_alembic_takes_them_for(case: Case) -> None:
    assume(not branch_is_overlooked(case))
    theirs = alembic_says(
        lambda scripts: sorted(each.revision for each in scripts.get_revisions(case.target)), case
    )
    assert we_say(lambda ours: sorted(ours.resolve(case.target)), case) == theirs


def require_same(ours: object, theirs: object, case: Case) -> None:
    """The same revisions, in the same order where only one order is right."""
    if order_is_settled(case) or REFUSED in (ours, theirs):
        assert ours == theirs
    else:
        assert isinstance(ours, list)
        assert isinstance(theirs, list)
        assert sorted(ours) == sorted(theirs)


@thorough
@given(cases(anything("+")))
def test_pending_is_what_alembic_would_upgrade(case: Case) -> None:
    assume(not branch_is_overlooked(case))
    theirs = alembic_says(
        lambda scripts: [
            step.revision.revision
            for step in scripts._upgrade_revs(case.target, case.current)  # type: ignore[arg-type]
        ],
        case,
    )
    ours = we_say(lambda whole: names_of(whole.pending(case.current, case.target)), case)
    require_same(ours, theirs, case)
    if isinstance(ours, list):
        done = case.below(case.current)
        for name in ours:
            assert done.issuperset(case.parents(name))
            done.add(name)


@thorough
@given(cases(downward))
def test_reverting_is_what_alembic_would_downgrade(case: Case) -> None:
    # Alembic takes the first current revision, by chance, and says that it will refuse some day.
    assume(not (case.target.startswith("-") and len(case.current) > 1))
    assume(not branch_is_overlooked(case))
    theirs = alembic_says(
        lambda scripts: [
            step.revision.revision
            for step in scripts._downgrade_revs(case.target, case.current)  # type: ignore[arg-type]
        ],
        case,
    )
    ours = we_say(lambda whole: names_of(whole.reverting(case.current, case.target)), case)
    require_same(ours, theirs, case)


def test_five_thousand_revisions_in_a_line() -> None:
    names = [f"r{number:04}" for number in range(5000)]
    whole = history(*reversed(line(*names)))
    assert names_of(whole.pending(("r0009",))) == names[10:]
    assert names_of(whole.reverting((names[-1],), "base")) == names[::-1]
    assert whole.resolve("-4999", (names[-1],)) == ("r0000",)


def test_five_thousand_revisions_with_a_merge_at_each_third() -> None:
    made = [revision("m0000")]
    for number in range(1, 1667):
        left, right, before = f"a{number:04}", f"b{number:04}", f"m{number - 1:04}"
        made += [revision(left, before), revision(right, before)]
        made.append(revision(f"m{number:04}", left, right))
    whole = history(*made)
    order = names_of(whole.pending())
    assert len(order) == 4999
    place = {name: number for number, name in enumerate(order)}
    assert all(place[parent] < place[each.revision] for each in made for parent in each.down)


def test_two_thousand_branches_from_one_base() -> None:
    tips = [revision(f"t{number:04}", "base1") for number in range(2000)]
    whole = history(revision("base1"), *tips)
    assert names_of(whole.pending((), "heads")) == ["base1", *reversed(whole.heads)]
