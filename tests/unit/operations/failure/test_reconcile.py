"""A decision is carried out as it was made, and what then goes wrong is told."""

from __future__ import annotations

from typing import Any

import pytest

from migrations_ops.backups.store import BackupStore
from migrations_ops.model.errors import NeedsAPerson, StepFailed
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.operations.failure import observe, reconcile
from migrations_ops.operations.failure.decision import Ended, Indexes, Version
from migrations_ops.steps.commands import CommandsStep
from tests.unit.operations.failure.fakes import BEFORE, FakeDatabase, FakeStore, failure, session

WITH_INDEX = Fingerprint(("one",), {**BEFORE.schema, "index uq": "INVALID"}, BEFORE.rows)


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the environments that were put back."""
    done: list[str] = []

    def restore(_: Any, environment: Any, __: Any) -> str:
        done.append(environment.name)
        return "what it held is in db_2.dump"

    monkeypatch.setattr(reconcile, "restore_and_prove", restore)
    monkeypatch.setattr(BackupStore, "of", lambda *_: FakeStore())
    return done


def test_index_that_was_left_is_dropped_before_it_is_decided() -> None:
    database = FakeDatabase(
        now=WITH_INDEX, begun={"two": "upgrade"}, invalid=(["uq"], []), same_content=True
    )
    told = reconcile.reconcile(session(), failure(database, Ended.IN_PART))
    assert told == "prod is as it was; dropped was uq, INVALID since its CREATE failed."
    assert database.calls.count("drop") == 1
    assert database.calls[-1] == "note rolled back"


def test_live_database_is_left_and_another_is_put_back(restored: list[str]) -> None:
    moved = Fingerprint(("between",), BEFORE.schema, BEFORE.rows)
    with pytest.raises(NeedsAPerson, match="is at between"):
        reconcile.reconcile(session(), failure(FakeDatabase(now=moved), Ended.IN_PART))
    assert restored == []
    free = failure(FakeDatabase(now=moved), Ended.IN_PART, protected=False)
    assert "what it held is in db_2.dump" in reconcile.reconcile(session(), free)
    assert restored == ["prod"]


def test_new_database_that_cannot_be_removed_is_left_to_a_person() -> None:
    empty = Fingerprint((), {}, {})
    database = FakeDatabase(now=empty, is_stubborn=True)
    with pytest.raises(NeedsAPerson, match="what it began to create is in prod"):
        reconcile.reconcile(session(), failure(database, Ended.ROLLED_BACK, new=True))
    gone = reconcile.reconcile(
        session(), failure(FakeDatabase(now=empty), Ended.ROLLED_BACK, new=True)
    )
    assert gone == "prod does not exist, as before."


@pytest.mark.parametrize(
    "error", [StepFailed("no room."), OSError("no room"), KeyboardInterrupt("no room")]
)
def test_whatever_stops_the_way_back_leads_to_a_person(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(reconcile, "restore_and_prove", fail)
    database = FakeDatabase(is_server=False, now=Fingerprint(("two",), {}, {}))
    with pytest.raises(NeedsAPerson, match="could not be put back: no room") as raised:
        reconcile.reconcile(session(), failure(database, Ended.IN_PART))
    assert "invoke restore --env prod" in raised.value.next
    # After a kill nothing has changed since, and the next task tries again.
    with pytest.raises(type(error)):
        reconcile.reconcile(session(), failure(database, Ended.KILLED_IN_PART))


def test_server_that_does_not_answer_is_asked_no_more_than_a_look() -> None:
    database = FakeDatabase(trouble="no route")
    with pytest.raises(StepFailed, match="does not answer: no route"):
        reconcile.reconcile(session(), failure(database, Ended.ROLLED_BACK))
    assert set(database.calls) == {"look"}


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
        of = failure(database, Ended.IN_PART)
        case = observe.observe(session(), of, ([], [])).case
        assert (case.half, case.same_schema, case.same_rows) == (True, True, same)
        assert case.indexes is Indexes.NONE
    database = FakeDatabase(begun={"two": "upgrade"}, same_content=True, is_transactional=False)
    case = observe.observe(session(), failure(database, Ended.IN_PART), ([], [])).case
    assert not case.same_rows


@pytest.mark.parametrize(
    ("stamp", "committed", "ended"),
    [
        ({}, False, Ended.COMMANDS),
        ({"snapshot": "1"}, True, Ended.COMMANDS),
        ({"snapshot": "1"}, False, Ended.ROLLED_BACK),
    ],
)
def test_commands_have_written_nothing_only_where_the_engine_has_a_sign_of_it(
    stamp: dict[str, int | str], committed: bool, ended: Ended
) -> None:
    child = CommandsStep.__new__(CommandsStep)
    database: Any = FakeDatabase(stamp=stamp)
    assert observe.how_it_ended(child, database, committed=committed) is ended
