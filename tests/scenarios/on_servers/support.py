"""What the releases on servers share: how a database is compared, and how a step is met."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.servers import guard
from tests.servers.databases import ServerDatabase
from tests.servers.shops import ServerShop
from tests.support import Ran

# Revisions that a test adds come after the last one of the project.
NEXT = "r4dddddddddd"
HEAD = "r3cccccccccc"
COLUMN = '    op.add_column("parents", sa.Column("more", sa.Integer))'
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


def version(database: ServerDatabase) -> str:
    return str(database.execute("SELECT version_num FROM alembic_version")[0][0])


def here_of(database: ServerDatabase) -> str:
    """The question which database a session is in."""
    return "SELECT current_database()" if is_postgres(database) else "SELECT DATABASE()"


def in_production(database: ServerDatabase, *lines: str) -> str:
    """What a revision does in the real production alone, which no rehearsal can know."""
    return "\n".join(
        [
            "    import os",
            f"    here = op.get_bind().scalar(sa.text({here_of(database)!r}))",
            '    if os.environ["EXEC_ENV"] == "prod" and "migrations_ops_copy" not in here:',
            *(f"        {line}" for line in lines),
        ]
    )


def only_in_production(database: ServerDatabase) -> str:
    """A revision that fails in the real production alone."""
    return in_production(database, 'op.execute("UPDATE no_such_table SET id = 1")')


def is_asleep(shop: ServerShop) -> bool:
    """Whether a step's statement takes its time on the server."""
    if is_postgres(shop.dev_database):
        sql = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%pg_sleep%%'"
        sql += " AND pid <> pg_backend_pid()"
    else:
        sql = "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%%'"
    return bool(shop.dev_database.server.execute(sql))


def attempts(database: ServerDatabase) -> int:
    """How many changes of a schema the server was asked for since it was started."""
    [(_, found)] = database.execute("SHOW GLOBAL STATUS LIKE 'Com_alter_table'")
    return int(found)


def start_with(
    shop: ServerShop, constants: Mapping[str, object], *task: str
) -> subprocess.Popen[str]:
    """Start a task as it is typed, but with other constants, so that its waits are short.

    :param constants: their values, by ``module:NAME`` below ``migrations_ops``.
    """
    lines = ["import importlib, sys"]
    for place, value in constants.items():
        module, name = place.split(":")
        lines.append(f"importlib.import_module('migrations_ops.{module}').{name} = {value!r}")
    lines += [
        "from invoke.main import program",
        f"sys.argv = {['invoke', *task]!r}",
        "program.run()",
    ]
    return shop.start_python("-c", "\n".join(lines))


def kill_child(parent: int) -> None:
    """Kill the step at work: the child of the release that has opened the server."""
    for pid in guard.children(parent):
        command = guard.read(pid, "cmdline").split(b"\0")
        if b"upgrade" in command and b"downgrade" not in command:
            guard.send(signal.SIGKILL, [pid])
