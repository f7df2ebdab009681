"""Each kind of file that the tool reads, and what may lie in its place: for tests and fuzzing."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrations_ops.backups.naming import BackupNames
from migrations_ops.backups.retention import surplus
from migrations_ops.backups.sidecar import Sidecar
from migrations_ops.backups.store import BackupStore
from migrations_ops.child.protocol import ledger as child_ledger
from migrations_ops.databases.ledger import extended, ledger_of
from migrations_ops.databases.sqlite.lock import holder_of
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.journal.evidence import Evidence
from migrations_ops.journal.old_records import prune_records
from migrations_ops.journal.record import record_document, walk_records
from migrations_ops.journal.unfinished import Unfinished, find_unfinished, sweep
from migrations_ops.model.errors import OpsError
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.ledger import LedgerEntry
from migrations_ops.model.serialisation import to_versioned
from migrations_ops.project.config_file import environment_names
from migrations_ops.project.environments import Environment, UrlFromFile
from migrations_ops.project.settings import read as read_settings
from migrations_ops.project.urls import resolve_url
from migrations_ops.revisions.cache import _head, identity
from migrations_ops.revisions.env_py import setting_for
from migrations_ops.revisions.loader import ScriptLocation, digest, find_scripts, read_history
from migrations_ops.revisions.source import find_syntax_error, has_downgrade, list_operations
from migrations_ops.system.provenance import git_commit
from tests.records import task_record

# Nobody reads more: a message must not quote all of a file.
_LONGEST_MESSAGE = 20_000
STEM, ID = "db_20260101_000000", "20260101_000000"
PROD = Environment("prod", "sqlite:///prod.db", Path())
SIDECAR = Sidecar(
    name=f"{STEM}.sqlite3",
    environment="prod",
    taken="2026-01-01T00:00:00.000Z",
    size=2,
    sha256="0" * 64,
    fingerprint=Fingerprint(("a",), {"table t": "t"}, {"t": 1}, {"t": "x"}),
    source={"size": 2, "file": "x"},
    order=1_767_225_600_000,
)
_RUN = {
    "event": "begun", "environment": "prod", "version_table": "alembic_version", "invalid": [1],
    "built": [{"table": 1, "index": "i"}], "direction": "upgrade", "git_commit": "0" * 40,
    "revisions": [{"revision": "a", "source_hash": "0", "code_hash": "1", "started": "2026"}],
}  # fmt: skip
REVISION = b'''"""First"""
from alembic import op
revision = "a"
down_revision = None

def upgrade():
    op.execute("SELECT 1")

def downgrade():
    op.drop_table("t")
'''
_INI = b"[alembic]\nscript_location = alembic\nversion_locations = alembic/versions\n"
_PYPROJECT = b"""[tool.migrations_ops]
keep = 3
[tool.migrations_ops.environments.prod]
url = { file = "url.json", key = "a.b" }
variables = { A = "{url}" }
"""


@dataclass(frozen=True)
class Kind:
    """One kind of file: where it lies, what is in it, and what reads it.

    ``wrap`` makes a file of a content where a checksum would refuse any other.
    """

    name: str
    file: str
    good: bytes
    read: Callable[[Path], Any]
    wrap: Callable[[bytes], bytes] = bytes

    def prepare(self, folder: Path) -> Path:
        """Make what is needed beside the file, and return its path."""
        (folder / "backups").mkdir(exist_ok=True)
        (folder / "backups" / SIDECAR.name).write_bytes(b"xy")
        (folder / "alembic/versions").mkdir(parents=True, exist_ok=True)
        (folder / "alembic/versions/a.py").write_bytes(REVISION)
        (folder / "releases/.unfinished").mkdir(parents=True, exist_ok=True)
        (folder / "releases/.unfinished" / ID).touch()
        (folder / ".git").mkdir(exist_ok=True)
        (folder / ".git/HEAD").write_text("ref: refs/heads/main\n")
        file = folder / self.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        return file


def store_in(folder: Path) -> BackupStore:
    return BackupStore(folder / "backups", PROD, BackupNames("db"), 1)


def _backups(folder: Path) -> None:
    store = store_in(folder)
    json.dumps([to_versioned(each) for each in store.sidecars()], allow_nan=False)
    store.way_back()
    assert isinstance([*store.strays(), *store.stray_sidecars()], list)
    surplus(store, BackupUses())


def _records(folder: Path) -> None:
    releases = folder / "releases"
    for record in walk_records(releases):
        str(Unfinished(record))
    find_unfinished(releases)
    BackupUses.read(releases)
    prune_records(releases, folder / "backups")


def _marks(folder: Path) -> None:
    find_unfinished(folder / "releases")
    sweep(folder / "releases")


def _evidence(folder: Path) -> None:
    evidence = Evidence(folder / "releases")
    evidence.passed(PROD), evidence.unverified(PROD), evidence.find_obstacle()


def _revisions(folder: Path) -> None:
    history = read_history(ScriptLocation((folder / "alembic/versions",)))
    for each in history.revisions.values():
        digest(each), find_syntax_error(each), has_downgrade(each), list_operations(each.path)


def _cached(folder: Path) -> None:
    read_history(ScriptLocation((folder / "alembic/versions",)), folder / "cache.json")


def _cache_of(body: bytes) -> bytes:
    return _head(body) + body + b"}"


def _settings(folder: Path) -> None:
    environment_names(folder)
    read_settings(folder)


def _scripts(folder: Path) -> None:
    find_scripts(Path("alembic.ini"), directory=folder, find_package=lambda _: None)


def _toml_scripts(folder: Path) -> None:
    find_scripts(Path("pyproject.toml"), directory=folder, find_package=lambda _: None)


def _url(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        resolve_url(UrlFromFile(folder / name, "a.b"), PROD, folder)

    return read


def _ledger(folder: Path) -> None:
    text = (folder / "ledger").read_bytes().decode("utf-8", "replace")
    ledger_of(text, "alembic_version")
    runs = child_ledger.of_table(child_ledger.from_text(text), "alembic_version")
    child_ledger.environment_in(runs), child_ledger.revisions_begun(runs)
    child_ledger.recorded_as_there(runs)
    extended(runs, LedgerEntry("prod", "alembic_version", {"event": "upgrade"}))


def _document(value: Any) -> bytes:
    return json.dumps(value).encode()


_HOLDER = {"purpose": "release", "user": "u", "host": "h", "process": 1, "since": "2026"}
_OPEN = task_record(ID, None, [SIDECAR.name], [("upgrade", "prod", "failed")], committed=("prod",))
_PASSED = {"version": 1, "environments": {"prod": {"passed": {"a": "0"}, "unverified": ["b"]}}}

KINDS = [
    Kind("sidecar", f"backups/{STEM}.json", _document(to_versioned(SIDECAR)), _backups),
    Kind("record", f"releases/{ID}/release.json", _document(record_document(_OPEN)), _records),
    Kind("mark", f"releases/.unfinished/{ID}", b"", _marks),
    Kind("evidence", "releases/evidence.json", _document(_PASSED), _evidence),
    Kind("holder", "holder", _document(_HOLDER), lambda folder: holder_of(folder / "holder")),
    Kind("revision", "alembic/versions/a.py", REVISION, _revisions),
    Kind("cache", "cache.json", b'{"x": {"a.py": [1, 1, 1, 1, "a", "", "", "", "m"]}}', _cached,
         _cache_of),
    Kind("pyproject", "pyproject.toml", _PYPROJECT, _settings),
    Kind("own toml", "migrations_ops.toml", b'[environments.prod]\nurl = "sqlite:///a.db"\n',
         _settings),
    Kind("ini", "alembic.ini", _INI, _scripts),
    Kind("toml of alembic", "pyproject.toml", b'[tool.alembic]\nscript_location = "alembic"\n',
         _toml_scripts),
    Kind("json url", "url.json", b'{"a": {"b": "sqlite:///a.db"}}', _url("url.json")),
    Kind("toml url", "url.toml", b'[a]\nb = "sqlite:///a.db"\n', _url("url.toml")),
    Kind("ini url", "url.ini", b"[a]\nb = sqlite:///%(here)s/a.db\n", _url("url.ini")),
    Kind("env url", "url.env", b"export a.b='postgresql://u:p@[::1]:5432/d'\n", _url("url.env")),
    Kind("git head", ".git/HEAD", b"ref: refs/heads/main\n", git_commit),
    Kind("git refs", ".git/packed-refs", b"0" * 40 + b" refs/heads/main\n", git_commit),
    Kind("env.py", "alembic/env.py", b'import os\nurl = os.environ["DB_URL"]\n',
         lambda folder: setting_for(folder / "alembic/env.py")),
    Kind("ledger", "ledger", child_ledger.to_text([_RUN]).encode(), _ledger),
]  # fmt: skip


def entry_of(folder: Path) -> bytes:
    """What a cache remembers of the revision of :meth:`Kind.prepare`, under another message."""
    versions = Path(os.path.realpath(folder / "alembic/versions"))
    seen = identity(os.stat(versions / "a.py"))
    return _document({str(versions): {"a.py": [*seen, "a", "", "", "", "remembered"]}})


# -- what lies in its place -------------------------------------------------------------------

CONTENTS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda good: b"",
    "the first half": lambda good: good[: len(good) // 2],
    "no UTF-8": lambda good: b"\xff\xfe" + good,
    "a BOM": lambda good: b"\xef\xbb\xbf" + good,
    "null characters": lambda good: b"\0" * 1000 + good,
    "lists without end": lambda good: b"[" * 100_000,
    "objects without end": lambda good: b'{"version":' * 50_000,
    "TOML without end": lambda good: b"a = " + b"[" * 50_000,
    "brackets without end": lambda good: b"x = " + b"(" * 5_000 + b"\n" + b"-" * 100_000 + b"1\n",
    "a sum without end": lambda good: good + b"\nx = " + b"-" * 100_000 + b"1\n",
    "a number too large": lambda good: b'{"version": 1, "environments": 1e999, "size": 1e999}',
    "no number": lambda good: b'{"version": NaN, "size": -Infinity}',
    "a number too long": lambda good: b'{"version": 1, "size": ' + b"9" * 10_000 + b"}",
    "half a surrogate pair": lambda good: b'{"a": {"b": "sqlite:///\\ud800.db"}, "version": 1}',
    "a name too long": lambda good: good.replace(b"2026", b"2" * 5_000).replace(b"a", b"a" * 500),
    "null in a list": lambda good: good.replace(b'["', b'[null, "').replace(b"[1", b"[null"),
    "a list": lambda good: b"[]",
    "a text": lambda good: b'"x"',
}


def _fifo(file: Path) -> None:
    os.mkfifo(file)


def _socket(file: Path) -> None:
    with _inside(file.parent), socket.socket(socket.AF_UNIX) as bound:
        bound.bind(file.name)  # a path of more than 108 characters is none


def _sparse(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(500_000_000)


def _loop(file: Path) -> None:
    file.symlink_to(file.name)


def _device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def _nowhere(file: Path) -> None:
    file.symlink_to("nowhere")


PLACES: dict[str, Callable[[Path], None]] = {
    "a FIFO": _fifo,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a link to a device": _device,
    "a link to itself": _loop,
    "a link to nowhere": _nowhere,
    "500 MB": _sparse,
}


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def read_all(kind: Kind, folder: Path) -> None:
    """Read a file; only our own errors may come of it, which have all of their parts."""
    try:
        kind.read(folder)
    except OpsError as error:
        if not error.what or len(error.what) > _LONGEST_MESSAGE:
            raise AssertionError(f"that is no message: {error.what[:1000]}") from error
