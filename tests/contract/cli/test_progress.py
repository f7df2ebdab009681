"""Progress: on a terminal, what is done, how fast and how long yet; on a pipe, no trace of it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from migrations_ops.cli.output.progress import Lines, progress_bar, time_left
from migrations_ops.cli.output.style import Style
from migrations_ops.model.findings import Finding
from tests.support import Sandbox, clean_environment, query

MEGABYTES = 40
BAR = r"{what} +\d+% [█░]{{20}} [\d.]+ MB of [\d.]+ MB, [\d.]+ [KMG]B/s, \d+ s left"


def fill(file: Path) -> None:
    query(file, "CREATE TABLE ballast (bytes BLOB)")
    for _ in range(MEGABYTES // 10):
        query(file, "INSERT INTO ballast VALUES (randomblob(10000000))")


def on_a_terminal(sandbox: Sandbox, *arguments: str, columns: int) -> tuple[str, str]:
    """What a task writes to standard output, a file, and to the terminal."""
    pty, fcntl = pytest.importorskip("pty"), pytest.importorskip("fcntl")
    struct, termios = pytest.importorskip("struct"), pytest.importorskip("termios")
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with (sandbox.folder / "out.txt").open("w+b") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "invoke", *arguments],
            cwd=sandbox.folder,
            env=clean_environment(TERM="xterm"),
            stdin=side,
            stdout=out,
            stderr=side,
        )
        os.close(side)
        shown = b""
        try:
            while block := os.read(main, 65536):
                shown += block
        except OSError:  # Linux ends the last read so
            pass
        os.close(main)
        assert process.wait() == 0
        out.seek(0)
        return out.read().decode(), shown.decode()


def test_terminal_shows_amount_rate_and_time_left_of_copying_and_verifying(
    filled: Sandbox,
) -> None:
    fill(filled.prod)
    out, shown = on_a_terminal(filled, "backup", columns=120)
    for what in ("copying", "verifying"):
        assert re.search(BAR.format(what=what), shown), shown
    assert re.search(r"verifying 100% █{20} 4\d\.\d MB of 4\d\.\d MB, .* 0 s left", shown)
    assert "copying" not in out
    assert out.strip().endswith(".sqlite3")
    again, shown = on_a_terminal(filled, "backup", columns=120)
    assert again == out
    assert re.search(BAR.format(what="verifying"), shown), "a copy that is used again is read too"


def test_narrow_terminal_gets_no_line_that_wraps(filled: Sandbox) -> None:
    fill(filled.prod)
    _, shown = on_a_terminal(filled, "backup", columns=50)
    lines = re.findall(r"\r\x1b\[2K([^\r\n]*(?:copying|verifying)[^\r\n]*)", shown)
    assert lines
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert max(map(len, plain)) < 50
    assert any("%" in line for line in plain)


def test_pipe_gets_no_progress(filled: Sandbox) -> None:
    fill(filled.prod)
    ran = filled.invoke("backup")
    assert ran.code == 0, ran.err
    assert not re.search(r"copying|verifying|\r|\x1b", ran.err + ran.out)
    assert "back up" in ran.err


def test_rate_and_time_left_are_those_of_the_phase() -> None:
    """Not of the step: what was copied before says nothing of how fast it is read back."""
    style = Style(io.StringIO())
    shown = progress_bar(250_000_000, 1_000_000_000, 2.0, style)
    assert shown.endswith(", 125.0 MB/s, 6 s left")
    assert shown.startswith(" 25% ")


def test_console_without_such_signs_gets_a_bar_of_plain_ones() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert "##########----------" in progress_bar(50, 100, 1.0, Style(stream))


@pytest.mark.parametrize(("done", "total"), [(0, 100), (100, 100), (120, 100)])
def test_first_and_last_report_of_a_phase_make_sense(done: int, total: int) -> None:
    shown = progress_bar(done, total, 0.0, Style(io.StringIO()))
    assert re.match(r" {0,2}(0|100)% ", shown)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7805, "2 h 10 min")],
)
def test_time_left_is_reported_as_people_say_it(seconds: float, shown: str) -> None:
    assert time_left(seconds) == shown


def test_stream_that_is_no_terminal_is_asked_nothing() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin("back up", "prod")
    lines.progress("copying", 1, 2)
    assert stream.getvalue() == ""


def test_each_line_names_commands_as_they_are_typed_here() -> None:
    stream = io.StringIO()
    lines = Lines(stream, typed=lambda line: line.replace("invoke ", "invoke app."))
    lines.say("invoke verify")
    lines.finding(Finding("unusable", "error", "type: invoke heads", "dev"))
    assert stream.getvalue().count("invoke app.") == 2
