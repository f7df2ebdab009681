"""The files that a rewrite changes: what they hold before and after, and how that is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.model.errors import Refused
from migrations_ops.model.text import os_error_in_words
from migrations_ops.operations.heads.decision import Rewrite
from migrations_ops.revisions.history import History
from migrations_ops.revisions.numbered import new_names
from migrations_ops.revisions.rewriting import with_parents
from migrations_ops.system.file_set import Change, write_all
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


def write_changes(changes: Sequence[FileChange]) -> None:
    """Write all files, or none; then those that get another name get it, the last first: what has
    that name by then is moved away itself.

    :raises Refused: a file was changed meanwhile, cannot be written, or its new name is taken.
    """
    moving = [each for each in reversed(changes) if each.to != each.file]
    files = {each.file for each in moving}
    for each in moving:
        if os.path.lexists(each.to) and each.to not in files:
            raise _refused(f"there is {each.to} already", "No file was changed.")
    try:
        write_all([Change(each.file, each.before, each.after) for each in changes])
    except OSError as error:
        raise _refused(os_error_in_words(error), "No file was changed.") from None
    try:
        for each in moving:
            os.rename(each.file, each.to)
    except OSError as error:
        raise _refused(
            os_error_in_words(error), "What they hold was written; not all have their new names."
        ) from None


def _refused(why: str, untouched: str) -> Refused:
    return Refused(
        f"The revisions cannot be rewritten: {why}.",
        untouched=untouched,
        next="Fix that, and type: invoke heads --fix",
    )
