"""Progress of a task: one line for each step and, on a terminal, what it is doing now."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from migrations_ops.child.protocol.escaping import escaped
from migrations_ops.cli.output import text
from migrations_ops.cli.output.style import Style, padded, shortened, shown, width
from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import StepResult
from migrations_ops.model.text import human_size
from migrations_ops.system.streams import discard

_NAME = 10
_ENVIRONMENT = 8
_REFRESH = 0.1
# How often, in seconds, a silent step shows that it is at work: on a terminal, and in a log.
_EACH_SECOND = 1.0
_EACH_LINE = 15.0
_BAR = 20
_ERASED = "\r\x1b[2K"
_GOOD = frozenset({"done", "verified", "reused", "passed", "proved equal"})


class Heartbeat:
    """Calls a function at intervals, in a thread, until it is stopped."""

    def __init__(self, interval: float, act: Callable[[float], None]) -> None:
        """:param interval: in seconds.
        :param act: gets the seconds since the start.
        """
        self._interval, self._act = interval, act
        self._ended = threading.Event()
        self._acting = threading.Lock()

    def start(self) -> None:
        self.stop()
        self._ended = threading.Event()
        arguments = (self._ended, time.monotonic())
        threading.Thread(target=self._run, args=arguments, daemon=True).start()

    def stop(self) -> None:
        """Stop it; it does not act any more when this returns."""
        self._ended.set()
        with self._acting:
            pass

    def _run(self, ended: threading.Event, begun: float) -> None:
        while not ended.wait(self._interval):
            with self._acting:
                if not ended.is_set():
                    self._act(time.monotonic() - begun)


class Lines:
    """Writes to standard error; standard output is for results."""

    def __init__(
        self, stream: TextIO | None = None, typed: Callable[[str], str] | None = None
    ) -> None:
        """:param typed: writes the commands in a line as they have to be typed here."""
        self._stream = sys.stderr if stream is None else stream
        self._typed = typed or str
        self.style = Style(self._stream)
        self._now = ("", "")
        self._phase = self._what = ""
        self._begun = self._shown = self._expected = 0.0
        self._findings: list[Finding] = []
        self._heartbeat = Heartbeat(_EACH_SECOND if self.style.live else _EACH_LINE, self._beat)

    def begin(self, step: str, environment: str) -> None:
        self._now = (step, environment)
        self._phase = self._what = ""
        self._expected = 0.0
        self.progress("")
        self._heartbeat.start()

    def progress(self, what: str, done: int = 0, total: int = 0) -> None:
        """Show what the step is doing; only on a terminal, and only as often as the eye can see.

        :param done: the number of bytes done so far.
        """
        moment = time.monotonic()
        self._what = what
        if not self.style.live:
            return
        if what != self._phase:
            self._phase, self._begun = what, moment
        elif total and done < total and moment - self._shown < _REFRESH:
            return
        self._shown = moment
        if total:
            what = f"{what} {progress_bar(done, total, moment - self._begun, self.style)}"
        self._draw(what)

    def expect(self, seconds: float) -> None:
        """How long the step will probably take, for the time left; without it that is unknown."""
        self._expected = seconds

    def _draw(self, what: str) -> None:
        """Redraw the line of the running step."""
        step, environment = self._now
        line = f"{self.style.sign('…')} {padded(step, _NAME)} {padded(environment, _ENVIRONMENT)} "
        # A line that wraps could not be erased.
        room = self.style.columns() - width(line) - 1
        what = shortened(escaped(what), room)
        self._put(f"{_ERASED}{shown(line + self.style.paint(what, 'dim'))}")

    def _beat(self, seconds: float) -> None:
        """Show that a step is still running, though there is no other news of it."""
        step, environment = self._now
        elapsed = time_left(seconds)
        if self._expected > seconds:
            elapsed += f", about {time_left(self._expected - seconds)} left"
        if self.style.live:
            if time.monotonic() - self._shown >= _EACH_SECOND:
                self._draw(f"{self._what} {elapsed}".strip())
        else:
            what = f", {self._what}" if self._what else ""
            self._write(f"  {step} {environment}: {elapsed}{what}")

    def end(self, result: StepResult, summary: str) -> None:
        self._heartbeat.stop()
        good = result.outcome in _GOOD
        sign, colour = ("✓", "green") if good else ("✗", "red")
        if self.style.live:
            self._put(_ERASED)
        name = padded(result.name, _NAME)
        environment = self.style.paint(padded(result.environment, _ENVIRONMENT), "bold")
        seconds = self.style.paint(f"{result.seconds:6.2f} s", "dim")
        outcome = summary if good else f"{result.outcome}: {summary}" if summary else result.outcome
        mark = self.style.paint(self.style.sign(sign), colour)
        self._write(f"{mark} {name} {environment} {seconds}  {outcome}")
        for finding in self._findings:
            self._tell(finding)
        self._findings, self._now = [], ("", "")

    def finding(self, finding: Finding) -> None:
        """Show a finding below its step, or at once if no step is running."""
        if self._now == ("", ""):
            self._tell(finding)
        else:
            self._findings.append(finding)

    def _tell(self, finding: Finding) -> None:
        self._write(f"    {text.finding(finding, self.style)}")

    def say(self, line: str) -> None:
        """Write a separate line."""
        self._write(line)

    def ask(self, question: str) -> str:
        """Write a question, and return the line that is typed."""
        self._put(f"{shown(question)} ")
        return sys.stdin.readline().strip()

    def _write(self, line: str) -> None:
        self._put(f"{shown(self._typed(line))}\n")

    def _put(self, text_: str) -> None:
        # A closed terminal or a broken pipe does not stop the task.
        try:
            self._stream.write(text_)
            self._stream.flush()
        except OSError:
            discard(self._stream)


def progress_bar(done: int, total: int, seconds: float, style: Style) -> str:
    """The progress bar: share done, speed, and time left.

    The share comes first: a narrow terminal cuts off the rest.
    """
    share = min(1.0, done / total)
    filled = round(share * _BAR)
    bar = style.sign("█") * filled + style.sign("░") * (_BAR - filled)
    parts = [f"{share:4.0%} {bar} {human_size(done)} of {human_size(total)}"]
    if done and seconds > 0:
        parts.append(f"{human_size(round(done / seconds))}/s")
        parts.append(f"{time_left(seconds / share - seconds)} left")
    return ", ".join(parts)


def time_left(seconds: float) -> str:
    """``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
