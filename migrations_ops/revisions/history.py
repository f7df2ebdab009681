"""Revisions and the history that they form: heads, ancestors, what an upgrade would run.

Nothing here imports Alembic, or knows a file or a database. The answers are Alembic's, which the
tests compare with it; the few places that refuse what Alembic accepts say so. Alembic's own
RevisionMap is not used, since importing it imports SQLAlchemy: a third of a second for each status.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple

from migrations_ops.revisions import targets as revision_targets
from migrations_ops.revisions.errors import (
    BadRevisionId,
    BadTarget,
    DuplicateLabel,
    DuplicateRevision,
    LostRevision,
    MissingRevision,
    OverlappingRevisions,
    RevisionCycle,
)
from migrations_ops.revisions.graph import (
    find_cycle,
    newest_first,
    oldest_first,
    reach,
    reverse,
    without_inherited,
)

_ILLEGAL = "@-+:"
# What Alembic writes where no message is given.
NO_MESSAGE = "empty message"


class Revision(NamedTuple):
    """One revision script.

    ``down`` is its down_revision, () for a base; ``depends_on`` and ``labels`` are as written,
    so that a dependency may be a label. ``message`` is the first line of its docstring.
    """

    revision: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]
    # Text, since five thousand Path objects cost as much as reading the whole cache; and a
    # tuple, which is made three times as fast as an instance with frozen fields.
    file: str
    message: str

    @property
    def title(self) -> str:
        """Its message; of a merge that Alembic gave none, what it merges."""
        if len(self.down) > 1 and self.message in ("", NO_MESSAGE):
            return f"merge of {', '.join(self.down)}"
        return self.message

    @property
    def path(self) -> Path:
        """The script."""
        return Path(self.file)

    def shown(self, root: Path) -> str:
        """The name of the script, relative to a folder where it is below that."""
        file = self.path
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


@dataclass(frozen=True)
class History:
    """All revisions of one set of scripts, by id, in the order in which their files are read.

    :raises BrokenHistory: an id with an illegal character, a label that is taken, a parent or
        dependency that no file has, a cycle.
    """

    revisions: Mapping[str, Revision]
    # Whether these are all the revisions that there are.
    complete: ClassVar[bool] = True

    @classmethod
    def of(cls, revisions: Iterable[Revision]) -> History:
        """The history that these revisions form.

        :raises BrokenHistory: as the class, and where two files carry one id.
        """
        by_id: dict[str, Revision] = {}
        for revision in revisions:
            first = by_id.setdefault(revision.revision, revision)
            if first is not revision:
                raise DuplicateRevision(revision.revision, first.file, revision.file)
        return cls(by_id)

    def __post_init__(self) -> None:
        # One search of one long text: ids with such characters are rare, ids are many.
        together = "\n".join(self.revisions)
        if any(character in together for character in _ILLEGAL):
            for name, revision in self.revisions.items():
                if any(character in name for character in _ILLEGAL):
                    raise BadRevisionId(name, revision.file)
        self._check_names()
        if len(self.sorted) != len(self.revisions):
            raise RevisionCycle(find_cycle(self.parents, self.sorted))

    def _check_names(self) -> None:
        labels = self.labels
        for revision in self.revisions.values():
            for name in revision.down:
                if name not in self.revisions:
                    raise MissingRevision(revision.revision, name, revision.file, "down_revision")
            for name in revision.depends_on:
                if name not in self.revisions and name not in labels:
                    raise MissingRevision(revision.revision, name, revision.file, "depends_on")

    @cached_property
    def labels(self) -> dict[str, str]:
        """Each branch label, with the revision that it is written on."""
        labels: dict[str, str] = {}
        for revision in self.revisions.values():
            for label in revision.labels:
                existing = label if label in self.revisions else labels.get(label)
                if existing is not None:
                    first = self.revisions[existing].file
                    raise DuplicateLabel(label, first, revision.file)
                labels[label] = revision.revision
        return labels

    @cached_property
    def _dependencies(self) -> dict[str, tuple[str, ...]]:
        """The ids that a revision depends on, for those that depend on any; labels resolved."""
        return {
            name: tuple(dict.fromkeys(self.labels.get(each, each) for each in revision.depends_on))
            for name, revision in self.revisions.items()
            if revision.depends_on
        }

    @cached_property
    def _down(self) -> dict[str, tuple[str, ...]]:
        return {name: revision.down for name, revision in self.revisions.items()}

    @cached_property
    def parents(self) -> dict[str, tuple[str, ...]]:
        """What must have run before each revision: its down revisions and its dependencies."""
        if not self._dependencies:
            return self._down
        return {
            name: tuple(dict.fromkeys((*down, *self._dependencies.get(name, ()))))
            for name, down in self._down.items()
        }

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """The revisions whose down_revision is this one; no key where there are none."""
        return reverse(self._down)

    @cached_property
    def dependents(self) -> dict[str, list[str]]:
        """As ``children``, and those that depend on this one."""
        return self.children if self.parents is self._down else reverse(self.parents)

    @cached_property
    def sorted(self) -> list[str]:
        """Every revision after all that have to run before it."""
        return oldest_first(self.parents, self.dependents)

    @cached_property
    def walked(self) -> dict[str, tuple[str, ...]]:
        """As ``parents``, without dependencies that an ancestor already has, as Alembic walks."""
        if not self._dependencies:
            return self._down
        return without_inherited(self._dependencies, self._down, self.children)

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The revisions that no other has as its down_revision, sorted; ``alembic heads``."""
        return tuple(sorted(name for name in self.revisions if name not in self.children))

    @cached_property
    def effective_heads(self) -> tuple[str, ...]:
        """The heads that no other revision depends on, sorted.

        A database that is fully upgraded names these in its version table.
        """
        return tuple(sorted(name for name in self.revisions if name not in self.dependents))

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """The revisions without a down_revision, sorted."""
        return tuple(sorted(name for name, down in self._down.items() if not down))

    def ancestors(self, ids: Iterable[str], *, dependencies: bool = True) -> frozenset[str]:
        """These revisions and everything before them, over down_revision and depends_on.

        :param ids: full revision ids.
        :param dependencies: False leaves depends_on out.
        :raises UnknownRevision: the scripts do not have one of the ids.
        """
        return frozenset(reach(self._known(ids), self.parents if dependencies else self._down))

    def descendants(self, ids: Iterable[str], *, dependencies: bool = True) -> frozenset[str]:
        """These revisions and everything after them; the parameters are those of ancestors."""
        return frozenset(
            reach(self._known(ids), self.dependents if dependencies else self.children)
        )

    def lead_to(self, current: Collection[str], wanted: Collection[str], word: str = "") -> bool:
        """Whether an upgrade leads from the current revisions to the wanted ones.

        Heads of other branches stay as they are. Where a wanted revision is on the way from none
        of the current ones, and yet shares ancestors with them, it has to be asked for by its
        branch: a database at the other end of a fork is none that is merely behind. ``heads`` asks
        for each branch.

        :param word: what was typed, ``LABEL@head`` for instance.
        """
        by_branch = "@" in word or word == "heads"
        reached = self.ancestors(current)
        for name in wanted:
            way = self.ancestors([name])
            is_on_the_way = name in reached or way.intersection(current)
            if not is_on_the_way and way & reached and not by_branch:
                return False
        return True

    def after_upgrade(self, current: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
        """What the version table holds after an upgrade from the current revisions."""
        there = self.ancestors([*current, *wanted])
        inner = {parent for name in there for parent in self.parents[name]}
        return tuple(sorted(there - inner))

    def unknown(self, current: Iterable[str]) -> tuple[str, ...]:
        """The ids that the scripts do not have, in the order given.

        A version table must hold full ids, so a prefix counts as unknown.
        """
        return tuple(name for name in current if name not in self.revisions)

    def resolve(self, target: str, current: Sequence[str] = ()) -> tuple[str, ...]:
        """The revision ids that a target means; () is the base, before the first revision.

        :param target: ``head``, ``heads``, ``base``, an id, the unique beginning of an id or
            label of at least four characters, a label (the revision that it is written on),
            ``LABEL@head``, ``LABEL@heads``, ``LABEL@REVISION``, and with a count of steps
            ``REVISION+2``, ``REVISION-1``, ``LABEL@REVISION+1``, ``+1``, ``-1``, ``LABEL@+1``.
        :param current: what the version table holds; ``+1`` and ``-1`` start there.
        :raises SeveralHeads: one head is meant and there are several.
        :raises UnknownRevision: nothing of that name.
        :raises AmbiguousRevision: several of that name, or several ways to step.
        :raises BadTarget: more steps than there are revisions.
        """
        return revision_targets.resolve(self, target, self._known(current))

    def pending(self, current: Sequence[str] = (), target: str = "head") -> tuple[Revision, ...]:
        """What an upgrade to the target would run, in Alembic's order.

        () where the target is reached already, or lies below.

        :param current: what the version table holds, () for an empty database.
        :param target: as for ``resolve``.
        :raises UnknownRevision: the scripts do not have a current revision, or the target.
        :raises OverlappingRevisions: one current revision contains another.
        :raises HistoryError: as ``resolve``.
        """
        current = self._known(current)
        self._check_overlap(current)
        wanted = revision_targets.upgrade_target(self, target, current)
        contained = self._contained(wanted)
        if contained:
            raise BadTarget(f"{target!r} means {contained[0]} and also {contained[1]} below it.")
        return self.between(current, wanted)

    def between(self, current: Sequence[str], wanted: Sequence[str]) -> tuple[Revision, ...]:
        """As ``pending``, for revisions that a target was resolved to before."""
        current, wanted = self._known(current), self._known(wanted)
        self._check_overlap(current)
        todo = reach(wanted, self.parents) - reach(current, self.parents)
        return self._ordered(todo, wanted)[::-1]

    def reverting(self, current: Sequence[str], to: str) -> tuple[Revision, ...]:
        """What a downgrade would undo, in Alembic's order, newest first.

        Differs from Alembic in one case: ``-1`` from several current revisions takes whichever
        row the database happens to give first, with a warning, and is refused here.

        :param current: what the version table holds.
        :param to: ``base``, ``-1``, ``LABEL@base``, ``LABEL@-1``, or as for ``resolve``.
        :raises UnknownRevision: the scripts do not have a current revision, or the target.
        :raises BadTarget: the target is not below the current revisions.
        :raises HistoryError: as ``resolve``.
        """
        current = self._known(current)
        roots, target = revision_targets.downgrade_roots(self, to, current)
        todo = reach(roots, self.dependents) & reach(current, self.parents)
        if target is not None and not todo and target not in current:
            held = f"which holds {', '.join(current)}" if current else "which holds none"
            raise BadTarget(f"The revision {target} is not below those of the database, {held}.")
        return self._ordered(todo, current)

    def _known(self, ids: Iterable[str]) -> tuple[str, ...]:
        ids = tuple(dict.fromkeys(ids))
        for name in self.unknown(ids):
            raise LostRevision(name, revision_targets.nearest(self, name))
        return ids

    def _contained(self, ids: Sequence[str]) -> tuple[str, str] | None:
        """Two of the ids, of which the first has the second among its ancestors; or None."""
        if len(ids) < 2:
            return None
        below = reach((parent for name in ids for parent in self.parents[name]), self.parents)
        for inner in sorted(below.intersection(ids)):
            above = reach(self.dependents[inner], self.dependents)
            return next(name for name in ids if name in above), inner
        return None

    def _check_overlap(self, current: Sequence[str]) -> None:
        contained = self._contained(current)
        if contained:
            raise OverlappingRevisions(*contained)

    def _ordered(self, todo: set[str], tips: Sequence[str]) -> tuple[Revision, ...]:
        if len(tips) > 1:
            index_of = {name: number for number, name in enumerate(self.revisions)}
            tips = sorted(tips, key=index_of.__getitem__)
        names = newest_first(todo, tips, self.walked, self.sorted)
        return tuple(self.revisions[name] for name in names)
