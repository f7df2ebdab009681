"""Where env.py keeps its version: what the parent reads must be the same table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .driver import POSTGRESQL, ask_driver, family_of
from .orders import Orders

_USUAL = "alembic_version"


class VersionPlace:
    """Compares what env.py tells Alembic with what the configuration tells us.

    :param refuse: raises, with what it is told.
    """

    def __init__(self, orders: Orders, refuse: Callable[[str], None]) -> None:
        self._orders = orders
        self._refuse = refuse
        # An env.py that goes on to others, for each tenant for instance, knows what it does.
        self._seen = False

    def require_known(self, connection: Any, options: Mapping[str, Any]) -> None:
        """Before Alembic itself looks at it."""
        if self._seen or self._orders.version_table is None:
            return
        self._seen = True
        table = options.get("version_table") or _USUAL
        schema = options.get("version_table_schema")
        lines = []
        if table != self._orders.version_table:
            lines.append(f'version_table = "{table}"')
        wanted = self._orders.version_table_schema
        if schema != wanted:
            usual = _usual_schema(connection)
            if (schema or usual) != (wanted or usual):
                lines.append(
                    f'version_table_schema = "{schema}"' if schema else "no version_table_schema"
                )
        if lines:
            place = f"{schema}.{table}" if schema else table
            name = self._orders.environment
            self._refuse(
                f"env.py keeps its version in {place}: set {' and '.join(lines)} for"
                f" environments.{name}"
            )


def _usual_schema(connection: Any) -> str | None:
    """Where unqualified names go."""
    if family_of(connection.dialect) == POSTGRESQL:
        return str(ask_driver(connection, "SELECT current_schema()")[0][0])
    usual = connection.dialect.default_schema_name
    return None if usual is None else str(usual)
