"""Python programs that are forked from a process that has imported what they begin with.

Two thirds of a short task, and nine tenths of a step of Alembic by hand, are the start of Python
and its imports. A test whose promise is about these starts a process of its own instead.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from typing import Any


class Program:
    """A module that is run as with ``python -m``, one run at a time."""

    def __init__(self, module: str, env: Mapping[str, str], *ahead: str) -> None:
        """:param env: the variables that are there when Python starts.
        :param ahead: modules that each run finds imported.
        """
        self._argv = [sys.executable, __file__, module, *ahead]
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        # Who comes while another one runs starts a process of its own.
        self.free = threading.Lock()

    def run(
        self, arguments: tuple[str, ...], cwd: Path, env: Mapping[str, str], timeout: float
    ) -> tuple[int, str, str]:
        """Returns the exit code, the output and the errors; call it with ``free`` acquired.

        :raises subprocess.TimeoutExpired: it has been killed.
        """
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        with TemporaryDirectory() as place:
            files = [Path(place, "out"), Path(place, "err")]
            order: dict[str, Any] = {"arguments": arguments, "cwd": str(cwd), "env": dict(env)}
            order |= {"files": list(map(str, files)), "umask": _umask()}
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            pid = int(process.stdout.readline())
            if not select([process.stdout], [], [], timeout)[0]:
                os.kill(pid, 9)
                process.stdout.readline()
                raise subprocess.TimeoutExpired(arguments, timeout)
            code = int(process.stdout.readline())
            out, err = (file.read_text(encoding="utf-8") for file in files)
        return code, out, err

    def _start(self) -> subprocess.Popen[bytes]:
        # Without buffers: whether an answer is there is asked of the pipe itself.
        process = subprocess.Popen(
            self._argv, bufsize=0, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        atexit.register(process.communicate)
        return process


def _umask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found


def _serve(module: str, *ahead: str) -> None:
    for each in ahead:
        importlib.import_module(each)
    # What is imported is no garbage of the forks.
    gc.freeze()
    # Read without a buffer that a fork might inherit.
    while line := _line():
        pid = os.fork()
        if not pid:
            _become(module, json.loads(line))
            return
        os.write(1, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


def _line() -> bytes:
    found = b""
    while not found.endswith(b"\n") and (more := os.read(0, 65536)):
        found += more
    return found


def _become(module: str, order: dict[str, Any]) -> None:
    """Be the program: what is left of this process is what a fresh one would have."""
    os.chdir(order["cwd"])
    os.umask(order["umask"])
    os.environ.clear()
    os.environ.update(order["env"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    opened = [os.open(os.devnull, os.O_RDONLY)]
    opened += [os.open(file, flags, 0o600) for file in order["files"]]
    for number, file in enumerate(opened):
        os.dup2(file, number)
        os.close(file)
    sys.argv[1:] = order["arguments"]
    sys.path[0] = order["cwd"]
    with suppress(KeyError):
        del sys.modules["__main__"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
