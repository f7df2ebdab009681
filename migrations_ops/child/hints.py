"""Hints for failures in the environment of env.py, which its failing line does not explain."""

from __future__ import annotations

import os
import sys
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
            return (
                f"The ini lacks the section [{key}] of its logging, which env.py reads: copy what"
                " follows [loggers], and that, from an ini of alembic init."
            )
        if "get_x_argument" in _source(frames):
            return f'If env.py expects it as -x {key}=VALUE: add x = ["{key}=VALUE"] to {where}.'
    if isinstance(error, RuntimeError) and "application context" in str(error):
        return (
            'env.py needs its Flask application: add flask = "MODULE:create_app", or what else'
            f" FLASK_APP names, to {where}."
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _hint_for_module(error.name.partition(".")[0], where)
    return _hint_for_driver(error, where)


def _hint_for_module(name: str, where: str) -> str:
    """A module of the project is there without being found; any other has to be installed."""
    for folder in (".", "src"):
        if any(os.path.exists(os.path.join(folder, name + ending)) for ending in ("", ".py")):
            return (
                f"{name} is in the project, but not on the path of imports: set prepend_sys_path ="
                f" {folder} in the ini, or install the project into {sys.executable}."
            )
    return (
        f"{sys.executable} does not have {name}: install what the project requires there, or name"
        f' an interpreter that has it: python = ".venv/bin/python" in {where}.'
    )


def _hint_for_driver(error: BaseException, where: str) -> str:
    """The URL names a driver, or none, that does not fit the engine of env.py."""
    if type(error).__name__ == "InvalidRequestError" and "async driver" in str(error):
        return (
            f"env.py opens an async engine: let the url of {where} name an async driver, such as"
            " sqlite+aiosqlite, postgresql+asyncpg or mysql+asyncmy."
        )
    if type(error).__name__ == "MissingGreenlet":
        return f"env.py opens no async engine: let the url of {where} name no async driver."
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
