"""What can be wrong with a history of revisions, or with a question about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from migrations_ops.model.errors import ExitCode, OpsError
from migrations_ops.model.text import quoted

if TYPE_CHECKING:
    from migrations_ops.revisions.history import Revision

NOTHING_CHANGED = "Nothing was changed."
_SHOWN = 5


class HistoryError(OpsError):
    """The revision scripts, or a question about them, do not make sense."""

    def __init__(self, what: str, *, next: str = "") -> None:
        super().__init__(what, untouched=NOTHING_CHANGED, next=next)


class SeveralHeads(HistoryError):
    """One head was asked for and the scripts have several; ``heads`` holds their ids.

    :param environment: where it was asked for, if for one.
    :param labelled: whether each is of a branch with labels of its own.
    """

    def __init__(
        self,
        asked: str,
        heads: Sequence[tuple[str, str]],
        *,
        environment: str = "",
        labelled: bool = False,
    ) -> None:
        named = listed(f"{head} ({message})" if message else head for head, message in heads)
        join = (
            f'To merge them: invoke alembic --env {environment} --args "merge heads"'
            if labelled
            else "To put one after the other, or to merge them: invoke heads --fix"
        )
        merge = (
            f"{join}; or, to release each of them: invoke release-migration --to heads; or, from"
            f' now on: target = "heads" under environments.{environment} of the configuration'
        )
        super().__init__(
            f"{asked!r} means one revision, and the scripts have {len(heads)} heads: {named}.",
            next=merge if environment else "Name one of them.",
        )
        self.asked = asked
        self.heads = tuple(head for head, _ in heads)
        self._messages, self._labelled = tuple(heads), labelled

    def of(self, environment: str) -> SeveralHeads:
        """The same error for an environment: its advice has commands that need the name."""
        return SeveralHeads(
            self.asked, self._messages, environment=environment, labelled=self._labelled
        )


class UnknownRevision(HistoryError):
    """No script has this revision id, label or prefix; ``candidates`` are near ones."""

    exit_code = ExitCode.USAGE

    def __init__(self, asked: str, candidates: Sequence[str], *, what: str = "") -> None:
        hint = f"Nearest: {listed(candidates)}." if candidates else "Type: invoke history"
        super().__init__(what or f"No script has the revision or label {asked!r}.", next=hint)
        self.revision = asked
        self.candidates = tuple(candidates[:_SHOWN])


class LostRevision(UnknownRevision):
    """A database is at a revision that no script has."""

    exit_code = ExitCode.REFUSED

    def __init__(self, revision: str, candidates: Sequence[str]) -> None:
        super().__init__(revision, candidates, what=f"No script has the revision {revision}.")


class AmbiguousRevision(HistoryError):
    """The words fit several revisions; ``candidates`` holds some of them."""

    exit_code = ExitCode.USAGE

    def __init__(self, asked: str, candidates: Sequence[str], *, what: str = "") -> None:
        super().__init__(
            what or f"{asked!r} fits {len(candidates)} revisions: {listed(candidates)}.",
            next="Give more of the revision id, or LABEL@REVISION.",
        )
        self.revision = asked
        self.candidates = tuple(candidates[:_SHOWN])


class BadTarget(HistoryError):
    """The target exists, or could, but does not lie where the question needs it to."""

    exit_code = ExitCode.USAGE

    def __init__(self, what: str) -> None:
        super().__init__(what, next="Type: invoke history")


class OverlappingRevisions(HistoryError):
    """A database claims a revision beside one that already contains it; Alembic refuses that."""

    def __init__(self, outer: str, inner: str) -> None:
        super().__init__(
            f"The database names both {outer} and {inner}, and {outer} already contains {inner}.",
            next=f"Delete the row {inner} from its version table, then try again.",
        )
        self.outer = outer
        self.inner = inner


class BrokenHistory(HistoryError):
    """The scripts do not form a history: an id twice, a parent that no file has, a cycle."""


class DuplicateRevision(BrokenHistory):
    """Two files carry one revision id."""

    def __init__(self, revision: str, first: str, second: str) -> None:
        super().__init__(
            f"Two files have the revision {revision}: {first} and {second}.",
            next="Remove one of them, or give it an id of its own.",
        )
        self.revision = revision
        self.files = (first, second)


class DuplicateLabel(BrokenHistory):
    """A branch label is used twice, or is a revision id as well."""

    def __init__(self, label: str, first: str, second: str) -> None:
        super().__init__(
            f"The branch label {label!r} of {second} is already taken by {first}.",
            next="Rename one of them.",
        )
        self.label = label


class MissingRevision(BrokenHistory):
    """A ``down_revision`` or ``depends_on`` names a revision that no file has."""

    def __init__(self, revision: str, missing: str, file: str, key: str) -> None:
        super().__init__(
            f"{file} names {missing!r} as {key}, and no file has that revision.",
            next=f"Restore the file of {missing}, or correct {key} in {file}.",
        )
        self.revision = revision
        self.missing = missing


class RevisionCycle(BrokenHistory):
    """Revisions that come before themselves; ``revisions`` walks the circle once."""

    def __init__(self, revisions: Sequence[str]) -> None:
        circle = " -> ".join((*revisions[:_SHOWN], "..." if len(revisions) > _SHOWN else ""))
        super().__init__(
            f"The revisions run in a circle: {circle.removesuffix(' -> ')} -> {revisions[0]}.",
            next="Correct down_revision or depends_on in one of these files.",
        )
        self.revisions = tuple(revisions)


class InsertedRevision(HistoryError):
    """A branch puts a revision before one that its base has, and that ran without it."""

    def __init__(self, inserted: Revision, after: Revision, base: str) -> None:
        super().__init__(
            f"{inserted.revision} of this branch comes before {after.revision}, which {base} has: a"
            " database that has run that one never runs the other.",
            next=f"Put it after the revisions of {base}: change down_revision in {inserted.file},"
            f" and undo the change of {after.revision}.",
        )
        self.revision = inserted.revision


class NotAfterBase(HistoryError):
    """A branch's revisions and those that its base got meanwhile follow the same one.

    :param is_here: whether the base's revision is in this checkout.
    """

    def __init__(self, first: Revision, head: Revision, base: str, *, is_here: bool) -> None:
        fix = f"invoke heads --fix --base {quoted(base)}"
        super().__init__(
            f"{_titled(first)} of this branch does not come after {_titled(head)} of {base}.",
            next=f"Type: {fix}" if is_here else f"Merge {base} into this branch, then type: {fix}",
        )
        self.revision = first.revision


class UnreadableScript(BrokenHistory):
    """A revision script that Python, or Alembic, would not load."""

    def __init__(self, what: str, *, next: str = "Fix the file and try again.") -> None:
        super().__init__(what, next=next)


class ComputedRevision(HistoryError):
    """A revision script says who it is only when it runs; Alembic has to be asked, in a child."""

    def __init__(self, file: str, name: str = "revision") -> None:
        super().__init__(
            f"{file} computes its {name}, which cannot be read without running the script.",
            next=f"Write {name} as plain text in {file}, as Alembic's template does.",
        )
        self.file = file


class BadRevisionId(BrokenHistory):
    """A revision id holds a character that Alembic's targets give a meaning of its own."""

    def __init__(self, revision: str, file: str) -> None:
        super().__init__(
            f"The revision id {revision!r} in {file} holds one of the characters @ - + :",
            next="Rename it: Alembic does not load such a revision.",
        )
        self.revision = revision


def _titled(revision: Revision) -> str:
    return f"{revision.revision} ({revision.title})" if revision.title else revision.revision


def listed(names: Iterable[str]) -> str:
    """The first five names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
