"""Whatever lies in the place of a file that is read: it is left alone, nothing hangs, and no error
comes of it but one of our own."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrations_ops.child.protocol.ledger import to_text
from migrations_ops.databases.ledger import ledger_of
from migrations_ops.journal.ids import ids_in
from migrations_ops.journal.record import RECORD, TaskRecord, read_records
from migrations_ops.model.ledger import Ledger
from migrations_ops.model.serialisation import to_versioned
from migrations_ops.revisions.loader import ScriptLocation, read_history
from tests.hostile_files import (
    CONTENTS,
    ID,
    KINDS,
    PLACES,
    SIDECAR,
    STEM,
    Kind,
    entry_of,
    read_all,
    store_in,
)
from tests.unit.mutations import JSON, mutated

OF_JSON = [kind for kind in KINDS if kind.good[:1] == b"{"]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files in a folder")


@every_kind
def test_a_file_of_each_kind_is_read(kind: Kind, tmp_path: Path) -> None:
    kind.prepare(tmp_path).write_bytes(kind.wrap(kind.good))
    kind.read(tmp_path)


@pytest.mark.parametrize("content", CONTENTS)
@every_kind
def test_a_content_that_nobody_understands_is_left_alone(
    kind: Kind, content: str, tmp_path: Path
) -> None:
    file, written = kind.prepare(tmp_path), kind.wrap(CONTENTS[content](kind.good))
    file.write_bytes(written)
    read_all(kind, tmp_path)
    if kind.name == "mark" and not written:
        return  # it is one: that of a task without a record
    # A cache is written anew.
    assert kind.name == "cache" or file.read_bytes() == written


@POSIX
@pytest.mark.parametrize("place", PLACES)
@every_kind
def test_what_is_no_regular_file_is_neither_waited_for_nor_touched(
    kind: Kind, place: str, tmp_path: Path
) -> None:
    if kind.name == "ledger":
        return  # it lies in a database
    file = kind.prepare(tmp_path)
    PLACES[place](file)
    before = file.lstat()
    read_all(kind, tmp_path)
    # A cache is written anew, but only over a regular file.
    assert (kind.name, place) == ("cache", "500 MB") or os.path.samestat(file.lstat(), before)


@pytest.mark.parametrize("kind", OF_JSON, ids=[kind.name for kind in OF_JSON])
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_document_of_other_values_is_no_error(
    kind: Kind, tmp_path: Path, data: st.DataObject
) -> None:
    document = data.draw(JSON | mutated(json.loads(kind.good)))
    file = kind.prepare(tmp_path)
    file.write_bytes(kind.wrap(json.dumps(document).encode()))
    read_all(kind, tmp_path)


@every_kind
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_bytes_that_were_changed_are_no_error(
    kind: Kind, tmp_path: Path, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(kind.good)))
    until = data.draw(st.integers(at, min(at + 9, len(kind.good))))
    content = kind.good[:at] + data.draw(st.binary(max_size=8)) + kind.good[until:]
    kind.prepare(tmp_path).write_bytes(kind.wrap(content))
    read_all(kind, tmp_path)


# -- everything else goes on ------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("place", PLACES)
def test_a_backup_beside_a_hostile_sidecar_counts(place: str, tmp_path: Path) -> None:
    file = KINDS[0].prepare(tmp_path)
    PLACES[place](file)
    other = replace(SIDECAR, name=f"{STEM}_2.sqlite3")
    (file.parent / other.name).write_bytes(b"xy")
    (file.parent / f"{STEM}_2.json").write_text(json.dumps(to_versioned(other)))
    store = store_in(tmp_path)
    assert store.sidecars() == [other]
    assert [name for name, _ in store.strays()] == [SIDECAR.name]


@POSIX
@pytest.mark.parametrize("place", PLACES)
def test_a_record_beside_a_hostile_one_is_read(place: str, tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "record")
    PLACES[place](kind.prepare(tmp_path))
    other = tmp_path / "releases" / f"{ID}_2" / RECORD
    other.parent.mkdir()
    other.write_bytes(kind.good)
    found = [each.id for each in read_records(tmp_path / "releases")]
    assert all(isinstance(each, TaskRecord) for each in read_records(tmp_path / "releases"))
    assert found == [f"{ID}_2"]
    assert ids_in(tmp_path / "releases") == [ID, f"{ID}_2"]


@pytest.mark.parametrize("table", ["x", 1e999, None, [], {}, "9" * 5000])
def test_a_ledger_whose_indexes_are_malformed_is_empty(table: Any) -> None:
    run = {"event": "begun", "version_table": "v", "revisions": [{"revision": "a"}]}
    text = to_text([run | {"built": [{"table": table}]}])
    assert ledger_of(text, "v") == Ledger()
    assert ledger_of(to_text([run | {"built": [{"table": 1}]}]), "v").begun == {"a": "upgrade"}


def test_the_entry_of_a_cache_counts_if_it_has_its_form(tmp_path: Path) -> None:
    """So that the tests above do not pass because no cache is ever believed."""
    kind = next(kind for kind in KINDS if kind.name == "cache")
    file = kind.prepare(tmp_path)
    location = ScriptLocation((tmp_path / "alembic/versions",))
    for entry, message in ((entry_of(tmp_path), "remembered"), (b'{"a": []}', "First")):
        file.write_bytes(kind.wrap(entry))
        assert read_history(location, file).revisions["a"].message == message
    broken = json.loads(entry_of(tmp_path))
    for names in broken.values():
        names["a.py"][4] = 5
    file.write_bytes(kind.wrap(json.dumps(broken).encode()))
    assert read_history(location, file).revisions["a"].message == "First"
