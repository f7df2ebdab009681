"""``--allow`` makes notes of the findings that it names, and refuses a code that there is not."""

from __future__ import annotations

import shlex

import pytest

from migrations_ops.model.allowed import (
    advice_on_finding,
    allow_flags,
    require_known_codes,
    without_allowed,
)
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.findings import CODES, DELETED_ROWS, LOST_ROWS, SKIPPED_REVISION, Finding


def lost_index(name: str) -> Finding:
    return Finding("lost-index", "error", "gone", name)


@pytest.mark.parametrize("name", ['"i x"', '"it\'s"', '"a b"."c d"', "loans.due", '"say ""no"""'])
def test_a_name_is_allowed_with_and_without_the_quotes_of_sql(name: str) -> None:
    found = [lost_index(name)]
    for word in (f"lost-index:{name}", shlex.split(allow_flags(found))[1], "lost-index"):
        assert [each.severity for each in without_allowed(found, [word])] == ["note"]
    assert without_allowed(found, ["lost-index:other", "lost-table"]) == found


def test_more_than_five_findings_are_counted() -> None:
    found = [lost_index(f"i{number}") for number in range(7)]
    assert allow_flags(found).count("--allow") == 5
    assert "(and 2 more, listed above)" in allow_flags(found)


@pytest.mark.parametrize(
    ("word", "severities"),
    [
        ("lost-rows:a", ["note", "error"]),
        ("lost-rows", ["note", "note"]),
        ("lost", ["error", "error"]),
    ],
)
def test_only_what_is_allowed_by_name_becomes_a_note(word: str, severities: list[str]) -> None:
    found = [LOST_ROWS.found(each, rows="1 of 2", replaced="") for each in "ab"]
    assert [each.severity for each in without_allowed(found, [word])] == severities


def test_what_is_allowed_says_so_and_a_warning_stays_one() -> None:
    lost = LOST_ROWS.found("a", rows="1 of 2", replaced="")
    deleted = DELETED_ROWS.found("a", rows="1 of 2")
    note, warning = without_allowed([lost, deleted], ["lost-rows", "deleted-rows"])
    assert note.message == f"{lost.message} (allowed)"
    assert warning == deleted


def test_a_revision_that_never_ran_stays_a_warning() -> None:
    skipped = SKIPPED_REVISION.found("r2", after="r3", environment="dev")
    [allowed] = without_allowed([skipped], ["skipped-revision:r2"])
    assert (allowed.severity, allowed.message) == ("warning", f"{skipped.message} (allowed)")


@pytest.mark.parametrize("code", [*CODES, "missing-database"])
def test_each_code_can_be_allowed(code: str) -> None:
    require_known_codes([code, f"{code}:a:b"])


@pytest.mark.parametrize("word", ["", "lost", "Lost-table", "lost-index-a"])
def test_a_code_that_nothing_has_is_refused(word: str) -> None:
    with pytest.raises(ConfigurationError):
        require_known_codes(["lost-table", word])


def test_the_advice_names_what_is_to_be_typed() -> None:
    lost = LOST_ROWS.found("a", rows="1", replaced="")
    assert "--allow lost-rows:a" in advice_on_finding(lost, "prod", by_flag=True)


def test_a_task_without_the_flag_names_the_setting() -> None:
    """verify and doctor have no ``--allow``."""
    lost = LOST_ROWS.found("a", rows="1", replaced="")
    advice = advice_on_finding(lost, "prod", by_flag=False)
    assert 'allow = ["lost-rows:a"] under environments.prod' in advice
    assert "--allow" not in advice
