"""Unit tests start no process and open no socket: what needs one belongs to the contract."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import Any, NoReturn

import pytest


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a process or opens a connection within a unit test fails."""

    def refuse(what: str) -> Any:
        def refused(*_: Any, **__: Any) -> NoReturn:
            pytest.fail(f"A unit test {what}; move it to tests/contract.")

        return refused

    starts = refuse("starts a process")
    monkeypatch.setattr(subprocess.Popen, "__init__", starts)
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system"):
        monkeypatch.setattr(os, name, starts, raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse("opens a connection"))
    monkeypatch.setattr(socket.socket, "connect_ex", refuse("opens a connection"))
