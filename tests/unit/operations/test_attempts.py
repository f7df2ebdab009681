"""An upgrade that found a table locked is tried again only if nothing of it is there."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from migrations_ops.model.inspection import Inspection
from migrations_ops.operations.attempts import (
    AfterLock,
    has_complete_revisions_only,
    may_try_again,
)

BEFORE, MOVED = ("r1",), ("r2",)
INSPECTED = Inspection(exists=True, revisions=BEFORE)
SILENT = replace(INSPECTED, trouble="does not answer")
BEGUN = replace(INSPECTED, begun={"r3": "upgrade"})
FILE = AfterLock(is_server=False, is_transactional=True, inspection=INSPECTED, revisions=BEFORE)
SERVER = replace(FILE, is_server=True)
UNTRANSACTIONAL = replace(SERVER, is_transactional=False)
PARTLY = replace(
    SERVER, has_committed=True, failed_revision="r3", inspection=replace(INSPECTED, revisions=MOVED)
)


@pytest.mark.parametrize("same", [True, False])
def test_file_has_to_have_the_structure_of_its_backup(same: bool) -> None:
    assert may_try_again(replace(FILE, same_structure=same)) is same


def test_file_of_which_something_was_committed_is_never_tried_again() -> None:
    for same, failed in product([True, False], ["", "r3"]):
        after = replace(FILE, has_committed=True, same_structure=same, failed_revision=failed)
        assert not may_try_again(after)


@pytest.mark.parametrize(
    ("inspection", "expected"),
    [(INSPECTED, True), (SILENT, False), (replace(INSPECTED, revisions=MOVED), False)],
)
def test_server_has_to_answer_with_the_version_from_before(
    inspection: Inspection, expected: bool
) -> None:
    assert may_try_again(replace(SERVER, inspection=inspection)) is expected


@pytest.mark.parametrize("inspection", [INSPECTED, BEGUN, replace(INSPECTED, revisions=MOVED)])
def test_without_transactions_no_revision_may_have_begun(inspection: Inspection) -> None:
    assert may_try_again(replace(UNTRANSACTIONAL, inspection=inspection)) is (
        inspection is not BEGUN
    )


def test_whole_revisions_that_were_committed_are_no_obstacle() -> None:
    assert has_complete_revisions_only(PARTLY)
    assert may_try_again(PARTLY)


@pytest.mark.parametrize(
    "after",
    [
        replace(PARTLY, partly_committed=frozenset({"r3"})),
        replace(PARTLY, failed_revision=""),
        replace(PARTLY, is_server=False),
        replace(PARTLY, inspection=INSPECTED),
        replace(PARTLY, inspection=replace(SILENT, revisions=MOVED)),
        replace(PARTLY, inspection=replace(BEGUN, revisions=MOVED)),
    ],
    ids=["a part of the failed one", "unknown which", "file", "not moved", "silent", "begun"],
)
def test_a_part_that_was_committed_is_an_obstacle(after: AfterLock) -> None:
    assert not has_complete_revisions_only(after)
    assert not may_try_again(after)
