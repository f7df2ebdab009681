"""Names in the SQL of MariaDB."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name in SQL."""
    escaped = name.replace("`", "``")
    return f"`{escaped}`"


def exactly(column: str, database: str = "DATABASE()") -> str:
    """A condition beside ``column = database``.

    Without it, the server also lists triggers and events of ``shop`` when ``Shop`` is meant.
    """
    return f"(@@lower_case_table_names OR BINARY {column} = {database})"


def account_in_sql(name: str, host: str) -> str:
    """Some names, such as ``release``, are words of SQL."""
    return f"{quoted(name)}@{quoted(host)}"
