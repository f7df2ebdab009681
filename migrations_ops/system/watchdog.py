"""Runs a command, and ends it when the requesting process has died.

Started by its path; it imports the standard library only. A project's command does not read the
channel by which a child notices that the parent was killed: without a watchdog it would keep
migrating a database whose lock is free again.

The parent writes one line, ``{"argv": [...], "timeout": 60.0}``, and closes the channel when the
command has to end. The answer is one line: ``{"exit": 0}``, with ``"reason"`` where the command
could not be started or did not end by itself. The command reads what is under ``"input"``; files
under ``"remove"`` go when it has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import IO, Any

# How long, in seconds, a command may take to end by itself when it is asked to.
GRACE = 5.0


def main() -> int:
    """Run the command of the first line."""
    control, channel = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # The output of the command goes to the log.
    os.dup2(2, 1)
    line = control.readline()
    if not line:
        return 0
    order = json.loads(line)
    answer = _run(order["argv"], order["timeout"], control, order.get("input", ""))
    for file in order.get("remove", ()):
        with contextlib.suppress(OSError):
            os.unlink(file)
    with contextlib.suppress(OSError):
        channel.write(json.dumps(answer).encode() + b"\n")
        channel.flush()
    # os._exit: a normal exit would wait for the reader thread.
    os._exit(0)


def _run(argv: list[str], timeout: float | None, control: Any, text: str) -> dict[str, Any]:
    given = subprocess.PIPE if text else subprocess.DEVNULL
    try:
        command = subprocess.Popen(argv, stdin=given, **_group_of_its_own())
    except OSError as error:
        return {"exit": None, "reason": f"it cannot be started: {error.strerror}"}
    threading.Thread(target=_watch, args=(control, command), daemon=True).start()
    if command.stdin is not None:
        # In a thread: a command that does not read would block a long text for ever.
        threading.Thread(target=_give, args=(command.stdin, text), daemon=True).start()
    try:
        return {"exit": command.wait(timeout)}
    except subprocess.TimeoutExpired:
        _end(command)
        reason = f"it took longer than the {timeout:g} seconds that timeout allows, and was killed"
        return {"exit": command.wait(), "reason": reason}


def _give(pipe: IO[bytes], text: str) -> None:
    with contextlib.suppress(OSError):
        pipe.write(text.encode())
    with contextlib.suppress(OSError):
        pipe.close()


def _watch(control: Any, command: subprocess.Popen[bytes]) -> None:
    control.read()
    _end(command)


def _end(command: subprocess.Popen[bytes]) -> None:
    """End the command with everything that it started: terminate first, then kill."""
    if sys.platform == "win32":
        tree = ["taskkill", "/F", "/T", "/PID", str(command.pid)]
        with contextlib.suppress(OSError):
            subprocess.run(tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        command.kill()  # where taskkill could not: what follows waits for its end
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(command.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(command.pid, signal.SIGKILL)


def _group_of_its_own() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}


if __name__ == "__main__":
    sys.exit(main())
