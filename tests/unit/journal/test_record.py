"""A record is read as it was written; whatever else lies there is an unreadable record."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrations_ops.child.protocol import redaction
from migrations_ops.child.protocol.redaction import keep_secret_texts
from migrations_ops.journal.record import (
    RECORD,
    TaskRecord,
    UnderWay,
    read_record,
    record_document,
    walk_records,
    write_record,
)
from migrations_ops.journal.unfinished import find_lost, find_unfinished, sweep
from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import ErrorReport, RevisionRun, StepResult
from migrations_ops.model.serialisation import Unreadable
from tests.records import task_record
from tests.unit.mutations import JSON, mutated

FULL = TaskRecord(
    id="20260101_000000",
    outcome="failed, unchanged",
    environment="prod",
    from_=("a",),
    to=("b", "c"),
    steps=(
        StepResult(
            "upgrade", "prod", ("upgrade", "head"), "2026", 0.5, -9, "failed",
            (RevisionRun("b", 1, 2),),
        ),
    ),
    backups=("db_20260101_000000.sqlite3",),
    findings=(Finding("drift", "warning", "it drifts", "prod"),),
    error=ErrorReport(3, "It failed.", "Nothing was changed.", "Type: invoke status"),
    task="upgrade-prod",
    process=7,
    targets={"dev": ("b",), "prod": ("b", "c")},
    committed=("prod",),
    commands=("dev",),
    closed=("dev",),
)  # fmt: skip
AT_WORK = task_record("20260101_000000", None, under_way=UnderWay("restore", "prod", "2026", "db"))
PLAIN = task_record("20260101_000000")


def put(releases: Path, document: Any) -> Path:
    folder = releases / FULL.id
    folder.mkdir(exist_ok=True)
    (folder / RECORD).write_text(
        json.dumps(document, ensure_ascii=False), encoding="utf-8", errors="backslashreplace"
    )
    return folder


@pytest.mark.parametrize("record", [FULL, AT_WORK, PLAIN], ids=["full", "at work", "plain"])
def test_a_record_is_read_as_it_was_written(tmp_path: Path, record: TaskRecord) -> None:
    write_record(tmp_path, record)
    assert read_record(tmp_path / record.id) == record
    assert list(walk_records(tmp_path)) == [record]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_what_a_link_leads_to_is_no_record(tmp_path: Path) -> None:
    """Files beside a record are removed when it is closed: those there are not ours."""
    releases = tmp_path / "releases"
    write_record(tmp_path / "elsewhere", FULL)
    releases.mkdir()
    (releases / FULL.id).symlink_to(tmp_path / "elsewhere" / FULL.id)
    assert list(walk_records(releases)) == [Unreadable(releases / FULL.id / RECORD)]


def test_a_secret_is_not_in_a_record_and_hides_no_name_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password such as "upgrade" would make a record that nobody can read."""
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    keep_secret_texts(re.findall(r"\w{4,}", json.dumps(record_document(FULL))))
    write_record(tmp_path, FULL)
    text = "***"
    assert read_record(tmp_path / FULL.id) == replace(
        FULL,
        steps=tuple(replace(each, argv=(text, text)) for each in FULL.steps),
        findings=(replace(FULL.findings[0], message=f"it {text}", where=text),),
        error=ErrorReport(3, f"It {text}.", f"{text} was {text}.", f"{text}: {text} {text}"),
    )


def test_a_record_is_known_by_its_folder_whatever_it_calls_itself(tmp_path: Path) -> None:
    record = read_record(put(tmp_path, record_document(FULL) | {"id": "../../other"}))
    assert record == FULL


def test_what_is_not_so_has_no_key() -> None:
    optional = {"error", "under_way", "targets", "committed", "commands", "closed"}
    assert not optional & {*record_document(PLAIN)}
    assert "under_way" in record_document(AT_WORK)
    assert "backup" not in record_document(
        task_record("a", None, under_way=UnderWay("verify", "dev", ""))
    )["under_way"]  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    document=JSON
    | mutated(record_document(FULL))
    | mutated(record_document(AT_WORK))
    | mutated(record_document(PLAIN))
)
def test_whatever_a_record_holds_it_is_read_or_unreadable(tmp_path: Path, document: Any) -> None:
    """What is read can be asked, shown and written; nothing else is taken for a record."""
    folder = put(tmp_path, document)
    record = read_record(folder)
    if isinstance(record, Unreadable):
        assert record.file == folder / RECORD
        return
    assert record.id == folder.name
    assert isinstance(record.where + record.title, str)
    assert record.is_open in (True, False)
    json.dumps(record_document(record), allow_nan=False)
    write_record(tmp_path, record)
    again = read_record(folder)
    assert isinstance(again, TaskRecord)
    assert again.outcome == record.outcome


OPTIONAL = {"id", "error", "targets", "committed", "commands", "closed"}


@pytest.mark.parametrize("key", sorted(record_document(FULL).keys() - OPTIONAL))
def test_a_record_without_one_of_its_keys_was_cut_short(tmp_path: Path, key: str) -> None:
    document = record_document(FULL)
    del document[key]
    assert read_record(put(tmp_path, document)) == Unreadable(tmp_path / FULL.id / RECORD)


@pytest.mark.parametrize("text", ["", "{", "null", "[" * 100_000, '{"version": 1' + "0" * 5000])
def test_what_is_no_document_is_unreadable(tmp_path: Path, text: str) -> None:
    folder = put(tmp_path, None)
    (folder / RECORD).write_text(text)
    assert read_record(folder) == Unreadable(folder / RECORD)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFO in a folder")
def test_a_fifo_in_the_place_of_a_record_makes_nobody_wait(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / RECORD)
    assert read_record(tmp_path / "a") == Unreadable(tmp_path / "a" / RECORD)


@given(version=st.integers(2, 2**70))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_record_of_a_later_version_is_named_and_left_alone(tmp_path: Path, version: int) -> None:
    folder = put(tmp_path, record_document(FULL) | {"version": version, "outcome": "new"})
    content = (folder / RECORD).read_bytes()
    assert read_record(folder) == Unreadable(folder / RECORD, newer=True)
    marks = tmp_path / ".unfinished"
    marks.mkdir(exist_ok=True)
    (marks / folder.name).touch()
    sweep(tmp_path)
    # It may be unfinished: nothing goes on until somebody has seen to it.
    assert find_lost(tmp_path) == [Unreadable(folder / RECORD, newer=True)]
    assert str(find_unfinished(tmp_path)[0]).endswith("was written by a newer migrations_ops.")
    assert (folder / RECORD).read_bytes() == content


@pytest.mark.parametrize("version", [0, -1, 1.5, True, "1", None, []])
def test_a_version_that_never_was_is_unreadable(tmp_path: Path, version: Any) -> None:
    folder = put(tmp_path, record_document(FULL) | {"version": version})
    assert read_record(folder) == Unreadable(folder / RECORD)


@pytest.mark.parametrize(
    ("commands", "closed", "unfinished"),
    [((), (), False), (("prod",), (), True), (("prod",), ("prod",), False), (("dev",), (), False)],
)
def test_commands_are_unfinished_until_they_are_closed(
    commands: tuple[str, ...], closed: tuple[str, ...], unfinished: bool
) -> None:
    record = task_record("a", "interrupted", commands=commands, closed=closed)
    assert record.has_unfinished_commands("prod") is unfinished
    assert record.has_committed("prod") is unfinished
    assert record.is_open is (unfinished or commands == ("dev",))
