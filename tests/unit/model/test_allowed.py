"""``--allow`` makes notes of the findings that it names, and refuses a code that there is not."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from migrations_ops.model.allowed import (
    Consent,
    advice_on_finding,
    allow_flags,
    find_consent,
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
        assert [each.severity for each in without_allowed(found, [Consent.of(word)])] == ["note"]
    assert without_allowed(found, [Consent("lost-index", "other"), Consent("lost-table")]) == found


def test_more_than_five_findings_are_counted() -> None:
    found = [lost_index(f"i{number}") for number in range(7)]
    assert allow_flags(found).count("--allow") == 5
    assert "(and 2 more, listed above)" in allow_flags(found)


@pytest.mark.parametrize("where", ["t", '"t"', '"a b"."c d"', "a b.c d", "check t: x > 0", ""])
@pytest.mark.parametrize("written", ["t", '"t"', "a b.c d", '"a b"."c d"', "check t: x > 0", ""])
def test_a_consent_covers_all_of_its_code_or_the_one_that_it_names(
    written: str, where: str
) -> None:
    is_named = written.replace('"', "") == where.replace('"', "")
    assert Consent("lost-index", written).covers(lost_index(where)) == (not written or is_named)
    assert not Consent("lost-table", written).covers(lost_index(where))


@pytest.mark.parametrize(
    ("written_in", "is_about", "covers"),
    [
        # A flag and the configuration count for each revision.
        ("", "", True),
        ("", "r2", True),
        # A comment counts for its revision, and where a finding is about none.
        ("r2", "", True),
        ("r2", "r2", True),
        ("r2", "r1", False),
    ],
)
def test_a_comment_counts_for_what_its_revision_does(
    written_in: str, is_about: str, covers: bool
) -> None:
    consent = Consent("lost-index", revision=written_in)
    finding = replace(lost_index("i"), revision=is_about)
    assert consent.covers(finding) == covers
    found = find_consent(finding, [Consent("lost-table"), consent])
    assert found == (consent if covers else None)


@pytest.mark.parametrize(
    ("word", "code", "name"),
    [
        ("lost-index", "lost-index", ""),
        ("lost-index:a", "lost-index", "a"),
        ("lost-check:t: x > 0", "lost-check", "t: x > 0"),
        # A variable of the shell that is not set must not allow everything.
        ("lost-index:", "lost-index:", ""),
        ("", "", ""),
        (":a", "", "a"),
    ],
)
def test_a_consent_is_written_as_a_code_and_a_name(word: str, code: str, name: str) -> None:
    consent = Consent.of(word)
    assert (consent.code, consent.name, consent.word) == (code, name, word)


def test_what_a_comment_allows_says_where_and_why() -> None:
    consent = Consent("lost-index", "i", "never used", "r2", "versions/r2.py", 7)
    [note] = without_allowed([lost_index("i")], [consent])
    assert note.message == "gone (allowed in versions/r2.py:7 -- never used)"


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
    assert [each.severity for each in without_allowed(found, [Consent.of(word)])] == severities


def test_what_is_allowed_says_so_and_a_warning_stays_one() -> None:
    lost = LOST_ROWS.found("a", rows="1 of 2", replaced="")
    deleted = DELETED_ROWS.found("a", rows="1 of 2")
    note, warning = without_allowed(
        [lost, deleted], [Consent("lost-rows"), Consent("deleted-rows")]
    )
    assert note.message == f"{lost.message} (allowed)"
    assert warning == deleted


def test_a_revision_that_never_ran_stays_a_warning() -> None:
    skipped = SKIPPED_REVISION.found("r2", after="r3", environment="dev")
    [allowed] = without_allowed([skipped], [Consent("skipped-revision", "r2")])
    assert (allowed.severity, allowed.message) == ("warning", f"{skipped.message} (allowed)")


@pytest.mark.parametrize("code", [*CODES, "missing-database"])
def test_each_code_can_be_allowed(code: str) -> None:
    require_known_codes([code, f"{code}:a:b"])


@pytest.mark.parametrize("word", ["", "lost", "Lost-table", "lost-index-a", "lost-index:"])
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
