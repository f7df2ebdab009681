"""Writes into a database without pause until it is killed, and notes what was committed."""

from __future__ import annotations

import os
import sqlite3
import sys
import time


def main(database: str, tokens: str) -> None:
    """Commit one row after the other; a token is noted only after its commit was acknowledged."""
    connection = sqlite3.connect(database, timeout=60, isolation_level=None)
    number = 0
    with open(tokens, "a", encoding="utf-8") as stream:
        while True:
            number += 1
            token = f"{os.getpid()}-{number}"
            try:
                connection.execute("INSERT INTO journal (token) VALUES (?)", (token,))
            except sqlite3.OperationalError:
                time.sleep(0.01)
                continue
            stream.write(f"{token}\n")
            stream.flush()
            time.sleep(0.002)


if __name__ == "__main__":
    main(*sys.argv[1:])
