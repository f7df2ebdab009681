"""Reads a database without pause until it is killed, and notes whatever should never be seen."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing


def main(database: str, seen: str, rows: str) -> None:
    """Every snapshot has all the rows: an upgrade or a restore is seen whole or not at all."""
    with open(seen, "a", encoding="utf-8") as stream:
        while True:
            try:
                with closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True)) as connection:
                    for _ in range(50):
                        found = _look(connection)
                        if found != (int(rows), int(rows)):
                            stream.write(f"{found[0]} parents, {found[1]} children\n")
                            stream.flush()
                        time.sleep(0.005)
            except sqlite3.OperationalError as error:
                if not any(word in str(error) for word in ("locked", "unable to open", "full")):
                    stream.write(f"{error}\n")
                    stream.flush()
                time.sleep(0.01)
            except sqlite3.DatabaseError as error:
                stream.write(f"{error}\n")
                stream.flush()
                time.sleep(0.01)


def _look(connection: sqlite3.Connection) -> tuple[int, int]:
    connection.execute("BEGIN")
    try:
        [(parents,)] = connection.execute("SELECT count(*) FROM parents").fetchall()
        [(children,)] = connection.execute("SELECT count(*) FROM children").fetchall()
        return parents, children
    finally:
        connection.execute("ROLLBACK")


if __name__ == "__main__":
    main(*sys.argv[1:])
