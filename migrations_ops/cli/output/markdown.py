"""The parts that every document in Markdown has: text that is shown as it is, code, tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from migrations_ops.cli.output.style import plain
from migrations_ops.model.findings import Finding


def escaped(text: str) -> str:
    """Text that Markdown shows as it is (https://spec.commonmark.org/, backslash escapes)."""
    return "".join(f"\\{each}" if each in "\\`*_{}[]<>()#+!|~@" else each for each in plain(text))


def code(text: str) -> str:
    """A code span; a bar would end the cell of a table, also in there."""
    text, ticks = plain(text), "`"
    while ticks in text:
        ticks += "`"
    inside = text.replace("|", "\\|")
    return f"{ticks} {inside} {ticks}" if "`" in text else f"{ticks}{inside}{ticks}"


def findings_list(findings: Iterable[Finding]) -> Iterator[str]:
    """Items of a list, one for each finding."""
    for each in findings:
        yield f"- **{each.severity}** {code(each.code)}: {escaped(each.message)}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table after an empty line; its cells are escaped here."""
    yield ""
    yield f"| {' | '.join(map(escaped, head))} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(map(escaped, row))} |" for row in rows)
