"""A lint report for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from migrations_ops.cli.output.lint.words import summary
from migrations_ops.cli.output.style import Style, plain
from migrations_ops.model.lint import LintFinding, LintReport

_INDENT = "  "


def as_text(report: LintReport, style: Style) -> list[str]:
    """Each finding with its place, what is wrong, and what to write instead; the count last."""
    columns = min(style.columns(), 100) if style.live else 80
    lines = [line for each in report.findings for line in (*_finding(each, style, columns), "")]
    sign, colour = ("✓", "green") if report.passed else ("✗", "red")
    first, *others = _wrapped(summary(report), columns)
    return [*lines, style.paint(style.sign(sign), colour) + first[1:], *others]


def _finding(found: LintFinding, style: Style, columns: int) -> Iterator[str]:
    place = f"{found.file}:{found.line}"
    yield f"{style.severity(found.severity)} {style.paint(place, 'cyan')} [{found.code}]"
    yield from _wrapped(found.message, columns)
    if found.severity != "note":
        yield from (style.paint(line, "dim") for line in _wrapped(found.advice, columns))


def _wrapped(text: str, columns: int) -> list[str]:
    # Escaped before, since that makes it longer.
    return textwrap.wrap(
        plain(text),
        columns,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
