"""The ledger of a server's database, as the child reads and writes it.

It lies in the schema of the version table: several such schemas have several ledgers.
"""

from __future__ import annotations

from typing import Any

from ..driver import ask_driver, autocommits, sqlstate_of
from ..protocol.ledger import NAME, Run, from_text, mariadb_view, postgresql_view
from ..protocol.sql import literal, quoted

# How long, in seconds, MariaDB may wait for a session that reads the ledger.
_LOCK_WAIT = 10
# Its code for a lock that was waited for in vain.
_LOCKED = "1205"


class PostgreSQLLedger:
    """Nothing here makes the surrounding transaction fail."""

    def find(self, connection: Any, schema: str | None) -> list[Run] | None:
        """The content of the ledger; None where there is none, or something else of its name."""
        where = self._schema(connection, schema)
        if where is None:
            return None
        rows = ask_driver(
            connection,
            "SELECT c.oid FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum = 1"
            f" WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {literal(where)})"
            f" AND relname = '{NAME}' AND relkind = 'v' AND attname = 'ledger'"
            " AND atttypid = 'text'::regtype AND has_table_privilege(c.oid, 'SELECT')",
        )
        return _read(connection, f"{quoted(where)}.{NAME}") if rows else None

    def is_taken(self, connection: Any, schema: str | None) -> bool:
        """Whether something that is no ledger has its name, or there is no schema for one."""
        where = self._schema(connection, schema)
        if where is None:
            return True
        if self.find(connection, schema) is not None:
            return False
        sql = f"SELECT to_regclass({literal(f'{quoted(where)}.{NAME}')}) IS NOT NULL"
        return bool(ask_driver(connection, sql)[0][0])

    def write(self, connection: Any, schema: str | None, runs: list[Run]) -> None:
        """Replace the ledger, in the transaction that is open, if one is.

        :raises Exception: it may not be written; the transaction is as it was.
        """
        where = self._schema(connection, schema)
        assert where is not None
        if autocommits(connection.connection.dbapi_connection):
            ask_driver(connection, postgresql_view(where, runs))
            return
        ask_driver(connection, f"SAVEPOINT {NAME}")
        try:
            ask_driver(connection, postgresql_view(where, runs))
        except Exception:
            ask_driver(connection, f"ROLLBACK TO SAVEPOINT {NAME}")
            raise
        finally:
            ask_driver(connection, f"RELEASE SAVEPOINT {NAME}")

    def must_be_written(self, error: Exception, *, begins: bool) -> bool:
        """Whether the run fails with what prevented an entry: a role may lack the right."""
        return False

    def role(self, connection: Any) -> str:
        """The role that executes statements now; ``none`` for that of the session."""
        return str(ask_driver(connection, "SELECT current_setting('role')")[0][0])

    def set_role(self, connection: Any, role: str) -> None:
        """Set the role until the open transaction ends; then, that of the session counts again."""
        ask_driver(connection, f"SET LOCAL ROLE {'NONE' if role == 'none' else quoted(role)}")

    def _schema(self, connection: Any, schema: str | None) -> str | None:
        if schema is not None:
            return schema
        found = ask_driver(connection, "SELECT current_schema()")[0][0]
        return None if found is None else str(found)


class MariaDBLedger:
    """Writing it commits what is open, as all DDL does."""

    def find(self, connection: Any, schema: str | None) -> list[Run] | None:
        """The content of the ledger; None where there is none, or something else of its name."""
        where = self._schema(connection, schema)
        rows = ask_driver(
            connection,
            "SELECT c.column_name FROM information_schema.columns c JOIN information_schema.views v"
            " ON BINARY v.table_schema = BINARY c.table_schema AND v.table_name = c.table_name"
            f" WHERE {_is_in(where, 'c.')} AND c.table_name = '{NAME}'",
        )
        return _read(connection, _qualified(where)) if rows == [("ledger",)] else None

    def is_taken(self, connection: Any, schema: str | None) -> bool:
        """Whether something that is no ledger has its name."""
        if self.find(connection, schema) is not None:
            return False
        where = _is_in(self._schema(connection, schema))
        sql = "SELECT 1 FROM information_schema.tables"
        sql += f" WHERE {where} AND table_name = '{NAME}'"
        return bool(ask_driver(connection, sql))

    def write(self, connection: Any, schema: str | None, runs: list[Run]) -> None:
        """Replace the ledger.

        :raises Exception: it may not be written; what was open is committed all the same.
        """
        self._execute(connection, mariadb_view(self._schema(connection, schema), runs))

    def must_be_written(self, error: Exception, *, begins: bool) -> bool:
        """Whether the run fails with what prevented an entry: what is locked is tried again, as
        long as nothing of the revision has been done; a role may lack the right."""
        return begins and sqlstate_of(error) == _LOCKED

    def role(self, connection: Any) -> str:
        """None that an entry would have to be written as."""
        return ""

    def remove(self, connection: Any, schema: str | None) -> None:
        """Remove a ledger that was made for a revision of which nothing is left."""
        name = _qualified(self._schema(connection, schema))
        self._execute(connection, f"DROP VIEW IF EXISTS {name}")

    def _execute(self, connection: Any, sql: str) -> None:
        before = int(ask_driver(connection, "SELECT @@lock_wait_timeout")[0][0])
        ask_driver(connection, f"SET SESSION lock_wait_timeout = {max(before, _LOCK_WAIT)}")
        try:
            ask_driver(connection, sql)
        finally:
            ask_driver(connection, f"SET SESSION lock_wait_timeout = {before}")

    def _schema(self, connection: Any, schema: str | None) -> str:
        return schema or str(ask_driver(connection, "SELECT DATABASE()")[0][0])


POSTGRESQL, MARIADB = PostgreSQLLedger(), MariaDBLedger()


def _read(connection: Any, name: str) -> list[Run] | None:
    rows = ask_driver(connection, f"SELECT ledger FROM {name}")
    return from_text(_decoded(rows[0][0])) if len(rows) == 1 else None


def _decoded(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _qualified(schema: str) -> str:
    return "`" + schema.replace("`", "``") + f"`.{NAME}"


def _is_in(schema: str, prefix: str = "") -> str:
    """A condition: else the ledger of ``shop`` would be found when ``Shop`` is meant."""
    column, name = f"{prefix}table_schema", _digits(schema)
    return f"{column} = {name} AND (@@lower_case_table_names OR BINARY {column} = BINARY {name})"


def _digits(value: str) -> str:
    return f"CONVERT(X'{value.encode().hex()}' USING utf8mb4)"
