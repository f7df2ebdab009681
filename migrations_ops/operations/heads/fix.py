"""Makes one head of several: shows what would be written first, then writes it."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.errors import Refused
from migrations_ops.operations.heads.changes import FileChange, list_changes, write_changes
from migrations_ops.operations.heads.check import read_base
from migrations_ops.operations.heads.decision import Fork, Merge, Rewrite, Undecided, decide
from migrations_ops.operations.heads.ran import find_where_ran
from migrations_ops.operations.manual.new_revision import create_merge, merge_message
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.branches import Branch, require_after_base, split_heads
from migrations_ops.revisions.history import History
from migrations_ops.system.git import GitError, Repository


@dataclass(frozen=True)
class Fix:
    """What makes one head of several, and has not been written yet.

    ``changes`` are the files that a rewrite changes; ``unknown`` the environments that could not be
    asked what ran there.
    """

    environment: Environment
    history: History
    decided: Rewrite | Merge
    changes: tuple[FileChange, ...]
    unknown: tuple[str, ...]

    @property
    def message(self) -> str:
        """The message of the revision that merges."""
        assert isinstance(self.decided, Merge)
        return merge_message([self.history.revisions[name] for name in self.decided.heads])


def plan_fix(project: Project, environment: Environment, base: str | None) -> Fix | None:
    """What would make one head of the scripts; None where there is one.

    :param base: the branch whose revisions come first; None finds it.
    :raises OpsError: it cannot be told, or a script cannot be changed.
    """
    history = project.read_sources(environment)
    heads = split_heads(history, environment.target)
    if not heads:
        if base is not None:
            branch = Branch(history.revisions, read_base(project, environment, base))
            require_after_base(branch, environment.target, environment.name)
        return None
    own = _own(project, environment, history, base)
    ran = find_where_ran(project, environment, history)
    fork = Fork(history, heads, own, ran.where, ran.unknown)
    decided = decide(fork)
    if isinstance(decided, Undecided):
        raise Refused(
            f"Which of {' and '.join(heads)} comes first? {decided.why[0].upper()}"
            f"{decided.why[1:]}.",
            untouched="Nothing was written.",
            next="Name the branch that the others are on: invoke heads --fix --base origin/main;"
            " or, to merge them: invoke revision --merge",
        )
    changes = list_changes(history, decided) if isinstance(decided, Rewrite) else ()
    return Fix(environment, history, decided, changes, ran.unknown)


def write_fix(project: Project, fix: Fix, reporter: Reporter) -> None:
    """Write what was shown.

    :raises OpsError: it cannot be written.
    """
    if isinstance(fix.decided, Rewrite):
        write_changes(fix.changes)
        return
    finished, _ = create_merge(project, fix.environment, fix.decided.heads, fix.message, reporter)
    if finished.error is not None:
        raise finished.error


def _own(
    project: Project, environment: Environment, history: History, base: str | None
) -> frozenset[str] | None:
    """The revisions that this branch adds; None where no base is given, and git names none."""
    if base is None:
        try:
            base = Repository.around(project.settings.root).default_branch()
        except GitError:
            return None
        if base is None:
            return None
    return Branch(history.revisions, read_base(project, environment, base)).own
