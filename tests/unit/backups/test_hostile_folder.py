"""Whatever somebody puts beside the backups: what would stay stays, and nothing else is touched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrations_ops.backups.naming import BackupNames
from migrations_ops.backups.retention import prune, surplus
from migrations_ops.backups.sidecar import Sidecar, write_sidecar
from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.model.serialisation import to_versioned
from tests.hostile_files import PROD, SIDECAR

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights there")
NEW = "db_20300101_000000"


def store_of(folder: Path, keep: int) -> BackupStore:
    return BackupStore(folder / "backups", PROD, BackupNames("db"), keep)


def fill(store: BackupStore, count: int, *, note: str = "") -> list[Sidecar]:
    store.folder.mkdir(parents=True)
    made = []
    for number in range(count):
        content = b"%d" % number
        sidecar = replace(
            SIDECAR,
            name=f"db_20260101_{number:06}.sqlite3",
            taken=f"2026-01-{number + 1:02}T00:00:00.000Z",
            order=number + 1,
            note=note,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        store.file(sidecar.name).write_bytes(content)
        write_sidecar(store.sidecar(sidecar.name), sidecar)
        made.append(sidecar)
    return made


def put(store: BackupStore, stem: str, sidecar: Sidecar, **more: object) -> None:
    document = to_versioned(sidecar) | more
    (store.folder / f"{stem}.json").write_text(json.dumps(document))


def copied_sidecar(store: BackupStore, of: Sidecar) -> None:
    shutil.copy(store.sidecar(of.name), store.folder / "db_copy.json")
    shutil.copy(store.sidecar(of.name), store.folder / f"{NEW}.json")


def copied_sidecar_of_a_later_time(store: BackupStore, of: Sidecar) -> None:
    put(store, NEW, of, taken="2031-01-01T00:00:00.000Z", order=10**13)


def sidecar_of_a_path(store: BackupStore, of: Sidecar) -> None:
    victim = store.folder.parent / "victim"
    for number, name in enumerate(("../victim", str(victim), f"../backups/{of.name}", "")):
        put(store, f"{NEW}_{number + 2}", of, name=name, order=10**13)


def copied_pair_of_the_old_name(store: BackupStore, of: Sidecar) -> None:
    copied_sidecar(store, of)
    shutil.copy(store.file(of.name), store.file(f"{NEW}.sqlite3"))


def linked_file(store: BackupStore, of: Sidecar) -> None:
    store.file(f"{NEW}.sqlite3").symlink_to(of.name)
    put(store, NEW, of, name=f"{NEW}.sqlite3", order=10**13)


def linked_victim(store: BackupStore, of: Sidecar) -> None:
    store.file("db_20200101_000000.sqlite3").symlink_to(store.folder.parent / "victim")
    put(store, "db_20200101_000000", of, name="db_20200101_000000.sqlite3", order=1)


def several_names(store: BackupStore, of: Sidecar) -> None:
    for number in (2, 3):
        name = f"{NEW}_{number}.sqlite3"
        os.link(store.file(of.name), store.file(name))
        put(store, f"{NEW}_{number}", of, name=name, order=10**13 + number)


def folder_and_fifo(store: BackupStore, of: Sidecar) -> None:
    store.file(f"{NEW}.sqlite3").mkdir()
    put(store, NEW, of, name=f"{NEW}.sqlite3", order=10**13)
    os.mkfifo(store.folder / f"{NEW}_2.json")
    os.mkfifo(store.file(f"{NEW}_3.sqlite3"))
    put(store, f"{NEW}_3", of, name=f"{NEW}_3.sqlite3", order=10**13)


def another_ending(store: BackupStore, of: Sidecar) -> None:
    shutil.copy(store.file(of.name), store.file(of.name).with_suffix(".dump"))


HARM: list[Callable[[BackupStore, Sidecar], None]] = [
    copied_sidecar,
    copied_sidecar_of_a_later_time,
    sidecar_of_a_path,
    copied_pair_of_the_old_name,
    linked_file,
    linked_victim,
    several_names,
    folder_and_fifo,
    another_ending,
]


def contents(store: BackupStore) -> set[bytes]:
    return {Path(each.file).read_bytes() for each in store.backups()}


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 4),
    keep=st.integers(1, 3),
    of=st.integers(0, 3),
    harm=st.sampled_from(HARM),
    linked=st.booleans(),
)
def test_what_would_stay_stays_whatever_lies_beside_it(
    count: int, keep: int, of: int, harm: Callable[[BackupStore, Sidecar], None], linked: bool
) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "victim").write_bytes(b"theirs")
        store = store_of(folder / "real" if linked else folder, keep)
        sidecars = fill(store, count)
        if linked:
            # The folder of backups may be a link, on another disk for instance.
            (folder / "backups").symlink_to(folder / "real/backups")
            (folder / "real/victim").write_bytes(b"theirs")
            store = store_of(folder, keep)
        expected = {Path(store.file(each.name)).read_bytes() for each in sidecars[-keep:]}
        harm(store, sidecars[of % count])
        before = {each.name for each in store.folder.iterdir()}
        gone = {each.name for each in prune(store, BackupUses())}
        after = {each.name for each in store.folder.iterdir()}
        assert expected <= contents(store)
        assert before - after == gone | {store.sidecar(name).name for name in gone}
        assert (folder / "victim").read_bytes() == b"theirs"
        # All that looks like a backup is one, or is named.
        named = {name for name, _ in [*store.strays(), *store.stray_sidecars()]}
        known = {each.name for each in store.backups()}
        for name in after - known - named:
            assert not name.endswith(".sqlite3") or not (store.folder / name).is_file()


def test_a_folder_that_is_exchanged_between_choice_and_removal_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive holds copies of all backups: the same names, and the same sidecars."""
    store = store_of(tmp_path, 1)
    fill(store, 3)
    shutil.copytree(store.folder, tmp_path / "archive")
    before = sorted(os.listdir(store.folder))

    def exchange(*arguments: object, **more: object) -> object:
        chosen = surplus(*arguments, **more)  # type: ignore[arg-type]
        store.folder.rename(tmp_path / "aside")
        store.folder.symlink_to(tmp_path / "archive")
        return chosen

    monkeypatch.setattr("migrations_ops.backups.retention.surplus", exchange)
    with pytest.raises(Exception, match="another folder has taken the place"):
        prune(store, BackupUses())
    for folder in ("archive", "aside"):
        assert sorted(os.listdir(tmp_path / folder)) == before


def test_a_sidecar_that_changed_since_it_was_listed_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path, 1)
    first, _ = fill(store, 2)

    def change(*arguments: object, **more: object) -> object:
        chosen = surplus(*arguments, **more)  # type: ignore[arg-type]
        put(store, Path(first.name).stem, first, sha256="1" * 64)
        return chosen

    monkeypatch.setattr("migrations_ops.backups.retention.surplus", change)
    with pytest.raises(Exception, match="no longer the backup"):
        prune(store, BackupUses())
    assert store.file(first.name).exists()
