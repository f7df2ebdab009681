"""What is done after a failure: what holds for every case that there can be, and each row."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from migrations_ops.model.errors import ExitCode, Memory
from migrations_ops.operations.failure.decision import (
    KILLED,
    RESTORES,
    Action,
    Case,
    Decision,
    Ended,
    Indexes,
    Sentence,
    Version,
    decide,
)

# Where: on a server, transactional, live.
FILE = (False, True, False)
POSTGRES = (True, True, False)
LIVE_POSTGRES = (True, True, True)
MARIADB = (True, False, False)
LIVE_MARIADB = (True, False, True)
WHERE = (FILE, POSTGRES, LIVE_POSTGRES, MARIADB, LIVE_MARIADB)

BOTH = (False, True)
CASES = [
    Case(ended, *where, no_backup, version, empty, half, same_schema, same_rows, indexes, ledger)
    for ended, where, no_backup, version, empty, half, same_schema, same_rows, indexes, ledger in (
        product(Ended, WHERE, BOTH, Version, BOTH, BOTH, BOTH, BOTH, Indexes, BOTH)
    )
    if half or not ledger
]
DECIDED = [(case, decide(case)) for case in CASES]


# What is said of an interrupted restore.
SENTENCES = {
    Version.START: Sentence.AS_IT_WAS,
    Version.TARGET: Sentence.REPLACED,
    Version.ELSEWHERE: Sentence.OLD_OR_NEW,
}


def broken(rule: str, found: list[tuple[Case, Decision]]) -> None:
    assert not found, f"{rule}: {len(found)} cases, the first is {found[0]}"


def test_live_database_is_never_put_back_unasked() -> None:
    """What a killed restore had to fill, and is empty, was asked for."""
    found = [
        each
        for each in DECIDED
        if each[0].live
        and each[1].action is Action.RESTORE
        and not (each[0].ended in RESTORES and each[0].version is Version.GONE)
    ]
    broken("live, and restored", found)


def test_database_is_as_it_was_only_where_version_and_rows_are_known_to_be() -> None:
    found = [
        (case, decision)
        for case, decision in DECIDED
        if decision.action is Action.UNCHANGED
        and not (case.version is Version.START and case.same_rows)
    ]
    broken("taken for as it was", found)


def test_schema_may_differ_only_where_others_can_have_changed_it() -> None:
    """Outside of a half revision, on a server whose transaction tells that all was rolled back."""
    found = [
        (case, decision)
        for case, decision in DECIDED
        if decision.action is Action.UNCHANGED
        and not case.same_schema
        and (case.half or not case.on_server or decision.sentence is not Sentence.ROLLED_BACK)
    ]
    broken("another schema, and taken for as it was", found)


def test_exit_code_3_is_for_what_is_as_it_was_or_was_put_back() -> None:
    as_before = {Action.UNCHANGED, Action.RESTORE, Action.REMOVE_NEW, Action.UNREACHABLE}
    found = [
        each
        for each in DECIDED
        if each[1].exit is ExitCode.FAILED
        and each[1].action not in as_before
        and each[0].ended not in RESTORES
    ]
    broken("exit code 3", found)


def test_restore_that_a_person_asked_for_is_not_undone() -> None:
    """What is there then is all old or all new, and it is said which, as far as it is known."""
    for case, decision in DECIDED:
        if case.ended not in (Ended.RESTORE_FAILED, Ended.RESTORE_INTERRUPTED):
            continue
        if case.version in (Version.SILENT, Version.GONE):
            is_silent = case.version is Version.SILENT
            expected = Action.UNREACHABLE if is_silent else Action.LEAVE_TO_A_PERSON
            assert decision.action is expected, case
            continue
        sentence = Sentence.AS_IT_WAS
        if case.ended is Ended.RESTORE_INTERRUPTED:
            sentence = SENTENCES[case.version]
        assert decision == Decision(Action.LEAVE_TO_NEXT_TASK, ExitCode.FAILED, sentence), case


def test_killed_restore_is_finished_where_nothing_is_there_or_something_was_being_undone() -> None:
    for case, decision in DECIDED:
        if case.ended not in (Ended.KILLED_RESTORE, Ended.KILLED_UNDO):
            continue
        if decision.action is Action.RESTORE:
            assert not case.no_backup, case
            assert case.version is Version.GONE or case.ended is Ended.KILLED_UNDO, case
        elif decision.exit is ExitCode.NEEDS_A_PERSON:
            is_lost = case.no_backup and case.version is Version.GONE
            assert is_lost or case.version is Version.SILENT, case
        else:
            assert decision.action is Action.LEAVE_TO_NEXT_TASK, case
            assert case.version is not Version.GONE, case


def test_silent_server_is_as_it_was_only_where_nothing_can_have_been_committed() -> None:
    for case, decision in DECIDED:
        if case.version is not Version.SILENT:
            assert decision.action is not Action.UNREACHABLE, case
            continue
        nothing = case.ended is Ended.RESTORE_FAILED or (
            case.ended is Ended.ROLLED_BACK and case.transactional and not case.half
        )
        assert decision.action is Action.UNREACHABLE, case
        assert (decision.exit is ExitCode.FAILED) is nothing, case


def test_new_database_is_removed_only_when_nothing_is_in_it() -> None:
    found = [
        each
        for each in DECIDED
        if each[1].action is Action.REMOVE_NEW and not (each[0].no_backup and each[0].empty)
    ]
    broken("removed", found)


def test_without_a_backup_nothing_is_restored() -> None:
    found = [each for each in DECIDED if each[0].no_backup and each[1].action is Action.RESTORE]
    broken("restored from nothing", found)


def test_indexes_are_dropped_once_and_for_half_a_revision_alone() -> None:
    found = [
        (case, decision)
        for case, decision in DECIDED
        if decision.action is Action.DROP_LEFT_INDEXES
        and not (case.half and case.indexes is Indexes.UNTRIED)
    ]
    broken("dropped again, or of nobody", found)


def test_only_a_live_database_stays_upgraded() -> None:
    found = [
        (case, decision)
        for case, decision in DECIDED
        if decision.action is Action.STAYS_UPGRADED
        and not (
            case.live and (case.version is Version.TARGET or case.ended is Ended.FAILED_VERIFY)
        )
    ]
    broken("stays upgraded", found)


def test_half_a_revision_is_never_passed_over_after_a_failure() -> None:
    """Unless the index that it left is gone, and nothing else of it is there."""
    found = [
        (case, decision)
        for case, decision in DECIDED
        if case.half
        and decision.action is Action.UNCHANGED
        and (not case.same_schema or case.indexes is Indexes.STUCK)
    ]
    broken("half of a revision", found)


def test_task_goes_on_only_after_a_kill_and_never_with_commands_in_between() -> None:
    for case, decision in DECIDED:
        if decision.exit is ExitCode.DONE and decision.action is not Action.DROP_LEFT_INDEXES:
            assert case.ended in KILLED, case
        if decision.action is Action.LEAVE_TO_NEXT_TASK and case.ended is Ended.KILLED_COMMANDS:
            # Half of a revision is refused by whatever comes next.
            assert case.version is Version.GONE or (case.half and case.live), case


def test_decision_does_not_depend_on_what_it_cannot_know() -> None:
    """Only a new database may be empty, and only half of a revision leaves indexes."""
    for case, decision in DECIDED:
        if not case.no_backup:
            assert decide(replace(case, empty=not case.empty)) == decision, case
        if not case.half and case.ended is not Ended.KILLED:
            assert decide(replace(case, indexes=Indexes.STUCK)) == decision, case


def test_whatever_needs_a_person_is_remembered_and_nothing_else_is() -> None:
    for case, decision in DECIDED:
        needs_a_person = decision.exit is ExitCode.NEEDS_A_PERSON
        assert (decision.memory is not None) is needs_a_person, case


def test_database_reminds_of_itself_only_where_it_can() -> None:
    """By its ledger, or by a version that it has arrived at by whole revisions; whatever the
    project's own commands did, no version tells."""
    for case, decision in DECIDED:
        if decision.memory is Memory.DATABASE:
            is_whole = decision.sentence is Sentence.WHOLE_REVISIONS and not case.half
            assert case.in_ledger or (is_whole and case.ended is not Ended.COMMANDS), case
        if decision.memory is Memory.EVIDENCE:
            assert decision.action is Action.STAYS_UPGRADED, case
        if decision.memory is Memory.NEXT_TASK:
            assert case.version is Version.SILENT, case


def test_each_action_and_each_sentence_has_a_case() -> None:
    assert {decision.action for _, decision in DECIDED} == set(Action)
    assert {decision.sentence for _, decision in DECIDED} == set(Sentence)


SAME = {"version": Version.START, "same_schema": True, "same_rows": True}
START = {"version": Version.START, "same_rows": True}  # others have changed the schema
TARGET = {"version": Version.TARGET}
ELSEWHERE = {"version": Version.ELSEWHERE}
GONE = {"version": Version.GONE}
SILENT = {"version": Version.SILENT}
HALF = {"half": True, "indexes": Indexes.NONE}
DONE, FAILED, PERSON = ExitCode.DONE, ExitCode.FAILED, ExitCode.NEEDS_A_PERSON

# As it was before there was a table, read from the code and the scenarios; the rows with "fixed"
# were otherwise.
ROWS = [
    # rolled back
    (Ended.ROLLED_BACK, FILE, SAME, Action.UNCHANGED, FAILED),
    (Ended.ROLLED_BACK, FILE, START, Action.RESTORE, FAILED),
    (Ended.ROLLED_BACK, FILE, ELSEWHERE, Action.RESTORE, FAILED),
    (Ended.ROLLED_BACK, POSTGRES, START, Action.UNCHANGED, FAILED),
    (Ended.ROLLED_BACK, POSTGRES, TARGET, Action.RESTORE, FAILED),
    (Ended.ROLLED_BACK, LIVE_POSTGRES, START, Action.UNCHANGED, FAILED),
    (Ended.ROLLED_BACK, LIVE_POSTGRES, TARGET, Action.STAYS_UPGRADED, PERSON),
    (Ended.ROLLED_BACK, LIVE_POSTGRES, ELSEWHERE, Action.LEAVE_TO_A_PERSON, PERSON),
    (Ended.ROLLED_BACK, MARIADB, START, Action.UNCHANGED, FAILED),
    (Ended.ROLLED_BACK, MARIADB, ELSEWHERE, Action.RESTORE, FAILED),
    (Ended.ROLLED_BACK, LIVE_MARIADB, ELSEWHERE, Action.LEAVE_TO_A_PERSON, PERSON),
    # committed in part, or about to be
    (Ended.PARTLY_COMMITTED, FILE, SAME, Action.RESTORE, FAILED),
    (Ended.PARTLY_COMMITTED, POSTGRES, SAME, Action.RESTORE, FAILED),
    (Ended.PARTLY_COMMITTED, LIVE_POSTGRES, SAME, Action.UNCHANGED, FAILED),
    (Ended.PARTLY_COMMITTED, LIVE_POSTGRES, ELSEWHERE, Action.LEAVE_TO_A_PERSON, PERSON),
    (Ended.PARTLY_COMMITTED, MARIADB, START, Action.UNCHANGED, FAILED),
    (Ended.PARTLY_COMMITTED, MARIADB, TARGET, Action.RESTORE, FAILED),
    (Ended.PARTLY_COMMITTED, LIVE_MARIADB, TARGET, Action.STAYS_UPGRADED, PERSON),
    # half of a revision
    (Ended.PARTLY_COMMITTED, FILE, {**SAME, **HALF}, Action.UNCHANGED, FAILED),
    (Ended.PARTLY_COMMITTED, FILE, {**START, **HALF}, Action.RESTORE, FAILED),
    (Ended.PARTLY_COMMITTED, LIVE_POSTGRES, {**SAME, "half": True}, Action.DROP_LEFT_INDEXES, DONE),
    (Ended.PARTLY_COMMITTED, LIVE_POSTGRES, {**SAME, **HALF}, Action.UNCHANGED, FAILED),
    (Ended.PARTLY_COMMITTED, LIVE_POSTGRES, {**START, **HALF}, Action.LEAVE_TO_A_PERSON, PERSON),
    (Ended.PARTLY_COMMITTED, MARIADB, {**START, **HALF}, Action.RESTORE, FAILED),
    (
        Ended.PARTLY_COMMITTED,
        LIVE_MARIADB,
        {**SAME, **HALF, "same_rows": False},
        Action.LEAVE_TO_A_PERSON,
        PERSON,
    ),
    (
        Ended.PARTLY_COMMITTED,
        LIVE_POSTGRES,
        {**SAME, "half": True, "indexes": Indexes.STUCK},
        Action.LEAVE_TO_A_PERSON,
        PERSON,
    ),
    (
        Ended.PARTLY_COMMITTED,
        POSTGRES,
        {**SAME, "half": True, "indexes": Indexes.STUCK},
        Action.RESTORE,
        FAILED,
    ),
    # verify did not pass
    (Ended.FAILED_VERIFY, FILE, TARGET, Action.RESTORE, FAILED),
    (Ended.FAILED_VERIFY, MARIADB, TARGET, Action.RESTORE, FAILED),
    (Ended.FAILED_VERIFY, LIVE_POSTGRES, TARGET, Action.STAYS_UPGRADED, PERSON),
    (Ended.FAILED_VERIFY, LIVE_MARIADB, TARGET, Action.STAYS_UPGRADED, PERSON),
    # the project's own commands
    (Ended.COMMANDS, FILE, TARGET, Action.RESTORE, FAILED),
    (Ended.COMMANDS, LIVE_POSTGRES, SAME, Action.UNCHANGED, FAILED),
    (Ended.COMMANDS, LIVE_POSTGRES, TARGET, Action.STAYS_UPGRADED, PERSON),
    (Ended.COMMANDS, LIVE_POSTGRES, START, Action.LEAVE_TO_A_PERSON, PERSON),
    # fixed: it was exit code 3, with "which of its rows may have changed, nobody can tell"
    (
        Ended.COMMANDS,
        LIVE_MARIADB,
        {**SAME, "same_rows": False},
        Action.LEAVE_TO_A_PERSON,
        PERSON,
    ),
    (Ended.COMMANDS, MARIADB, {**SAME, "same_rows": False}, Action.RESTORE, FAILED),
    # its server is silent
    (Ended.ROLLED_BACK, LIVE_POSTGRES, SILENT, Action.UNREACHABLE, FAILED),
    (Ended.PARTLY_COMMITTED, LIVE_POSTGRES, SILENT, Action.UNREACHABLE, PERSON),
    (Ended.ROLLED_BACK, LIVE_MARIADB, SILENT, Action.UNREACHABLE, PERSON),
    (Ended.COMMANDS, POSTGRES, SILENT, Action.UNREACHABLE, PERSON),
    # there was no database, or there is none any more
    (
        Ended.ROLLED_BACK,
        FILE,
        {**GONE, "no_backup": True, "empty": True},
        Action.REMOVE_NEW,
        FAILED,
    ),
    (Ended.FAILED_VERIFY, FILE, {**TARGET, "no_backup": True}, Action.LEAVE_TO_A_PERSON, PERSON),
    (Ended.ROLLED_BACK, FILE, GONE, Action.RESTORE, FAILED),
    (Ended.ROLLED_BACK, LIVE_POSTGRES, GONE, Action.LEAVE_TO_A_PERSON, PERSON),
    # killed
    (Ended.KILLED, FILE, ELSEWHERE, Action.LEAVE_TO_NEXT_TASK, DONE),
    (Ended.KILLED, FILE, {**GONE, "no_backup": True}, Action.LEAVE_TO_NEXT_TASK, DONE),
    (Ended.KILLED, LIVE_MARIADB, ELSEWHERE, Action.LEAVE_TO_NEXT_TASK, DONE),
    (Ended.KILLED, LIVE_MARIADB, {**SAME, "half": True}, Action.UNCHANGED, DONE),
    (Ended.KILLED, LIVE_MARIADB, {**START, **HALF}, Action.LEAVE_TO_NEXT_TASK, DONE),
    (Ended.KILLED, MARIADB, {**START, **HALF}, Action.LEAVE_TO_NEXT_TASK, DONE),
    (Ended.KILLED_PARTLY_COMMITTED, FILE, SAME, Action.UNCHANGED, DONE),
    (Ended.KILLED_PARTLY_COMMITTED, FILE, {**SAME, "same_rows": False}, Action.RESTORE, DONE),
    (
        Ended.KILLED_PARTLY_COMMITTED,
        FILE,
        {**TARGET, "no_backup": True},
        Action.LEAVE_TO_A_PERSON,
        PERSON,
    ),
    (
        Ended.KILLED_PARTLY_COMMITTED,
        FILE,
        {**GONE, "no_backup": True},
        Action.LEAVE_TO_NEXT_TASK,
        DONE,
    ),
    (Ended.KILLED_PARTLY_COMMITTED, LIVE_POSTGRES, ELSEWHERE, Action.LEAVE_TO_NEXT_TASK, DONE),
    (Ended.KILLED_PARTLY_COMMITTED, POSTGRES, ELSEWHERE, Action.LEAVE_TO_NEXT_TASK, DONE),
    (
        Ended.KILLED_PARTLY_COMMITTED,
        POSTGRES,
        {**SAME, "half": True},
        Action.DROP_LEFT_INDEXES,
        DONE,
    ),
    (Ended.KILLED_PARTLY_COMMITTED, POSTGRES, {**SAME, **HALF}, Action.UNCHANGED, DONE),
    (
        Ended.KILLED_PARTLY_COMMITTED,
        LIVE_POSTGRES,
        {**START, **HALF},
        Action.LEAVE_TO_NEXT_TASK,
        DONE,
    ),
    (Ended.KILLED_PARTLY_COMMITTED, MARIADB, {**START, **HALF}, Action.RESTORE, DONE),
    (Ended.KILLED_COMMANDS, FILE, TARGET, Action.RESTORE, DONE),
    (Ended.KILLED_COMMANDS, MARIADB, SAME, Action.UNCHANGED, DONE),
    (Ended.KILLED_COMMANDS, LIVE_POSTGRES, TARGET, Action.LEAVE_TO_A_PERSON, PERSON),
    # fixed: a live database of which the schema was as before was taken for untouched
    (
        Ended.KILLED_COMMANDS,
        LIVE_POSTGRES,
        {**SAME, "same_rows": False},
        Action.LEAVE_TO_A_PERSON,
        PERSON,
    ),
    # a restore that a person asked for
    (Ended.RESTORE_FAILED, FILE, ELSEWHERE, Action.LEAVE_TO_NEXT_TASK, FAILED),
    (Ended.RESTORE_FAILED, LIVE_POSTGRES, SILENT, Action.UNREACHABLE, FAILED),
    (Ended.RESTORE_FAILED, MARIADB, GONE, Action.LEAVE_TO_A_PERSON, PERSON),
    (
        Ended.RESTORE_INTERRUPTED,
        FILE,
        {"version": Version.START},
        Action.LEAVE_TO_NEXT_TASK,
        FAILED,
    ),
    (Ended.RESTORE_INTERRUPTED, LIVE_POSTGRES, TARGET, Action.LEAVE_TO_NEXT_TASK, FAILED),
    (Ended.RESTORE_INTERRUPTED, FILE, ELSEWHERE, Action.LEAVE_TO_NEXT_TASK, FAILED),
    (Ended.RESTORE_INTERRUPTED, POSTGRES, SILENT, Action.UNREACHABLE, PERSON),
    (Ended.KILLED_RESTORE, FILE, GONE, Action.RESTORE, DONE),
    (Ended.KILLED_RESTORE, FILE, {**GONE, "no_backup": True}, Action.LEAVE_TO_A_PERSON, PERSON),
    (Ended.KILLED_RESTORE, LIVE_MARIADB, ELSEWHERE, Action.LEAVE_TO_NEXT_TASK, DONE),
    # a restore that undid something
    (Ended.KILLED_UNDO, FILE, {**TARGET, "same_rows": True}, Action.LEAVE_TO_NEXT_TASK, DONE),
    (Ended.KILLED_UNDO, FILE, TARGET, Action.RESTORE, DONE),
    (Ended.KILLED_UNDO, POSTGRES, START, Action.RESTORE, DONE),
    (Ended.KILLED_UNDO, FILE, {**GONE, "no_backup": True}, Action.LEAVE_TO_A_PERSON, PERSON),
]


@pytest.mark.parametrize(("ended", "where", "seen", "action", "exit_code"), ROWS)
def test_row(
    ended: Ended,
    where: tuple[bool, bool, bool],
    seen: dict[str, object],
    action: Action,
    exit_code: ExitCode,
) -> None:
    known = {"no_backup": False, **seen}
    decision = decide(Case(ended, *where, **known))  # type: ignore[arg-type]
    assert (decision.action, decision.exit) == (action, exit_code)
