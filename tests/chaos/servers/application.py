"""An application of a server's database, until it is killed: ``write`` or ``read``.

The one commits row after row and notes each that was acknowledged; the other one notes whatever
should never be seen. Both connect again when the connection breaks.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from typing import Any


def connect(address: dict[str, Any]) -> Any:
    """:param address: what the driver takes, with the name of the ``engine``."""
    engine, database, more = address["engine"], address["database"], address["login"]
    if engine == "postgresql":
        import psycopg

        return psycopg.connect(dbname=database, autocommit=True, connect_timeout=5, **more)
    import pymysql

    return pymysql.connect(
        database=database, autocommit=True, connect_timeout=5, read_timeout=30, **more
    )


def write(connection: Any, noted: str) -> None:
    with open(noted, "a", encoding="utf-8") as stream, connection.cursor() as cursor:
        number = 0
        while True:
            number += 1
            token = f"{os.getpid()}-{time.monotonic_ns()}-{number}"
            cursor.execute("INSERT INTO journal (token) VALUES (%s)", (token,))
            stream.write(f"{token}\n")
            stream.flush()
            time.sleep(0.004)


def read(connection: Any, noted: str) -> None:
    """Rows that every revision keeps are always there, all of them."""
    while True:
        with connection.cursor() as cursor:
            for table in ("parents", "children"):
                cursor.execute(f"SELECT count(*) FROM {table}")
                [(found,)] = cursor.fetchall()
                if found != 400:
                    note(noted, f"{found} {table}")
        time.sleep(0.01)


def note(noted: str, line: str) -> None:
    with open(noted, "a", encoding="utf-8") as stream:
        stream.write(f"{' '.join(line.split())}\n")


# A database or a table that is not there: nobody may ever see that.
_TORN = ("does not exist", "doesn't exist", "Unknown database")
# But for whoever connects to PostgreSQL in the moment of a restore, and is told to come again.
_COME_AGAIN = "just been dropped or renamed"


def main(role: str, address: str, noted: str, seen: str) -> None:
    act = {"write": write, "read": read}[role]
    while True:
        connection = None
        try:
            connection = connect(json.loads(address))
            act(connection, noted)
        except Exception as error:  # of two drivers, at any moment of a server that is killed
            if any(sign in str(error) for sign in _TORN) and _COME_AGAIN not in str(error):
                note(seen, f"{type(error).__name__}: {error}")
            time.sleep(0.02)
        finally:
            if connection is not None:
                with suppress(Exception):  # it is closed already, in whatever way
                    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
