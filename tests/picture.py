"""Draws the picture of the README, ``docs/release.svg``: a release as a terminal shows it.

What it shows is the output of a release in docs/tutorial.md, which a test holds against a real
one. ``python -m tests.picture`` draws it anew.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from html import escape

from tests.support import REPOSITORY

TUTORIAL = REPOSITORY / "docs/tutorial.md"
PICTURE = REPOSITORY / "docs/release.svg"
COMMAND = "$ invoke release-migration"

# In pixels; a monospaced letter is three fifths of its height wide.
_SIZE, _LINE, _MARGIN = 13, 19, 16
_LETTER = 0.6 * _SIZE
_COLUMNS, _CONTINUED = 116, " " * 6
_COLOURS = {"$": "#e6edf3", "✓": "#3fb950", "✗": "#f85149", "●": "#d29922"}
_PLAIN = "#adbac7"


def release_shown() -> list[str]:
    """The first whole release of the tutorial: the command, and what it prints."""
    lines = TUTORIAL.read_text(encoding="utf-8").splitlines()
    begin = lines.index(COMMAND)
    end = next(n for n in range(begin + 1, len(lines)) if lines[n].startswith(("$ ", "```")))
    return lines[begin:end]


def picture(lines: Sequence[str]) -> str:
    """An SVG, with no script, no font and no address of its own, that shows these lines."""
    lines = [part for line in lines for part in _folded(line)]
    width = round(max(map(len, lines)) * _LETTER) + 2 * _MARGIN
    height = len(lines) * _LINE + 2 * _MARGIN
    texts = "\n".join(_text(line, number) for number, line in enumerate(lines) if line)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-label="The output of invoke release-migration">\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>\n'
        f'<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{_SIZE}"'
        f' fill="{_PLAIN}">\n{texts}\n</g>\n</svg>\n'
    )


def _folded(line: str) -> list[str]:
    """A line in as many as it takes on a terminal."""
    if len(line) <= _COLUMNS:
        return [line]
    return textwrap.wrap(line, _COLUMNS, subsequent_indent=_CONTINUED, break_on_hyphens=False)


def _text(line: str, number: int) -> str:
    sign = line.lstrip()[:1]
    indent = len(line) - len(line.lstrip())
    x, y = _MARGIN + indent * _LETTER, _MARGIN + (number + 0.75) * _LINE
    rest = escape(line.lstrip()[1:])
    # Browsers fold ordinary spaces, and no longer all obey xml:space.
    rest = rest.replace(" ", "\N{NO-BREAK SPACE}")
    first = escape(sign)
    if sign in _COLOURS:
        first = f'<tspan fill="{_COLOURS[sign]}">{first}</tspan>'
    return f'<text x="{x:.1f}" y="{y:.1f}">{first}{rest}</text>'


def main() -> int:
    PICTURE.write_text(picture(release_shown()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
