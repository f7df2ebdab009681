"""A sidecar is read as it was written; whatever else lies there describes no backup."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from migrations_ops.backups.naming import BackupNames
from migrations_ops.backups.quality import EMPTY, group_of, is_empty, is_good, mark_empty
from migrations_ops.backups.sidecar import LAST, Sidecar, read_sidecar, write_sidecar
from migrations_ops.backups.strays import find_stray_sidecars, find_strays, read_backup
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.serialisation import Unreadable, to_versioned
from tests.unit.mutations import JSON, mutated

STEM = "db_20260101_000000"
FULL = Sidecar(
    name=f"{STEM}.sqlite3",
    environment="prod",
    taken="2026-01-01T00:00:00.000Z",
    size=2,
    sha256="0" * 64,
    fingerprint=Fingerprint(("a",), {"table t": "t"}, {"t": 1}, {"t": "x"}),
    note="mine",
    doubt="half of a is applied in it",
    database="prod.db",
    source={"size": 2, "changed": 3, "file": "x"},
    tools={"migrations_ops": "1"},
)
GOOD = replace(FULL, doubt="")
NOTHING = replace(GOOD, fingerprint=Fingerprint((), {'schema "character set"': "x"}, {}))


def put(folder: Path, document: Any) -> Path:
    file = folder / f"{STEM}.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    (folder / f"{STEM}.sqlite3").write_text("xy")
    return file


@pytest.mark.parametrize("sidecar", [FULL, replace(GOOD, source=None)])
def test_a_sidecar_is_read_as_it_was_written(tmp_path: Path, sidecar: Sidecar) -> None:
    write_sidecar(tmp_path / "a.json", sidecar)
    assert read_sidecar(tmp_path / "a.json") == sidecar


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=JSON | mutated(to_versioned(FULL)))
def test_whatever_a_sidecar_holds_it_is_read_or_its_file_is_a_stray(
    tmp_path: Path, document: Any
) -> None:
    file = put(tmp_path, document)
    sidecar = read_sidecar(file)
    backup = read_backup(file, BackupNames("db"), "prod")
    strays = list(find_strays(tmp_path, BackupNames("db"), "prod"))
    assert isinstance(list(find_stray_sidecars(tmp_path, BackupNames("db"), "prod")), list)
    assert (backup is None) is bool(strays)
    if isinstance(sidecar, Unreadable):
        assert backup is None
        return
    assert is_good(sidecar) is (group_of(sidecar) == "good")
    assert is_empty(sidecar) in (True, False)
    json.dumps(to_versioned(sidecar), allow_nan=False)
    assert backup in (None, sidecar)


@pytest.mark.parametrize("key", ["name", "environment", "taken", "size", "sha256", "fingerprint"])
def test_a_sidecar_without_one_of_its_keys_describes_nothing(tmp_path: Path, key: str) -> None:
    document = to_versioned(FULL)
    del document[key]
    assert isinstance(read_sidecar(put(tmp_path, document)), Unreadable)


@pytest.mark.parametrize("size", [-1, 2**63, 1.5, "2", True])
def test_a_size_that_no_file_has_describes_nothing(tmp_path: Path, size: Any) -> None:
    assert isinstance(read_sidecar(put(tmp_path, to_versioned(FULL) | {"size": size})), Unreadable)


@pytest.mark.parametrize("order", [-1, LAST + 1, 1.5, "1", None])
def test_an_order_that_no_clock_shows_describes_nothing(tmp_path: Path, order: Any) -> None:
    """Whatever comes after it could not be written."""
    document = to_versioned(FULL) | {"order": order}
    assert isinstance(read_sidecar(put(tmp_path, document)), Unreadable)


def test_a_sidecar_of_a_later_version_is_named_and_describes_nothing(tmp_path: Path) -> None:
    file = put(tmp_path, to_versioned(FULL) | {"version": 2})
    assert read_sidecar(file) == Unreadable(file, newer=True)
    [(name, why)] = find_strays(tmp_path, BackupNames("db"), "prod")
    assert (name, why) == (
        FULL.name, f"its sidecar {STEM}.json was written by a newer migrations_ops",
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFO in a folder")
def test_a_fifo_in_the_place_of_a_sidecar_makes_nobody_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{STEM}.json")
    (tmp_path / f"{STEM}.sqlite3").touch()
    assert isinstance(read_sidecar(tmp_path / f"{STEM}.json"), Unreadable)
    [(_, why)] = find_strays(tmp_path, BackupNames("db"), "prod")
    assert why.endswith("cannot be understood")


def test_an_empty_copy_is_in_doubt_only_beside_one_that_is_not() -> None:
    assert mark_empty([NOTHING, NOTHING]) == [NOTHING, NOTHING]
    assert [each.doubt for each in mark_empty([NOTHING, GOOD])] == [EMPTY, ""]
    own = replace(NOTHING, doubt="its ledger says that it is dev")
    assert [each.doubt for each in mark_empty([own, FULL])] == [own.doubt, FULL.doubt]
