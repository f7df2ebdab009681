"""Checks where env.py keeps its version: in one table, the same that the parent reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..driver import ask, ask_driver, is_idle
from ..families import family_of, server_of
from ..protocol.instructions import Instructions
from ..protocol.ledger import VERSION_TABLE


class VersionTable:
    """Compares what env.py configures with what the configuration says.

    :param refuse: raises, with the message that it is given.
    """

    def __init__(self, instructions: Instructions, refuse: Callable[[str], None]) -> None:
        self._instructions = instructions
        self._refuse = refuse
        self._seen = False
        # Where the first run of this process has kept its version.
        self._first = ""

    def install(self) -> None:
        from alembic.runtime.migration import MigrationContext

        original = MigrationContext.run_migrations

        def run_migrations(context: Any, **options: Any) -> None:
            if not context.as_sql and context.connection is not None:
                self._require_one(context)
            original(context, **options)

        MigrationContext.run_migrations = run_migrations  # type: ignore[method-assign,assignment]

    def _require_one(self, context: Any) -> None:
        """Refuse an env.py that goes on to a second table, for each tenant for instance: the parent
        reads one of them, and would report success although the second table was not upgraded."""
        schema = context.version_table_schema or _current_schema(context.connection)
        name = f"{schema}.{context.version_table}" if schema else str(context.version_table)
        self._first = self._first or name
        if name != self._first:
            self._refuse(
                f"env.py continues with {name} after {self._first}, but an environment has one"
                " version table: let env.py migrate one of them per run, and configure an"
                " environment for each"
            )

    def require_known(self, connection: Any, options: Mapping[str, Any]) -> None:
        """Check the version table before Alembic reads it."""
        # With several version tables, the second one is refused when it is run.
        if self._seen or self._instructions.version_table is None:
            return
        self._seen = True
        table = options.get("version_table") or VERSION_TABLE
        schema = options.get("version_table_schema")
        lines = []
        if table != self._instructions.version_table:
            lines.append(f'version_table = "{table}"')
        wanted = self._instructions.version_table_schema
        if schema != wanted:
            usual = _usual_schema(connection)
            if (schema or usual) != (wanted or usual):
                lines.append(
                    f'version_table_schema = "{schema}"' if schema else "no version_table_schema"
                )
        if lines:
            found = f"{schema}.{table}" if schema else table
            self._refuse(
                f"env.py keeps its version in {found}: set {' and '.join(lines)} for"
                f" environments.{self._instructions.environment}"
            )


def _current_schema(connection: Any) -> str:
    """The schema that unqualified names currently mean."""
    server = server_of(family_of(connection.dialect))
    if server is None:
        return ""
    driver = connection.connection.dbapi_connection
    idle = is_idle(connection.connection.driver_connection)
    found = ask(driver, server.schema)[0][0]
    if idle:
        driver.rollback()  # no other code knows of this transaction
    return str(found or "")


def _usual_schema(connection: Any) -> str | None:
    """The schema that unqualified names usually mean."""
    server = server_of(family_of(connection.dialect))
    if server is not None:
        return str(ask_driver(connection, server.schema)[0][0])
    usual = connection.dialect.default_schema_name
    return None if usual is None else str(usual)
