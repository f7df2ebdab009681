"""Keeps a transaction on a database open for a while, as a long job of an application does."""

from __future__ import annotations

import sqlite3
import sys
import time


def main(database: str, how: str, seconds: str) -> None:
    """Begin, say so, wait, and commit a row."""
    connection = sqlite3.connect(database, timeout=60, isolation_level=None)
    connection.execute(f"BEGIN {how}")
    if how != "DEFERRED":
        connection.execute("INSERT INTO journal (token) VALUES ('of the holder')")
    else:
        connection.execute("SELECT count(*) FROM journal").fetchone()
    print("held", flush=True)
    time.sleep(float(seconds))
    connection.execute("COMMIT")


if __name__ == "__main__":
    main(*sys.argv[1:])
