"""No text acts on what shows it: a terminal, a reader, or the log of a CI runner."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from migrations_ops.child.protocol.escaping import defused, in_json, one_line
from migrations_ops.system.streams import AS_BYTES

# What must never leave, by what Unicode says of it. Joiners belong to words and to emoji, and some
# marks of Arabic, Syriac and Kaithi, which Unicode counts among these, can be seen.
_ACTING = {"Cc", "Cf", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
_SEEN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
_PIECES = st.sampled_from(
    ["::", ":", "#", "##[", "##vso[", "##teamcity[", "error", "[", "\n", "\r", " ", "\u3000", "\\"]
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.lists(_PIECES).map("".join),
)


def is_acting(character: str) -> bool:
    return unicodedata.category(character) in _ACTING and character not in _JOINERS + _SEEN


def is_command(line: str) -> bool:
    """As the runners find one: GitHub after it has trimmed the line, the others anywhere."""
    return line.strip().startswith("::") or re.search(r"##\w*\[", line) is not None


def as_bytes(text: str) -> str:
    """As a terminal sees it: what could not be decoded goes out as the bytes that it is."""
    data = text.encode("utf-8", AS_BYTES)
    return data.decode("utf-8", "surrogateescape")


@given(TEXTS)
@example("\udce2\udc80\udcae and \udc9b and \udce5\udcba\udc97")
@example("\x1b]0;title\x07\x9b2J\u202egpj.exe\u2066\udc9b31m")
@example("\t ::error::x\n##vso[task.complete]###[group]\r::set-output")
def test_a_text_is_one_line_that_acts_on_nothing(text: str) -> None:
    shown = one_line(text)
    assert not [character for character in as_bytes(shown) if is_acting(character)]
    assert not re.search("[\udc80-\udc9f]", as_bytes(shown))
    assert len(shown.splitlines()) <= 1
    assert not is_command(shown)
    assert one_line(shown) == shown


def test_no_character_that_acts_is_left() -> None:
    acting = filter(is_acting, map(chr, range(sys.maxunicode + 1)))
    assert [each for each in acting if one_line(each) == each or in_json(each) == each] == ["\n"]


_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


@given(_DOCUMENTS, st.sampled_from([None, 2]))
@example({"a\x9b": ["##vso[x]\u202e\U000e0041\udc9b\x7f"]}, 2)
def test_a_document_has_the_same_content_and_acts_on_nothing(document: Any, indent: int) -> None:
    text = in_json(json.dumps(document, indent=indent, ensure_ascii=False))
    assert json.loads(text) == document
    assert not [each for each in text.replace("\n", "") if is_acting(each)]
    assert not any(map(is_command, text.splitlines()))
    assert in_json(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31m\x00\x7f\x9b", "\\x1b[31m\\x00\\x7f\\x9b"),
        ("\u202eabc\u2028\U000e0041", "\\u202eabc\\u2028\\U000e0041"),
        ("a \udc9b b", "a \\x9b b"),
        ("\udce5\udcba\udc97 \udce2\udc80\udcae", "\udce5\udcba\udc97 \\u202e"),
        ("café \udce9 👩\u200d🚀 本番", "café \udce9 👩\u200d🚀 本番"),
        ("::error file=a::b", "\\::error file=a::b"),
        ("  ::stop-commands::x", "  \\::stop-commands::x"),
        ("column a::text", "column a::text"),
        ("##[error]x and ##vso[y]", "#\\#[error]x and #\\#vso[y]"),
        ("## heading [a]", "## heading [a]"),
    ],
)
def test_an_escaped_text_can_be_read(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_a_colour_of_ours_hides_no_command() -> None:
    assert defused("\x1b[1m ::error::\x1b[0m") == "\x1b[1m \\::error::\x1b[0m"
