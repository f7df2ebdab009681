"""What the releases on servers share: how a database is compared, and how a step is met."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.databases import ServerDatabase
from tests.servers.shops import ServerShop
from tests.support import Ran

# Revisions that a test adds come after the last one of the project.
NEXT = "r4dddddddddd"
HEAD = "r3cccccccccc"
# What no output and no file may hold.
SECRETS = ("hidden-word-of-postgres", "hidden-word-of-root")


def content(database: ServerDatabase) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the project keeps in a database."""
    tables = sorted(
        str(name)
        for (name,) in database.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            f" AND table_schema = {_schema(database)}"
        )
    )
    columns = database.execute(
        "SELECT table_name, column_name, is_nullable FROM information_schema.columns"
        f" WHERE table_schema = {_schema(database)} AND table_name <> 'migrations_ops_ledger'"
        " ORDER BY 1, 2"
    )
    return {"columns": columns} | {
        name: sorted(database.execute(f"SELECT * FROM {name}"), key=repr) for name in tables
    }


def _schema(database: ServerDatabase) -> str:
    return "'public'" if is_postgres(database) else "DATABASE()"


def is_postgres(database: ServerDatabase) -> bool:
    return database.url().startswith("postgresql")


def copies(shop: ServerShop) -> set[str]:
    """The throw-away databases that are left on the server."""
    found = shop.prod_database.server.databases()
    return {name for name in found if name.startswith("migrations_ops_copy")}


def wait_for(there: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something is true, and fail if it never is."""
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)


def require_no_secret(shop: ServerShop, *runs: Ran) -> None:
    """No password stands in an output, nor in a file that the tool has written."""
    texts = [text for ran in runs for text in (ran.out, ran.err)]
    files = [file for file in (shop.folder / "data").rglob("*") if file.is_file()]
    texts += [file.read_bytes().decode("latin-1") for file in files]
    for secret in SECRETS:
        assert not any(secret in text for text in texts)


def sleeping(seconds: float, database: ServerDatabase) -> str:
    """A statement of a revision that takes so long on the server."""
    call = f"pg_sleep({seconds})" if is_postgres(database) else f"SLEEP({seconds})"
    return f'    op.execute("SELECT {call}")'


def record_of(shop: ServerShop) -> str:
    """The newest record, as text."""
    records = sorted(
        Path(shop.folder, "data/repom/releases").glob("*/release.json"),
        key=lambda file: file.stat().st_mtime,
    )
    return records[-1].read_text(encoding="utf-8")
