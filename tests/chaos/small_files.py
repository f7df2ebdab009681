"""Runs a command that cannot write files beyond a size: a full disk, as processes feel it."""

from __future__ import annotations

import os
import resource
import signal
import sys

if __name__ == "__main__":
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    os.execvp(sys.argv[2], sys.argv[2:])
