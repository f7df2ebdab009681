"""A comment in a revision allows what it names, for a reason; text in a string allows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.model.allowed import Consent
from migrations_ops.model.findings import CODES
from migrations_ops.revisions.consents import (
    ConsentComments,
    consents_in,
    find_unused,
    read_consents,
)
from tests.unit.revisions.small_histories import revision

CODE = "dropped-table"
ALLOW = f"# migrations-ops: allow {CODE}:loans -- exported in May"


def read(source: str | bytes) -> ConsentComments:
    source = source if isinstance(source, bytes) else source.encode()
    return consents_in(source, "r2", "versions/r2.py")


def problems(source: str) -> list[str]:
    found = read(source)
    assert not found.consents
    return [each.message for each in (*found.problems, *found.unknown)]


def test_a_comment_is_a_consent_with_its_place() -> None:
    found = read(f'"""Drop loans."""\n\ndef upgrade():\n    {ALLOW}\n    op.drop_table("loans")\n')
    assert found == ConsentComments(
        (Consent(CODE, "loans", "exported in May", "r2", "versions/r2.py", 4),)
    )


@pytest.mark.parametrize(
    ("comment", "name", "reason"),
    [
        (f"# migrations-ops: allow {CODE} -- why", "", "why"),
        (f"#migrations-ops:allow {CODE}:t -- why", "t", "why"),
        (f"#  migrations_ops : allow   {CODE}:t   --   why  ", "t", "why"),
        (f'# migrations-ops: allow {CODE}:"a b" -- why', '"a b"', "why"),
        (f"# migrations-ops: allow {CODE}:a b.c -- why", "a b.c", "why"),
        (f"# migrations-ops: allow {CODE}:t -- see #4 -- or ask", "t", "see #4 -- or ask"),
        (f"# migrations-ops: allow {CODE}:t: x > 0 -- why: none", "t: x > 0", "why: none"),
        (f"# migrations-ops: allow {CODE}:a--b -- größer", "a--b", "größer"),
        (f"op.drop()  # noqa  # migrations-ops: allow {CODE}:t -- why", "t", "why"),
        (
            f"x = 1  # type: ignore[a]  # noqa: E501 # migrations-ops: allow {CODE} -- why",
            "",
            "why",
        ),
    ],
)
def test_ways_to_write_it(comment: str, name: str, reason: str) -> None:
    [consent] = read(comment).consents
    assert (consent.code, consent.name, consent.reason) == (CODE, name, reason)


@pytest.mark.parametrize(
    "before",
    ['# op.drop_table("loans")  ', "#", "# ", "# write it as ", "# no: ", "# noqa: E501 # not: "],
)
def test_what_is_commented_out_or_only_spoken_of_allows_nothing(before: str) -> None:
    assert read(f"{before}{ALLOW}\n") == ConsentComments()


@pytest.mark.parametrize("code", CODES)
def test_each_code_can_be_allowed(code: str) -> None:
    [consent] = read(f"# migrations-ops: allow {code}:x -- why").consents
    assert (consent.code, consent.name) == (code, "x")


@pytest.mark.parametrize(
    ("comment", "problem"),
    [
        (f"# migrations-ops: allow {CODE}:t", f"it has no reason for {CODE}:t"),
        (f"# migrations-ops: allow {CODE}:t --", f"it has no reason for {CODE}:t"),
        (f"# migrations-ops: allow {CODE}:t --why", f"it has no reason for {CODE}:t --why"),
        ("# migrations-ops: allow", "it names no code"),
        ("# migrations-ops: allow -- why", "it names no code"),
        ("# migrations-ops: allow :t -- why", "it names no code"),
        ("# migrations-ops: allow drop-table:t -- x", f"there is no code drop-table, but {CODE}"),
        (f"# migrations-ops: allow {CODE}: -- why", f"there is no code {CODE}:, but {CODE}"),
        ("# migrations-ops: allow zzzzzz -- why", "there is no code zzzzzz"),
        # It is no finding of a revision.
        ("# migrations-ops: allow missing-database -- x", "there is no code missing-database"),
    ],
)
def test_a_comment_that_allows_nothing_is_an_error(comment: str, problem: str) -> None:
    [message] = problems(f"\n{comment}")
    start = f"the comment in versions/r2.py:2 allows nothing: {problem}"
    assert message.startswith(start)
    assert message == start or "missing-database" in comment
    found = read(comment)
    assert bool(found.unknown) == ("there is no code" in problem)
    [found_once] = (*found.problems, *found.unknown)
    place = (found_once.code, found_once.severity, found_once.where)
    assert place == ("bad-allow", "error", "versions/r2.py:1")


@pytest.mark.parametrize(
    "source",
    [
        f"x = '{ALLOW}'",
        f'"""\n{ALLOW}\n"""',
        f'op.execute("""\n{ALLOW}\n""")',
        f"x = f'''\n{ALLOW}\n'''",
        f"x = 'a\\\n{ALLOW}'",
        "# allow dropped-table:loans -- why",
        "# migrations-ops allow dropped-table:loans -- why",
        "# migrations-ops: allowed dropped-table:loans -- why",
        "# migrations-ops: see the manual",
        "",
    ],
)
def test_other_text_allows_nothing(source: str) -> None:
    assert read(source) == ConsentComments()


@pytest.mark.parametrize(
    "broken",
    [
        b"def upgrade(:\n",
        b'x = """\n',
        b"    x\n  y\n",
        b"x = (\n",
        b"\xff\xfe",
        b"x = '\n",
        b"\0",
    ],
)
def test_what_is_no_python_is_read_as_far_as_it_goes(broken: bytes) -> None:
    """It has no consents after that; why it cannot run, other checks say."""
    assert {each.line for each in read(broken + ALLOW.encode()).consents} <= {1, 2, 3}
    [consent] = read(ALLOW.encode() + b"\n\n" + broken).consents or [None]
    assert consent is None or consent.line == 1


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_ends_and_any_encoding_of_python(end: str) -> None:
    source = end.join(["# coding: latin-1", "# migrations-ops: allow lost-rows -- größer", "x = 1"])
    [consent] = read(source.encode("latin-1")).consents
    assert (consent.line, consent.reason) == (2, "größer")
    assert read(b"\xef\xbb\xbf" + f"{ALLOW}{end}x = 1".encode()).consents


def test_the_codes_of_others_may_be_known() -> None:
    comment = b"# migrations-ops: allow my-rule -- why"
    assert consents_in(comment, "r2", "r2.py", {"my-rule"}).consents
    assert not consents_in(comment, "r2", "r2.py").consents


def test_revisions_are_read_in_their_order_and_named_from_the_root(tmp_path: Path) -> None:
    one, two, gone = tmp_path / "v" / "one.py", tmp_path / "two.py", tmp_path / "gone.py"
    one.parent.mkdir()
    one.write_text(ALLOW, encoding="utf-8")
    two.write_text(f"{ALLOW}\n# migrations-ops: allow lost-rows", encoding="utf-8")
    scripts = [
        revision("r1", file=str(one)),
        revision("r2", "r1", file=str(gone)),
        revision("r3", "r2", file=str(two)),
        # The configuration may name revisions without scripts.
        revision("r4", "r3")._replace(file=""),
    ]
    found = read_consents(scripts, tmp_path)
    places = [(each.revision, each.path) for each in found.consents]
    assert places == [("r1", "v/one.py"), ("r3", "two.py")]
    assert [each.where for each in found.problems] == ["two.py:2"]
    [elsewhere] = read_consents(scripts[:1], tmp_path / "other").consents
    assert elsewhere.path == str(one)


def test_a_comment_that_nothing_needed_is_noted() -> None:
    used, unused = read(f"{ALLOW}\n# migrations-ops: allow lost-rows:t -- why").consents
    [found] = find_unused([used, unused, Consent("lost-table")], [used])
    assert (found.code, found.severity, found.where) == ("unused-allow", "note", "versions/r2.py:2")
    assert "allows lost-rows:t" in found.message
