"""What prevents an upgrade of a SQLite file, found before it starts."""

from __future__ import annotations

import os
from pathlib import Path

from migrations_ops.databases.sqlite import files
from migrations_ops.databases.sqlite.connect import connect, exists
from migrations_ops.databases.sqlite.errors import CHECK_RIGHTS, RESTORE


def find_trouble(path: Path, label: str) -> tuple[str, str]:
    """Why the file cannot be written, and what to do about it; empty where it can.

    :raises sqlite3.Error: it cannot be read.
    :raises OSError: it is not a file, or must not be read.
    """
    if not exists(path):
        if _is_writable(path.parent):
            return "", ""
        return f"the folder of {label} may not be written", CHECK_RIGHTS
    with connect(path, writing=True) as connection:
        connection.execute("PRAGMA schema_version").fetchone()
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        page_size = connection.execute("PRAGMA page_size").fetchone()[0]
    if not os.access(path, os.W_OK) or not _is_writable(path.parent):
        return f"{label} may not be written", CHECK_RIGHTS
    if path.stat().st_size < pages * page_size and not files.size_of(path, "-wal"):
        return f"{label} is cut short: it had {pages} pages once", RESTORE
    return "", ""


def _is_writable(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)
