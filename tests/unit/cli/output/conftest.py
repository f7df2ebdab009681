"""A terminal that is only a stream in memory."""

from __future__ import annotations

import os

import pytest

from migrations_ops.cli.output import style


@pytest.fixture(autouse=True)
def no_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stream that calls itself a terminal be one on Windows, too, which asks the console."""
    if os.name == "nt":
        monkeypatch.setattr(style, "_understands_escapes", lambda _: True)
