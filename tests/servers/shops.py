"""The project `shop` over two databases of one server."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.servers.databases import Server, ServerDatabase
from tests.support import R2, Sandbox, copy_project

# In place of the shop's two SQLite files: the same selector, the same default.
URL_OF_A_SERVER = """\
url = json.loads((Path(__file__).resolve().parent.parent / "urls.json").read_text())[name]
"""
ASYNC_RUN = """\
else:
    import asyncio

    from sqlalchemy.ext.asyncio import create_async_engine

    def run(connection):
        context.configure(connection=connection, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()

    async def main():
        engine = create_async_engine(url, poolclass=pool.NullPool)
        async with engine.connect() as connection:
            await connection.run_sync(run)
        await engine.dispose()

    asyncio.run(main())
"""
ASYNC_DRIVERS = {"asyncpg", "psycopg_async", "aiomysql", "asyncmy"}


@dataclass(frozen=True)
class ServerShop(Sandbox):
    """A project whose environments ``dev`` and ``prod`` are databases of a server."""

    dev_database: ServerDatabase
    prod_database: ServerDatabase

    def environment(self, **variables: str) -> dict[str, str]:
        """The server's own clients come first in PATH: they are of its version."""
        found = super().environment(**variables)
        if "PATH" not in variables:
            path = found.get("PATH", os.defpath)
            found["PATH"] = f"{self.dev_database.server.bin}{os.pathsep}{path}"
        return found

    def point(self, urls: dict[str, str], more: str = "") -> None:
        """Write where each environment is, for env.py and for the configuration.

        :param more: further lines of the table ``tool.migrations_ops``.
        """
        self.write("urls.json", json.dumps(urls))
        tables = [
            f"\n[tool.migrations_ops.environments.{name}]\nurl = {json.dumps(url)}\n"
            for name, url in urls.items()
        ]
        self.configure(f"[tool.migrations_ops]\nwait = 1\n{more}" + "".join(tables))

    def upgrade(self, revision: str) -> None:
        """Bring both databases to a revision, by Alembic alone."""
        for name in ("dev", "prod"):
            ran = self.alembic("upgrade", revision, EXEC_ENV=name)
            assert ran.code == 0, ran.err

    def fill(self) -> None:
        """Bring both databases to the second of the three revisions, with 20 rows a table."""
        self.upgrade(R2)
        for database in (self.dev_database, self.prod_database):
            parents = ", ".join(f"({number}, 'parent {number}')" for number in range(1, 21))
            children = ", ".join(f"({number}, {number})" for number in range(1, 21))
            database.execute(f"INSERT INTO parents VALUES {parents}")
            database.execute(f"INSERT INTO children VALUES {children}")


def server_shop(
    folder: Path, dev: ServerDatabase, prod: ServerDatabase, driver: str | None = None
) -> ServerShop:
    """A copy of the tiny project over two databases.

    :param driver: of the project's own URL, such as ``postgresql+asyncpg``.
    """
    copy_project("shop", folder)
    made = ServerShop(folder, dev, prod)
    env = folder / "alembic/env.py"
    text = env.read_text(encoding="utf-8")
    start, end = text.index("file = "), text.index("\nif context.is_offline_mode")
    text = "import json\n" + text[:start] + URL_OF_A_SERVER + text[end:]
    if driver is not None and driver.partition("+")[2] in ASYNC_DRIVERS:
        text = text[: text.index("else:\n    engine")] + ASYNC_RUN
    env.write_text(text, encoding="utf-8")
    made.point({"dev": dev.url(driver), "prod": prod.url(driver)})
    return made


def fresh_shop(folder: Path, server: Server, driver: str | None = None) -> ServerShop:
    """A shop over two new, empty databases."""
    dev, prod = (ServerDatabase(server, server.create_database()) for _ in range(2))
    return server_shop(folder, dev, prod, driver)


def filled_copy(model: ServerShop, folder: Path) -> ServerShop:
    """A shop over copies of another one's databases."""
    server = model.dev_database.server
    dev, prod = (
        ServerDatabase(server, server.copy_database(database.name))
        for database in (model.dev_database, model.prod_database)
    )
    return server_shop(folder, dev, prod)
