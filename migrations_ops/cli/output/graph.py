"""Draws a history: in lanes for a terminal, and for Mermaid (https://mermaid.js.org)."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_ops.child.protocol.escaping import escaped
from migrations_ops.cli.output.style import Style, shortened, width
from migrations_ops.model.status import HistoryReport, RevisionRow
from migrations_ops.revisions.lanes import NODE, Line, lay_out

HERE = "●"


def graph(report: HistoryReport, style: Style) -> list[str]:
    """The revisions in lanes, newest first; none of the lines is wider than the terminal."""
    rows = {row.revision: row for row in report.revisions}
    lines = list(lay_out((row.revision, row.down) for row in report.revisions))
    drawn = [_line(line, rows.get(line.revision), style) for line in lines]
    if report.base:
        drawn.append(f"{_painted(HERE, style)} base  {', '.join(report.base)}")
    return drawn


def _line(line: Line, row: RevisionRow | None, style: Style) -> str:
    """One line. What is too long is cut: first the title, then lanes."""
    columns = style.columns()
    if row is None:
        return _painted(line.cells[:columns], style)
    cells = line.cells.replace(NODE, HERE) if row.environments else line.cells
    here = f"  {escaped(', '.join(row.environments))}" if row.environments else ""
    # An id is never cut: it has to be typed.
    cells = cells[: max(1, columns - width(row.revision) - width(here) - 1)]
    room = columns - len(cells) - width(row.revision) - width(here) - 2
    title = escaped(row.message)
    if width(title) > room:
        cut = style.sign("…")
        title = shortened(title, room - len(cut)) + cut if room > len(cut) else ""
    return (
        f"{_painted(cells, style)} {style.paint(row.revision, 'cyan')}"
        f"{' ' if title else ''}{title}{style.paint(here, 'green', 'bold')}"
    )


def _painted(cells: str, style: Style) -> str:
    return "".join(
        style.paint(style.sign(cell), "green") if cell == HERE
        else cell if cell == " " else style.paint(style.sign(cell), "dim")
        for cell in cells
    )  # fmt: skip


def mermaid(report: HistoryReport) -> list[str]:
    """The revisions as a flow chart, the newest on top."""
    names = {row.revision: f"r{number}" for number, row in enumerate(report.revisions)}
    return ["flowchart BT", *_nodes(report, names), *_edges(report, names)]


def _nodes(report: HistoryReport, names: dict[str, str]) -> Iterator[str]:
    for row in report.revisions:
        label = " ".join(filter(None, [row.revision, row.message]))
        here = ", ".join(row.environments)
        label = f"{_quoted(label)}<br/><b>{_quoted(here)}</b>" if here else _quoted(label)
        yield f'    {names[row.revision]}["{label}"]'
    if report.base:
        yield f'    base["base<br/><b>{_quoted(", ".join(report.base))}</b>"]'


def _edges(report: HistoryReport, names: dict[str, str]) -> Iterator[str]:
    for row in report.revisions:
        below = [names[parent] for parent in row.down if parent in names]
        below += ["base"] if report.base and not row.down else []
        yield from (f"    {each} --> {names[row.revision]}" for each in below)


def _quoted(text: str) -> str:
    """A text without what Mermaid reads as its own, or a browser as HTML."""
    return "".join(
        each if each.isalnum() or each in " -_.,:/()'" else f"#{ord(each)};" for each in text
    )
