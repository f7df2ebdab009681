"""A step that takes long shows that it is at work, on a terminal and in a log."""

from __future__ import annotations

import io
import threading

import pytest

from migrations_ops.cli.output import progress
from migrations_ops.cli.output.progress import Heartbeat, Lines
from migrations_ops.model.outcome import StepResult

DONE = StepResult("upgrade", "prod", (), "2026-01-01T00:00:00.000Z", 0.5, 0, "done")


class Watched(io.StringIO):
    """A stream that tells when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.set()
        return count


class Terminal(Watched):
    def isatty(self) -> bool:
        return True


def test_a_silent_step_adds_lines_to_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_EACH_LINE", 0.001)
    stream = Watched()
    lines = Lines(stream)
    lines.begin("upgrade", "prod")
    lines.progress("revision abc")
    stream.written.clear()
    assert stream.written.wait(60)
    lines.end(DONE, "1 revision")
    after = stream.getvalue()
    assert "  upgrade prod: 0 s, revision abc\n" in after
    assert after.splitlines()[-1].startswith("ok upgrade")
    # Nothing is written once the step has ended.
    stream.written.clear()
    assert not stream.written.wait(0.05)


def test_a_silent_step_counts_its_seconds_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_EACH_SECOND", 0.001)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    lines = Lines(stream)
    lines.begin("upgrade", "prod")
    lines.progress("revision abc")
    stream.written.clear()
    assert stream.written.wait(60)
    lines.end(DONE, "1 revision")
    assert "revision abc 0 s" in stream.getvalue()
    assert "\n" not in stream.getvalue().rstrip("\n")


@pytest.mark.parametrize(("expected", "left"), [(600.0, ", about 10 min 00 s left"), (0.0, "")])
def test_what_is_left_of_the_time_that_the_rehearsal_took_is_shown(
    expected: float, left: str
) -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin("upgrade", "prod")
    lines.expect(expected)
    lines.progress("revision abc")
    lines._beat(0.1)
    # It took longer than that.
    lines._beat(700)
    lines.end(DONE, "1 revision")
    lines.begin("verify", "prod")
    lines._beat(1)
    lines.end(DONE, "at head")
    found = [line.strip() for line in stream.getvalue().splitlines() if line.startswith("  ")]
    assert found == [
        f"upgrade prod: 0 s{left}, revision abc",
        "upgrade prod: 11 min 40 s, revision abc",
        "verify prod: 1 s",
    ]


def test_a_heartbeat_does_not_act_after_it_was_stopped() -> None:
    acted: list[float] = []
    heartbeat = Heartbeat(0.0, acted.append)
    heartbeat.start()
    while not acted:
        pass
    heartbeat.stop()
    count = len(acted)
    threading.Event().wait(0.02)
    assert len(acted) == count
