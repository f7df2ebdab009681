"""The skeleton of a page of HTML: one file, without scripts, that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from migrations_ops.cli.output.style import plain
from migrations_ops.model.findings import Finding

# How a page begins; its title follows.
BEGINNING = "<!doctype html>\n<title>"
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
td.line { width: 30%; padding: 0; } .bar { background: currentColor; opacity: .6; height: .7rem; }
pre { overflow-x: auto; } span.gone { color: light-dark(#a00, #f88); }
span.new { color: light-dark(#060, #8d8); } span.same { opacity: .7; }
code { overflow-wrap: anywhere; } summary { cursor: pointer; margin: 1rem 0; }
"""


def page(title: str) -> list[str]:
    """The lines with which a page begins: its head, and its title as a heading."""
    shown = as_html_text(title)
    return [
        *f"{BEGINNING}{shown}</title>".split("\n"),
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        *f"<style>\n{_STYLE}</style>".split("\n"),
        f"<h1>{shown}</h1>",
    ]


def findings_list(findings: Iterable[Finding]) -> Iterator[str]:
    """Items of a list, one for each finding."""
    for each in findings:
        kind = {"error": "stop", "warning": "alarm"}.get(each.severity, "calm")
        message, code = as_html_text(each.message), as_html_text(each.code)
        yield f'<li class="{kind}">{message} <code>{code}</code></li>'


def as_html_text(text: str) -> str:
    """A text that HTML shows as it is."""
    return escape(plain(text))
