"""The revision scripts of a project, read from their sources in milliseconds.

Neither Alembic nor SQLAlchemy is imported and no code of the project runs. Scripts that tell who
they are only when they run raise ComputedRevision: then Alembic has to be asked, in a child.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from migrations_ops.model.text import advice_on_os_error
from migrations_ops.revisions.cache import Cache, Identity, identity
from migrations_ops.revisions.errors import ComputedRevision, UnreadableScript
from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.location import ScriptLocation, find_scripts
from migrations_ops.system.reading import read_bytes

__all__ = [
    "ComputedRevision",
    "ScriptLocation",
    "digest",
    "find_scripts",
    "is_unedited",
    "read_history",
    "source_hash",
]

_SOURCE = (".py",)
_COMPILED = (".pyc", ".pyo")
_IGNORED = (".#", "__init__")
_PYCACHE = "__pycache__"


class _Script(NamedTuple):
    name: str
    file: str
    identity: Identity


def read_history(location: ScriptLocation, cache: Path | None = None) -> History:
    """The history that the scripts at a location form.

    :param location: see ``find_scripts``.
    :param cache: the file that caches unchanged scripts; it is created, with its folder, if it
        is missing, and an unusable one is ignored.
    :raises UnreadableScript: a script that Python or Alembic would not load.
    :raises ComputedRevision: a script that has to run to tell who it is.
    :raises BrokenHistory: the scripts contradict each other.
    """
    remembered = Cache(cache)
    history = History.of(_revisions(location, remembered))
    remembered.save()
    return history


def source_hash(path: str | Path) -> str:
    """The SHA-256 of a script, in hexadecimal.

    Line endings count as one, so that a checkout on Windows hashes equal; compiled scripts are
    taken byte for byte.

    :raises OSError: the file cannot be read.
    """
    from hashlib import sha256

    source = read_bytes(path)
    if not os.fspath(path).endswith(_COMPILED):
        source = source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return sha256(source).hexdigest()


def digest(revision: Revision) -> str:
    """What distinguishes the versions of a revision's script: the hash of the file and, after a
    space, that of its code.

    Empty for a revision that only the configuration names, since no one can edit that.
    """
    if not revision.file:
        return ""
    return f"{source_hash(revision.path)} {_code_hash(revision.file)}".rstrip()


def is_unedited(revision: Revision, recorded: str) -> bool:
    """Whether a script does what it did when its digest was recorded: a comment is no edit.

    It is parsed only where the file is another one.
    """
    source, _, code = recorded.partition(" ")
    if not revision.file:
        return not recorded
    return source == source_hash(revision.path) or (
        bool(code) and code == _code_hash(revision.file)
    )


def _code_hash(file: str) -> str:
    from migrations_ops.child.protocol.source import code_hash

    return code_hash(read_bytes(file))


def _revisions(location: ScriptLocation, remembered: Cache) -> Iterator[Revision]:
    seen: set[str] = set()
    for top in location.folders:
        for folder in _folders(os.path.realpath(top), location.recursive):
            remembered.open_folder(folder)
            for script in _scripts(folder, location.sourceless):
                # One file reached twice is one revision, as for Alembic.
                if script.file not in seen:
                    seen.add(script.file)
                    known = remembered.find(script.name, script.identity, script.file)
                    yield known or _parse(script, remembered)


def _parse(script: _Script, remembered: Cache) -> Revision:
    from migrations_ops.revisions.parser import parse

    if script.file.endswith(_COMPILED):
        raise ComputedRevision(script.file)
    try:
        source = read_bytes(script.file)
    except OSError as error:
        raise _unreadable(script.file, error) from None
    revision = parse(source, script.file, os.path.basename(script.file))
    remembered.add(script.name, script.identity, revision)
    return revision


def _folders(top: str, recursive: bool) -> Iterator[str]:
    """The folder and those below it, in Alembic's order; links to folders are not followed."""
    todo = [top]
    while todo:
        folder = todo.pop()
        if not os.path.exists(folder):
            continue
        if not os.path.basename(folder).endswith(_PYCACHE):
            yield folder
        if recursive:
            below = [entry.path for entry in _entries(folder) if _is_folder(entry)]
            todo.extend(sorted(below, reverse=True))


def _scripts(folder: str, sourceless: bool) -> Iterator[_Script]:
    """The files of one folder that Alembic would load, by name."""
    files = {entry.name: entry for entry in _entries(folder) if not _is_folder(entry)}
    endings = _SOURCE + _COMPILED if sourceless else _SOURCE
    for name in sorted(files):
        entry = files[name]
        if entry.is_symlink():
            yield from _linked(entry, endings)
        elif name.endswith(endings) and not name.startswith(_IGNORED):
            if name.endswith(_COMPILED) and _has_better(name, files):
                continue
            yield _Script(name, entry.path, _identity(entry))
    if sourceless:
        yield from _compiled(os.path.join(folder, _PYCACHE), {n.split(".")[0] for n in files})


def is_script(name: str) -> bool:
    """Whether Alembic loads a source file of this name."""
    return name.endswith(_SOURCE) and not name.startswith(_IGNORED)


def _linked(entry: os.DirEntry[str], endings: tuple[str, ...]) -> Iterator[_Script]:
    """A link counts as the file that it leads to, the name of which decides."""
    file = os.path.realpath(entry.path)
    name = os.path.basename(file)
    if name.endswith(endings) and not name.startswith(_IGNORED) and not os.path.isdir(file):
        yield _Script(entry.name, file, _identity(entry))


def _has_better(compiled: str, names: dict[str, os.DirEntry[str]]) -> bool:
    """Whether Alembic prefers another file: the source, and for .pyo the .pyc."""
    source = compiled[:-1]
    return source in names or (compiled.endswith("o") and source + "c" in names)


def _compiled(folder: str, with_source: set[str]) -> Iterator[_Script]:
    """The compiled scripts whose source is not beside the folder."""
    if not os.path.isdir(folder):
        return
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        name = entry.name
        wanted = name.endswith(_COMPILED) and not name.startswith(_IGNORED)
        if wanted and name.split(".")[0] not in with_source:
            yield _Script(name, entry.path, _identity(entry))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """The entries of a folder; Alembic would treat an unreadable folder as empty."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise _unreadable(folder, error) from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _identity(entry: os.DirEntry[str]) -> Identity:
    try:
        # Windows answers entry.stat() from the folder, without inode and sometimes out of date.
        return identity(os.stat(entry.path) if os.name == "nt" else entry.stat())
    except OSError as error:
        raise _unreadable(entry.path, error) from None


def _unreadable(file: str, error: OSError) -> UnreadableScript:
    return UnreadableScript(
        f"{file} cannot be read: {error.strerror or error}.",
        next=advice_on_os_error(error),
    )
