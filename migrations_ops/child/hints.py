"""Hints for failures in the environment of env.py, which its failing line does not explain."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

Frames = Sequence[traceback.FrameSummary]


def hint_for(error: BaseException, frames: Frames, environment: str) -> str:
    """What to type for a known kind of error; empty otherwise.

    :param frames: the frames of its traceback, the innermost last.
    :param environment: the name of the environment, as the configuration has it.
    """
    where = f"environments.{environment}"
    if isinstance(error, KeyError):
        key = error.args[0] if error.args else ""
        if _is_in(frames[-1:], "os.py", "<frozen os>"):
            return f'The variable {key} is not set: add variables = {{ {key} = "..." }} to {where}.'
        if _is_in(frames, "logging/config.py"):
            return f"The ini lacks the section [{key}] of its logging, which env.py reads."
        if "get_x_argument" in _source(frames):
            return f'If env.py expects it as -x {key}=VALUE: add x = ["{key}=VALUE"] to {where}.'
    if isinstance(error, RuntimeError) and "application context" in str(error):
        return (
            "env.py needs its Flask application: open app.app_context() there, or let Flask run the"
            f' upgrade: commands = [["flask", "db", "upgrade"]] in {where}.'
        )
    return ""


def _is_in(frames: Frames, *files: str) -> bool:
    return any(frame.filename.replace("\\", "/").endswith(files) for frame in frames)


def _source(frames: Frames) -> str:
    """The source of the file that failed; empty if it cannot be read."""
    if not frames:
        return ""
    try:
        with open(frames[-1].filename, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
