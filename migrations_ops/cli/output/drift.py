"""Formats what was changed by hand as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrations_ops.cli.output.style import Style
from migrations_ops.model.drift import ChangedObject, DriftReport
from migrations_ops.model.text import counted

_SHOWN = 10


def drift(reports: Sequence[DriftReport], style: Style) -> list[str]:
    """Each changed object with its definition before and now."""
    return [line for report in reports for line in _whole(report, style)]


def drift_in_short(reports: Sequence[DriftReport], style: Style) -> list[str]:
    """The first ten changed objects of each environment, a line each."""
    lines: list[str] = []
    for report in reports:
        if report.trouble or not report.unaccepted:
            lines += _whole(report, style)
            continue
        sign = style.severity("warning")
        lines += [
            f"{sign} {report.environment}: {_sentence(each)} since {report.release}"
            for each in report.unaccepted[:_SHOWN]
        ]
        if more := len(report.unaccepted[_SHOWN:]):
            lines.append(
                f"{sign} {report.environment}: {counted(more, 'more object')}:"
                f" invoke drift --env {report.environment}"
            )
    return lines


def _whole(report: DriftReport, style: Style) -> Iterator[str]:
    name = report.environment
    if report.trouble:
        yield f"{style.severity('note')} {name}: drift is unknown: {report.trouble}."
    elif not report.changed:
        sign = style.paint(style.sign("✓"), "green")
        yield f"{sign} {name} has the schema that release {report.release} left."
    else:
        yield f"{style.paint(name, 'bold')}, since release {report.release}:"
        for each in report.changed:
            yield from _object(each, style)


def _object(changed: ChangedObject, style: Style) -> Iterator[str]:
    sign = style.severity("note" if changed.accepted else "warning")
    yield f"{sign} {_sentence(changed)}{', accepted' * changed.accepted}"
    for title, definition in (("was", changed.was), ("now", changed.now)):
        if definition:
            first, *others = definition.split("\n")
            yield f"    {style.paint(title, 'dim')} {first}"
            yield from (f"        {line}" for line in others)


def _sentence(changed: ChangedObject) -> str:
    return f"the {changed.kind} {changed.name} was {changed.fate} by hand"
