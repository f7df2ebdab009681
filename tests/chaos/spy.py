"""Another user of the host, who tries to read everything that a task writes, until it is killed."""

from __future__ import annotations

import os
import sys
import time

NOBODY = 65534


def main(seen: str, *folders: str) -> None:
    """Note each file, and each list of files, that can be read."""
    with open(seen, "a", encoding="utf-8") as stream:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        noted: set[str] = set()
        while True:
            for folder in folders:
                for path in _readable(folder):
                    if path not in noted:
                        noted.add(path)
                        stream.write(f"as another user {path}\n")
                        stream.flush()
            time.sleep(0.001)


def _readable(path: str) -> list[str]:
    try:
        names = os.listdir(path)
    except NotADirectoryError:
        return [path] if _opens(path) else []
    except OSError:
        return []
    return [path, *(each for name in names for each in _readable(os.path.join(path, name)))]


def _opens(path: str) -> bool:
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main(*sys.argv[1:])
