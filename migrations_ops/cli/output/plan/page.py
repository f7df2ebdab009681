"""A measured plan as a page of HTML: one file, without scripts, that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from migrations_ops.cli.output.plan.words import (
    PAGE,
    duration,
    nothing_pending,
    reads_in_words,
    stopped,
    summary,
    title,
    took,
    without_quick_reads,
)
from migrations_ops.cli.output.style import plain
from migrations_ops.model.measured_plan import MeasuredPlan, MeasuredRevision, MeasuredStatement

# Names and messages are escaped; if one were not, it still could not load or run anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """\
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
li.calm::marker { content: "✓ "; } li.alarm::marker { content: "⚠ "; }
li.stop::marker { content: "✗ "; } li.stop { font-weight: bold; }
table { border-collapse: collapse; width: 100%; } td, th { padding: .2rem .6rem; text-align: left; }
td.number, th.number { text-align: right; white-space: nowrap; }
tr + tr { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
code { overflow-wrap: anywhere; } summary { cursor: pointer; margin: 1rem 0; }
"""


def as_html(plan: MeasuredPlan) -> list[str]:
    """The plan as the lines of a page."""
    name = title(plan) if plan.revisions else nothing_pending(plan)
    head = [
        *f"{PAGE}{_text(name)}</title>".split("\n"),
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        *f"<style>\n{_STYLE}</style>".split("\n"),
    ]
    if not plan.revisions:
        return [*head, f"<p>{_text(name)}</p>"]
    return [
        *head,
        f"<h1>{_text(name)}</h1>",
        "<ul>",
        *_summary(plan),
        "</ul>",
        *(line for each in plan.revisions for line in _revision(each)),
    ]


def _summary(plan: MeasuredPlan) -> Iterator[str]:
    if plan.error is not None:
        yield f'<li class="stop">{_text(stopped(plan.error))}</li>'
    for is_calm, sentence in summary(plan):
        yield f'<li class="{"calm" if is_calm else "alarm"}">{_text(sentence)}</li>'
    for each in plan.findings:
        kind = {"error": "stop", "warning": "alarm"}.get(each.severity, "calm")
        yield f'<li class="{kind}">{_text(each.message)} <code>{_text(each.code)}</code></li>'


def _revision(revision: MeasuredRevision) -> Iterator[str]:
    shown, reads = without_quick_reads(revision)
    is_open = " open" if revision.seconds is None else ""
    yield f"<details{is_open}><summary><code>{_text(revision.revision)}</code>"
    yield f"{_text(revision.message)} ({_text(took(revision))})</summary>"
    yield f"<p><code>{_text(revision.file)}</code></p>"
    if revision.rewritten:
        tables = ", ".join(f"<code>{_text(each)}</code>" for each in revision.rewritten)
        yield f"<p>Rewrites whole tables: {tables}</p>"
    if shown:
        yield from _table(shown)
    if reads:
        yield f"<p>{_text(reads_in_words(reads))}</p>"
    yield "</details>"


def _table(shown: Iterable[MeasuredStatement]) -> Iterator[str]:
    heads = "".join(f'<th class="number">{each}</th>' for each in ("time", "rows", "times"))
    yield f"<table><tr>{heads}<th>statement</th></tr>"
    for each in shown:
        rows = "" if each.rows is None else f"{each.rows:,}"
        numbers = (duration(each.seconds), rows, f"{each.times:,}" if each.times else "failed")
        cells = "".join(f'<td class="number">{_text(number)}</td>' for number in numbers)
        yield f"<tr>{cells}<td><code>{_text(' '.join(each.sql.split()))}</code></td></tr>"
    yield "</table>"


def _text(text: str) -> str:
    return escape(plain(text))
