"""Takes the URL of a database apart as far as every engine's is alike, and the file's of SQLite.

``address.py`` parses the rest of a server's. The plugin of a bare ``alembic`` has its own two
lines for it: the child imports nothing of the parent.
"""

from __future__ import annotations

import re

# Without the slash it may be the name of a user.
_BEGINS = re.compile(
    r"(?:sqlite|postgresql|mariadb|mysql)(?:\+\w+)?(?::|$)|[A-Za-z][\w.-]*(?:\+\w+)?:/"
)


def dialect_of(url: str) -> str:
    """The dialect with its driver: ``postgresql+psycopg``."""
    return url.partition(":")[0]


def dialect_in_words(url: str) -> str:
    """The dialect for a message, with a space; empty if the text does not begin like a URL.

    Then it may be anything, a password for instance.
    """
    return f"{dialect_of(url)} " if _BEGINS.match(url) else ""


def scheme_of(url: str) -> str:
    """The dialect without its driver, by which an engine is found: ``postgresql``."""
    return dialect_of(url).partition("+")[0]


def sqlite_path_of(url: str) -> str:
    """The path of SQLite's file as it is written; empty where the URL names none: in memory."""
    path = url.partition(":///")[2].partition("?")[0]
    return "" if path == ":memory:" or path.startswith("file:") else path


def with_sqlite_path(url: str, path: str) -> str:
    """A URL of SQLite that leads to another file, with its own driver and options."""
    _, question, query = url.partition(":///")[2].partition("?")
    return f"{dialect_of(url)}:///{path}{question}{query}"
