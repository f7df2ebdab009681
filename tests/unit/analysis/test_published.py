"""A change of a published table is told before its subscribers stop at it."""

from __future__ import annotations

import pytest

from migrations_ops.analysis.published import find_published

BEFORE = {
    "table T": "", "column T.a": "integer", "primary key T(a)": "", "index ix": "on T",
    'table "log.t"': "", 'column "log.t".a': "integer", "table other": "",
}  # fmt: skip
PUBLISHED = {"T": "the publication p", "log.t": "the publication q"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"column T.b": "text"}, ["T"]),
        ({"column T.a": "bigint"}, ["T"]),
        ({"primary key T(a)": None}, ["T"]),
        ({'column "log.t".a': None, 'column "log.t".b': "integer"}, ['"log.t"']),
        ({"table T": None, "table new": ""}, ["T"]),
        # What no subscriber needs.
        ({"index ix": None, "column other.a": "text", "view v": ""}, []),
    ],
)
def test_only_what_subscribers_must_have_too(
    change: dict[str, str | None], found: list[str]
) -> None:
    after = {key: text for key, text in {**BEFORE, **change}.items() if text is not None}
    findings = find_published(BEFORE, after, PUBLISHED)
    assert [each.where for each in findings] == found
    assert all(each.code == "published-table" for each in findings)
