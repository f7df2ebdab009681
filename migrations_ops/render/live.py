"""Progress while a task works: a line a step, and what it is doing now on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from migrations_ops.render import text
from migrations_ops.render.style import Style, padded, shortened, width
from migrations_ops.results import Finding, StepResult

_NAME = 10
_ENVIRONMENT = 8
_REFRESH = 0.1
_GOOD = frozenset({"done", "verified", "reused", "passed", "proved equal"})


class Lines:
    """Writes to standard error; standard output is for results."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self.style = Style(self._stream)
        self._now = ("", "")
        self._begun = self._shown = 0.0
        self._findings: list[Finding] = []

    def begin(self, step: str, environment: str) -> None:
        self._now = (step, environment)
        self._begun = time.monotonic()
        self.progress("")

    def progress(self, what: str, done: int = 0, total: int = 0) -> None:
        """Show what the step is doing; on a terminal only, and not more often than one sees."""
        moment = time.monotonic()
        if not self.style.live or (total and done < total and moment - self._shown < _REFRESH):
            return
        self._shown = moment
        if total:
            share = done / total
            seconds = moment - self._begun
            left = f", {seconds / share - seconds:.0f} s left" if share > 0 and seconds > 1 else ""
            what = f"{what} {share:.0%}{left}"
        step, environment = self._now
        line = f"{self.style.sign('…')} {padded(step, _NAME)} {padded(environment, _ENVIRONMENT)} "
        # A line that wraps could not be taken back.
        room = shutil.get_terminal_size().columns - width(line) - 1
        self._stream.write(f"\r\x1b[2K{line}{self.style.paint(shortened(what, room), 'dim')}")
        self._stream.flush()

    def end(self, result: StepResult, note: str) -> None:
        good = result.outcome in _GOOD
        sign, colour = ("✓", "green") if good else ("✗", "red")
        clear = "\r\x1b[2K" if self.style.live else ""
        name = padded(result.name, _NAME)
        environment = self.style.paint(padded(result.environment, _ENVIRONMENT), "bold")
        seconds = self.style.paint(f"{result.seconds:6.2f} s", "dim")
        said = note if good else f"{result.outcome}: {note}" if note else result.outcome
        mark = self.style.paint(padded(self.style.sign(sign), 2), colour)
        self._write(f"{clear}{mark}{name} {environment} {seconds}  {said}")
        for finding in self._findings:
            self._write(f"    {text.finding(finding, self.style)}")
        self._findings = []

    def finding(self, finding: Finding) -> None:
        self._findings.append(finding)

    def say(self, line: str) -> None:
        """A line of its own."""
        self._write(line)

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()
