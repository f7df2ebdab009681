"""The revisions of another commit, read from the contents of its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from migrations_ops.revisions.errors import BrokenHistory, ComputedRevision, DuplicateRevision
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import is_script
from migrations_ops.revisions.parser import parse


def read_at(name: str, files: Mapping[str, bytes]) -> dict[str, Revision]:
    """The revisions of these files, which are named as git does it, ``main:versions/a.py``.

    :param name: the commit, as it was typed.
    :raises HistoryError: one cannot be read, or two have one id.
    """
    found: dict[str, Revision] = {}
    for file, source in sorted(files.items()):
        revision = _read(name, file, source)
        if revision is None:
            continue
        if other := found.get(revision.revision):
            raise DuplicateRevision(revision.revision, other.file, revision.file)
        found[revision.revision] = revision
    return found


def read_readable_at(name: str, files: Mapping[str, bytes]) -> dict[str, Revision]:
    """As ``read_at``, of a commit that nobody mends any more: what it cannot tell is left out."""
    found: dict[str, Revision] = {}
    for file, source in files.items():
        try:
            revision = _read(name, file, source)
        except (BrokenHistory, ComputedRevision):
            continue
        if revision is not None:
            found[revision.revision] = revision
    return found


def _read(name: str, file: str, source: bytes) -> Revision | None:
    base = PurePosixPath(file).name
    return parse(source, f"{name}:{file}", base) if is_script(base) else None
