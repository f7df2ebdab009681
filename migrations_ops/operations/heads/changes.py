"""The files that a rewrite changes: what they hold before and after, and how that is written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.model.errors import Refused
from migrations_ops.model.text import os_error_in_words
from migrations_ops.operations.heads.decision import Rewrite
from migrations_ops.revisions.history import History
from migrations_ops.revisions.numbered import new_names
from migrations_ops.revisions.rewriting import with_parents
from migrations_ops.system.files import rewrite
from migrations_ops.system.reading import read_bytes


@dataclass(frozen=True)
class FileChange:
    """One script, and what becomes of it; ``to`` is another path where it gets another name."""

    file: Path
    to: Path
    before: bytes
    after: bytes


def list_changes(history: History, rewriting: Rewrite) -> tuple[FileChange, ...]:
    """:raises HistoryError: a script is not written in a way that can be changed safely.
    :raises OSError: one cannot be read.
    """
    names, found = new_names(history, rewriting.moved, rewriting.after), []
    for name in rewriting.moved:
        revision = history.revisions[name]
        file, before = revision.path, read_bytes(revision.file)
        parents = rewriting.parents.get(name)
        after = before if parents is None else with_parents(before, revision, parents)
        to = file.with_name(names.get(name, file.name))
        if to != file or after != before:
            found.append(FileChange(file, to, before, after))
    return tuple(found)


def write_changes(changes: Iterable[FileChange]) -> None:
    """Write each file whole, or not at all; the last first, whose new name is free by then.

    :raises Refused: a file was changed meanwhile, cannot be written, or its new name is taken.
    """
    for change in reversed([*changes]):
        try:
            if read_bytes(change.file) != change.before:
                raise _refused(change.file, "it was changed meanwhile")
            if change.to != change.file and os.path.lexists(change.to):
                raise _refused(change.file, f"there is {change.to} already")
            if change.after != change.before:
                rewrite(change.file, change.after)
            if change.to != change.file:
                os.rename(change.file, change.to)
        except OSError as error:
            raise _refused(change.file, os_error_in_words(error)) from None


def _refused(file: Path, why: str) -> Refused:
    return Refused(
        f"{file} cannot be rewritten: {why}.",
        untouched="It is as it was.",
        next="Fix that, and type: invoke heads --fix",
    )
