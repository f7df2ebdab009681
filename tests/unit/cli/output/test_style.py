"""Colours, signs and widths follow what the stream can show."""

from __future__ import annotations

import io

import pytest

from migrations_ops.cli.output.style import Style, padded, shortened, shown, width


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def terminal(encoding: str = "utf-8") -> Terminal:
    return Terminal(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("text", "columns"),
    [("prod", 4), ("本番", 4), ("e\u0301", 1), ("", 0), ("ﾊﾝｶｸ", 4)],
)
def test_a_width_is_counted_in_columns(text: str, columns: int) -> None:
    assert width(text) == columns
    assert width(padded(text, 6)) == 6


def test_a_text_is_cut_before_a_character_that_goes_past_the_columns() -> None:
    assert shortened("本番環境", 5) == "本番"
    assert shortened("prod", 5) == "prod"


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert shown(Style(terminal()).paint("prod", "red", "bold")) == "\x1b[31;1mprod\x1b[0m"
    assert Style(io.StringIO()).paint("prod", "red") == "prod"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Style(terminal()).paint("prod", "red") == "prod"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert Style(terminal()).paint("prod", "red") == "prod"


def test_a_line_leaves_with_our_colours_and_without_those_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    ours, theirs = Style(terminal()).paint("note", "dim"), "\x1b[31m\ufdd01\ufdd1\n::error::"
    line = f"{ours} {theirs} mysql://me:secret@db/shop"
    assert shown(line) == (
        "\x1b[2mnote\x1b[0m \\x1b[31m\\ufdd01\\ufdd1\\n::error:: mysql://me:***@db/shop"
    )
    assert shown("::error::x") == "\\::error::x"


@pytest.mark.parametrize(("encoding", "sign"), [("utf-8", "✓"), ("cp932", "ok"), ("ascii", "ok")])
def test_signs_are_plain_where_the_encoding_lacks_them(encoding: str, sign: str) -> None:
    assert Style(terminal(encoding)).sign("✓") == sign
