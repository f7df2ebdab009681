"""What is said of a failure has three parts, and names what to type."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import pytest

from migrations_ops.model.errors import StepFailed
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.operations.failure.decision import Action, Case, Ended, Sentence, Version
from migrations_ops.operations.failure.messages import (
    for_a_person,
    how_it_is,
    killed_before_verify_without_backup,
    new_left,
    not_restored,
    unreachable,
    verify_interrupted,
)
from migrations_ops.operations.failure.observe import Failure, Observation
from migrations_ops.operations.failure.run_messages import advice_on_run, run_stopped
from migrations_ops.steps.command_run import CommandRun
from tests.unit.operations.failure.fakes import BEFORE, FakeDatabase, failure
from tests.unit.operations.failure.test_decision import DECIDED

COMMAND = re.compile(r"invoke (restore --env prod --backup db_1\.dump --yes|\w+)")
OF_PERSONS = sorted(
    {
        (decision.sentence, case.ended, case.no_backup)
        for case, decision in DECIDED
        if decision.exit == 4
        and decision.action is not Action.DROP_LEFT_INDEXES
        # What a person asks for is there.
        and not (case.no_backup and case.ended in (Ended.RESTORE_FAILED, Ended.RESTORE_INTERRUPTED))
    },
    key=repr,
)


def seen(
    of: Failure, changed: tuple[str, ...] = (), begun: str = "", now: Fingerprint = BEFORE
) -> Observation:
    case = Case(of.ended, True, True, True, of.backup is None, Version.ELSEWHERE)
    inspection = Inspection(True, trouble="no route", begun={begun: "upgrade"} if begun else {})
    return Observation(case, inspection, BEFORE, now, changed)


@pytest.mark.parametrize(("sentence", "ended", "no_backup"), OF_PERSONS)
def test_person_reads_what_happened_what_is_safe_and_what_to_type(
    sentence: Sentence, ended: Ended, no_backup: bool
) -> None:
    for changed, kind, begun in product(
        ((), ("table items is gone",)), ("at head", "dirty"), ("", "two")
    ):
        of = failure(FakeDatabase(), ended, no_backup=no_backup, kind=kind)
        error = for_a_person(sentence, of, seen(of, changed, begun))
        assert error.what.startswith("The upgrade of prod failed")
        assert COMMAND.search(error.next), error.next
        if not no_backup:
            assert "db_1.dump" in error.untouched or sentence is Sentence.INDEXES_LEFT
        assert "  " not in str(error)


def test_killed_commands_are_reported_with_the_other_version_tables() -> None:
    """Of 50 schemas they may have upgraded 6."""
    of = failure(FakeDatabase(), Ended.KILLED_COMMANDS)
    others = {f"t{n}.alembic_version": ("two" if n < 6 else "one",) for n in range(50)}
    found = replace(seen(of), inspection=Inspection(True, other_versions=others))
    error = for_a_person(Sentence.KILLED_COMMANDS, of, found)
    assert "(its other version tables: 44 at one, 6 at two)." in error.what


def test_what_keeps_an_index_from_being_dropped_is_named() -> None:
    of = failure(FakeDatabase(), Ended.PARTLY_COMMITTED)
    held = "the prepared transaction 'x' (which ends by: ROLLBACK PREPARED 'x', on t)"
    error = for_a_person(
        Sentence.INDEXES_LEFT, of, replace(seen(of), left=("ix",), holders=(held,))
    )
    assert f"another transaction uses it: {held}." in error.what


def test_way_back_that_failed_is_named_too() -> None:
    of = failure(FakeDatabase(), Ended.PARTLY_COMMITTED)
    assert COMMAND.search(not_restored(of, "no room.").next)
    assert "no room" in not_restored(of, "no room.").what
    assert COMMAND.search(
        new_left(failure(FakeDatabase(), Ended.PARTLY_COMMITTED, no_backup=True)).next
    )


def test_backup_that_is_gone_is_to_be_brought_back() -> None:
    lack = "db_1.dump is no longer in /b"
    of = replace(failure(FakeDatabase(), Ended.PARTLY_COMMITTED), lack=lack)
    error = not_restored(of, StepFailed("no.", next="Bring it."))
    assert error.what.endswith(f"could not be restored: {lack}.")
    assert error.untouched == "prod stays as the failed step left it."
    assert COMMAND.search(error.next)
    of = replace(failure(FakeDatabase(), Ended.KILLED_COMMANDS, no_backup=True), lack=lack)
    killed = for_a_person(Sentence.KILLED_NEW, of, seen(of))
    assert lack in killed.what
    assert "delete" not in killed.next
    unverified = killed_before_verify_without_backup("prod", "t", "no", lack)
    assert lack in unverified.next


def test_no_restore_is_advised_where_nothing_was_committed() -> None:
    of = failure(FakeDatabase(), Ended.ROLLED_BACK)
    error = unreachable(of, seen(of))
    assert error.exit_code == 3
    assert "restore" not in str(error)
    assert "no route" in error.what


def test_what_others_have_changed_is_not_hidden_behind_as_it_was() -> None:
    of = failure(FakeDatabase(), Ended.ROLLED_BACK)
    told = how_it_is(Sentence.ROLLED_BACK, of, seen(of, ("table other is new",)))
    assert "Other sessions have changed it since its backup: table other is new" in told
    assert "is unchanged" not in told
    assert how_it_is(Sentence.ROLLED_BACK, of, seen(of)).startswith("prod is unchanged")


def test_version_that_has_moved_is_reported_with_the_half_after_it() -> None:
    of = failure(FakeDatabase(), Ended.PARTLY_COMMITTED)
    now = Fingerprint(("two",), {}, {})
    what = for_a_person(Sentence.HALF, of, seen(of, ("it is at two",), "three", now)).what
    assert "the revisions before the failed revision are applied completely" in what


def test_what_was_interrupted_is_to_be_run_again() -> None:
    for error in (
        run_stopped("the upgrade of prod", None, "", untouched="", next=""),
        verify_interrupted("prod", ""),
    ):
        assert error.next == "Run the same command again."


@pytest.mark.parametrize(
    ("failure", "view"),
    [
        ("OperationalError: error in view vw: no such table: main.t", "vw"),
        ("OperationalError: error in view vw after drop column: no such column: w", "vw"),
        ("OperationalError: no such table: vw", ""),
    ],
)
def test_view_that_reads_a_rebuilt_table_is_dropped_before(failure: str, view: str) -> None:
    advice = advice_on_run(CommandRun(started="", failure=failure))
    assert ("drop the view vw before" in advice) is bool(view)
