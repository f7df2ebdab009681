"""A decision is carried out as it was made, and what then goes wrong is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from migrations_ops.backups.store import BackupStore
from migrations_ops.model.errors import Memory, NeedsAPerson, StepFailed
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.operations.failure import observe, reconcile
from migrations_ops.operations.failure.decision import Ended, Indexes, Version
from migrations_ops.steps.own_commands import OwnCommandsStep
from tests.unit.operations.failure.fakes import (
    BEFORE,
    SAFETY,
    FakeDatabase,
    FakeStore,
    backup,
    failure,
    session,
)

WITH_INDEX = Fingerprint(("one",), {**BEFORE.schema, "index uq": "INVALID"}, BEFORE.rows)


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the environments that were put back."""
    done: list[str] = []

    def restore(_: Any, environment: Any, __: Any) -> str:
        done.append(environment.name)
        return "its previous content is in db_2.dump"

    monkeypatch.setattr(reconcile, "restore_and_prove", restore)
    monkeypatch.setattr(BackupStore, "of", lambda *_: FakeStore())
    return done


def test_index_that_was_left_is_dropped_before_it_is_decided() -> None:
    database = FakeDatabase(
        now=WITH_INDEX, begun={"two": "upgrade"}, invalid=(["uq"], []), same_content=True
    )
    told = reconcile.reconcile(session(), failure(database, Ended.PARTLY_COMMITTED))
    assert told == "prod is unchanged; dropped uq, which was INVALID since its CREATE failed."
    assert database.calls.count("drop") == 1
    assert database.calls[-1] == "note rolled back"


def test_live_database_is_left_and_another_is_put_back(restored: list[str]) -> None:
    moved = Fingerprint(("between",), BEFORE.schema, BEFORE.rows)
    with pytest.raises(NeedsAPerson, match="is at between"):
        reconcile.reconcile(session(), failure(FakeDatabase(now=moved), Ended.PARTLY_COMMITTED))
    assert restored == []
    free = failure(FakeDatabase(now=moved), Ended.PARTLY_COMMITTED, protected=False)
    assert "its previous content is in db_2.dump" in reconcile.reconcile(session(), free)
    assert restored == ["prod"]


def test_new_database_that_cannot_be_removed_is_left_to_a_person() -> None:
    empty = Fingerprint.EMPTY
    database = FakeDatabase(now=empty, is_stubborn=True)
    with pytest.raises(NeedsAPerson, match="what it created so far is in prod"):
        reconcile.reconcile(session(), failure(database, Ended.ROLLED_BACK, no_backup=True))
    gone = reconcile.reconcile(
        session(), failure(FakeDatabase(now=empty), Ended.ROLLED_BACK, no_backup=True)
    )
    assert gone == "prod does not exist, as before."


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


def upgraded_and_not_restorable(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> FakeDatabase:
    """A database at the new revision, whose restore ends with this error."""

    monkeypatch.setattr(reconcile, "restore_and_prove", raising(error))
    return FakeDatabase(is_server=False, now=Fingerprint(("two",), {}, {}))


@pytest.mark.parametrize(
    "error", [StepFailed("no room."), OSError("no room"), KeyboardInterrupt("no room")]
)
def test_whatever_stops_the_way_back_leads_to_a_person(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    database = upgraded_and_not_restorable(monkeypatch, error)
    with pytest.raises(NeedsAPerson, match="could not be restored: no room") as raised:
        reconcile.reconcile(session(), failure(database, Ended.PARTLY_COMMITTED))
    assert "invoke restore --env prod" in raised.value.next


@pytest.mark.parametrize("error", [StepFailed("no room."), OSError("no room")])
def test_half_that_a_kill_left_and_no_restore_has_undone_needs_a_person(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Nothing has changed since, and the next task tries again; but it is not as it was."""
    database = upgraded_and_not_restorable(monkeypatch, error)
    of = failure(database, Ended.KILLED_PARTLY_COMMITTED)
    with pytest.raises(NeedsAPerson, match="could not be restored: no room") as raised:
        reconcile.reconcile(session(), of)
    assert raised.value.memory is Memory.NEXT_TASK
    assert raised.value.next.startswith("Run the same command again; or type: invoke restore")
    # A user who stops the restore begins it again; what cannot be read yet is read again.
    monkeypatch.setattr(reconcile, "restore_and_prove", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        reconcile.reconcile(session(), of)
    monkeypatch.setattr(reconcile, "observe", raising(StepFailed("locked")))
    with pytest.raises(StepFailed, match="locked"):
        reconcile.reconcile(session(), of)


def test_backup_that_is_gone_is_not_called_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    lack = "db_1.dump is no longer in /b"
    monkeypatch.setattr(BackupStore, "of", lambda *_: FakeStore(lack=lack))
    moved = Fingerprint(("between",), BEFORE.schema, BEFORE.rows)
    with pytest.raises(NeedsAPerson, match="is at between") as raised:
        reconcile.reconcile(session(), failure(FakeDatabase(now=moved), Ended.PARTLY_COMMITTED))
    assert "safe" not in str(raised.value)
    assert lack in raised.value.untouched
    assert raised.value.next.endswith("once that backup and its sidecar are back as they were")


MORE_ROWS = Fingerprint(BEFORE.revisions, BEFORE.schema, {"items": 4})
OTHER = Fingerprint(("two",), {"table items": "!"}, {"items": 3})


@pytest.mark.parametrize(
    ("before", "now", "same_as", "version"),
    [
        # Revision or schema are not those of the backup: nothing was replaced.
        (OTHER, OTHER, "", Version.START),
        (None, OTHER, "", Version.START),
        # They are. What it replaces is kept first.
        (None, BEFORE, "", Version.START),
        (BEFORE, BEFORE, SAFETY, Version.START),
        # The counts tell which it is, where they differ.
        (OTHER, BEFORE, "", Version.TARGET),
        (MORE_ROWS, MORE_ROWS, "", Version.START),
        (MORE_ROWS, BEFORE, "", Version.TARGET),
        (BEFORE, BEFORE, "", Version.ELSEWHERE),
        (MORE_ROWS, Fingerprint(("one",), BEFORE.schema, {"items": 5}), "", Version.ELSEWHERE),
    ],
)
def test_interrupted_restore_has_replaced_all_or_nothing(
    monkeypatch: pytest.MonkeyPatch,
    before: Fingerprint | None,
    now: Fingerprint,
    same_as: str,
    version: Version,
) -> None:
    monkeypatch.setattr(BackupStore, "of", lambda *_: FakeStore(before or BEFORE))
    database = FakeDatabase(is_server=False, now=now, same_as=same_as)
    of = failure(database, Ended.RESTORE_INTERRUPTED)
    of = replace(of, safety=None if before is None else backup(SAFETY))
    assert observe.observe(session(), of).case.version is version


def test_interrupted_restore_of_a_server_that_keeps_what_it_replaces() -> None:
    of = failure(FakeDatabase(), Ended.RESTORE_INTERRUPTED)
    told = reconcile.reconcile(session(), of)
    assert told == "prod has either all of its previous content or all of db_1.dump."
    # Before, there was none.
    of = replace(of, located=replace(of.located, inspection=Inspection(exists=False)))
    told = reconcile.reconcile(session(), of)
    assert told == "The restore is complete: prod has the content of db_1.dump."


def test_failed_restore_is_not_taken_for_the_end_of_what_had_begun_before() -> None:
    """A half applied revision stays noted: the restore that failed has not undone it."""
    database = FakeDatabase(begun={"two": "upgrade"})
    of = failure(database, Ended.RESTORE_FAILED)
    assert reconcile.reconcile(session(), of) == "prod is unchanged."
    assert not any(call.startswith("note") for call in database.calls)
    assert "fingerprint" not in database.calls


@pytest.mark.parametrize("existed", [True, False])
def test_database_that_is_gone_after_a_restore_that_failed_needs_a_person(existed: bool) -> None:
    of = failure(FakeDatabase(is_server=False, exists=False), Ended.RESTORE_FAILED)
    of = replace(of, located=replace(of.located, inspection=Inspection(exists=existed)))
    if not existed:
        assert reconcile.reconcile(session(), of) == "prod does not exist, as before."
        return
    with pytest.raises(NeedsAPerson, match="no longer exists"):
        reconcile.reconcile(session(), of)


@pytest.mark.parametrize("ended", [Ended.KILLED_RESTORE, Ended.KILLED_UNDO])
def test_killed_restore_of_what_is_empty_now_is_done_again(
    ended: Ended, restored: list[str]
) -> None:
    empty = FakeDatabase(is_server=False, now=Fingerprint.EMPTY)
    reconcile.reconcile(session(), failure(empty, ended))
    assert restored == ["prod"]
    lost = replace(failure(empty, ended), backup=None)
    with pytest.raises(NeedsAPerson, match="that backup no longer exists"):
        reconcile.reconcile(session(), lost)


@pytest.mark.parametrize(
    ("now", "rows_unknown", "again"),
    [(BEFORE, False, False), (BEFORE, True, True), (OTHER, False, True)],
)
def test_restore_that_undid_something_is_done_again_unless_it_was_done(
    now: Fingerprint, rows_unknown: bool, again: bool, restored: list[str]
) -> None:
    of = failure(FakeDatabase(is_server=False, now=now), Ended.KILLED_UNDO)
    reconcile.reconcile(session(), replace(of, rows_unknown=rows_unknown))
    assert (restored == ["prod"]) is again


def test_server_that_does_not_answer_is_asked_no_more_than_one_inspection() -> None:
    database = FakeDatabase(trouble="no route")
    with pytest.raises(StepFailed, match="does not answer: no route"):
        reconcile.reconcile(session(), failure(database, Ended.ROLLED_BACK))
    assert set(database.calls) == {"inspect"}


def test_file_that_cannot_be_read_is_no_silent_server() -> None:
    database = FakeDatabase(is_server=False, trouble="locked")
    seen = observe.observe(session(), failure(database, Ended.ROLLED_BACK))
    assert seen.case.version is not Version.SILENT


def test_nothing_is_compared_after_a_kill_that_came_before_any_commit() -> None:
    database = FakeDatabase()
    assert reconcile.reconcile(session(), failure(database, Ended.KILLED)) == ""
    assert "fingerprint" not in database.calls


def test_rows_of_half_a_revision_are_known_by_their_checksums_alone() -> None:
    for same in (True, False):
        database = FakeDatabase(begun={"two": "upgrade"}, same_content=same)
        of = failure(database, Ended.PARTLY_COMMITTED)
        case = observe.observe(session(), of, ([], [])).case
        assert (case.half, case.same_schema, case.same_rows) == (True, True, same)
        assert case.indexes is Indexes.NONE
    database = FakeDatabase(begun={"two": "upgrade"}, same_content=True, is_transactional=False)
    case = observe.observe(session(), failure(database, Ended.PARTLY_COMMITTED), ([], [])).case
    assert not case.same_rows


@pytest.mark.parametrize(
    ("stamp", "has_committed", "ended"),
    [
        ({}, False, Ended.COMMANDS),
        ({"snapshot": "1"}, True, Ended.COMMANDS),
        ({"snapshot": "1"}, False, Ended.ROLLED_BACK),
    ],
)
def test_commands_have_written_nothing_only_where_the_engine_has_a_sign_of_it(
    stamp: dict[str, int | str], has_committed: bool, ended: Ended
) -> None:
    child = OwnCommandsStep.__new__(OwnCommandsStep)
    database: Any = FakeDatabase(stamp=stamp)
    assert observe.how_it_ended(child, database, has_committed=has_committed) is ended
