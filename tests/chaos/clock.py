"""A clock that is off for one command: libfaketime, and what it takes to sleep under it.

libfaketime 0.9.10 takes the offset off the moment until which Python sleeps, though that is one of
the monotonic clock, which it leaves alone here: each ``time.sleep`` fails with EINVAL, and whatever
runs a program with a time limit then counts the program as missing.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
# The call of the system itself, before libfaketime sees it.
_SLEEP = """#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) ? errno : 0;
}
"""


@cache
def _libraries() -> str:
    """What is loaded before the command's own libraries; empty where that cannot be had."""
    compiler = shutil.which("cc")
    if compiler is None or not _FAKETIME.exists():
        return ""
    folder = Path(tempfile.mkdtemp(prefix="chaos-clock-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / "sleep.so"
    argv = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(argv, input=_SLEEP.encode(), check=True)
    return f"{library} {_FAKETIME}"


def variables(clock: str) -> dict[str, str]:
    """The variables of a command whose clock is off by that much, as faketime reads it."""
    if not (clock and _libraries()):
        return {}
    return {
        "LD_PRELOAD": _libraries(),
        "FAKETIME": clock,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
