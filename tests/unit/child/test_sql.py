"""The lexer takes any text apart as the engine would that executes it."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.child.protocol.sql import Syntax, Token, located, normal, tokens

SYNTAXES: tuple[Syntax, ...] = get_args(Syntax)
# Any text at all, and what quotes, comments and names are made of, thrown together.
PIECES = (
    "'", '"', "`", "[", "]", "\\", "--", "#", "/*", "*/", "/*!", "/*M!50001", "$$", "$x$", "$", "@",
    "E'", "a", "1", "é", "\u00a0", " ", "\t", "\n", "\r", "\v", "\x01", ";", ".", "(", ")", ",",
    "::", "->>", "COMMIT", "\U0001f600",
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
# What may lie between two tokens begins like this.
GAPS = (" ", "\t", "\n", "\v", "\f", "\r", "--", "#", "/*", "*/")


@pytest.mark.parametrize("syntax", SYNTAXES)
@given(text=TEXTS)
def test_tokens_and_what_lies_between_them_are_the_whole_text(syntax: Syntax, text: str) -> None:
    end = 0
    for start, stop, token in located(text, syntax):
        assert end <= start < stop <= len(text)
        assert start == end or text[end:start].startswith(GAPS)
        written = text[start:stop]
        assert token.quoted or written.startswith("$") or token.text == written
        end = stop
    assert end == len(text) or text[end:].startswith(GAPS)


@pytest.mark.parametrize("syntax", SYNTAXES)
@given(text=TEXTS)
def test_a_token_is_one_thing(syntax: Syntax, text: str) -> None:
    for token in tokens(text, syntax):
        assert token.quoted + token.literal + token.is_word <= 1
        assert token.is_name == (token.quoted or token.is_word)


@given(text=st.text(alphabet=st.characters(exclude_characters="\\")))
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_quoted_text_is_more_than_one_token(syntax: Syntax, text: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"
    assert tokens(f"{literal};", syntax) == [Token(literal), Token(";")]
    name = '"' + text.replace('"', '""') + '"'
    assert tokens(f"{name};", syntax) == [Token(text, '"'), Token(";")]


@given(text=st.text())
def test_what_is_normal_stays_as_it_is(text: str) -> None:
    assert normal(normal(text)) == normal(text)


@pytest.mark.parametrize(
    ("syntax", "sql", "found"),
    [
        ("sqlite", "a '--b' -- c\n\"d\"\"e\" /* f */ [g]", ["a", "'--b'", 'd"e', "g"]),
        ("sqlite", "'\\' -- x", ["'\\'"]),
        ("sqlite", "/* /* */ a */", ["a", "*", "/"]),
        ("sqlite", "-- a\rb\nc", ["c"]),
        ("postgresql", "E'a\\'b' e'c''d' xE'\\'", ["E'a\\'b'", "e'c''d'", "xE", "'\\'"]),
        ("postgresql", "$$a'b$$ $x$ $$ $x$ $1 a$b$ c", ["'a''b'", "' $$ '", "$1", "a$b$", "c"]),
        ("postgresql", "$\u00e9$ a $\u00e9$ $\U0001f600$'$\U0001f600$", ["' a '", "''''"]),
        ("postgresql", "/* /* a */ b */ c", ["c"]),
        ("postgresql", "-- a /* b\nc", ["c"]),
        ("postgresql", "-- a\rb", ["b"]),
        ("postgresql", "[a] `b`", ["[", "a", "]", "`", "b", "`"]),
        ("postgresql", "# a", ["#", "a"]),
        ("mariadb", "'a\\'b' \"c\\\"d\" `e``f`", ["'a\\'b'", 'c\\"d', "e`f"]),
        ("mariadb", "a # b\nc -- d\n--e --\x01f\n--\u00a0g",
         ["a", "c", "-", "-", "e", "-", "-", "\u00a0g"]),
        ("mariadb", "/*!40101 a */ /*M!100100 b*/ /* c */ /*! /* d */ e */", ["a", "b", "e"]),
        ("mariadb", "2*/* a */3", ["2", "*", "3"]),
        ("mariadb", "@a @@b.c 'd'@`e`", ["@", "a", "@", "@", "b", ".", "c", "'d'", "@", "e"]),
        ("no_backslash_escapes", "'a\\' \"b\\\" c", ["'a\\'", "b\\", "c"]),
        ("facts", "-- 'a' E'\\'' # \"b\"", ["-", "-", "'a'", "E'\\''", "#", "b"]),
        ("facts", "a::b->>c<=>d||e", ["a", "::", "b", "->>", "c", "<=>", "d", "||", "e"]),
    ],
)  # fmt: skip
def test_each_engine_has_a_syntax_of_its_own(syntax: Syntax, sql: str, found: list[str]) -> None:
    assert [token.text for token in tokens(sql, syntax)] == found


@pytest.mark.parametrize(
    ("syntax", "sql"),
    [
        ("sqlite", "a 'b"), ("sqlite", 'a "b'), ("sqlite", "a [b"), ("sqlite", "a /* b"),
        ("postgresql", "a $x$ b"), ("postgresql", "a E'\\"), ("postgresql", "a /* /* b */"),
        ("mariadb", "a `b"), ("mariadb", "a 'b\\"),
    ],
)  # fmt: skip
def test_what_is_never_closed_goes_on_to_the_end(syntax: Syntax, sql: str) -> None:
    found = tokens(f"{sql}; c", syntax)
    assert found[0] == Token("a")
    assert not any(token.means(";") for token in found)
