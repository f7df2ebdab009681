"""Puts the guards around ``context.configure``, which every env.py calls."""

from __future__ import annotations

from typing import Any

from .destination import Destination
from .tracing import Tracing
from .transactions import SQLiteTransactions

_FOLLOWED = "migrations_ops_followed"


def wrap_configure(
    destination: Destination,
    transactions: SQLiteTransactions,
    tracing: Tracing,
) -> None:
    """From now on ``context.configure`` proves the destination and makes SQLite transactional."""
    from alembic.runtime.environment import EnvironmentContext

    original = EnvironmentContext.configure

    def configure(context: Any, connection: Any = None, **options: Any) -> None:
        if connection is not None:
            destination.prove(connection)
            if connection.dialect.name == "sqlite" and transactions.changes:
                # One transaction for the whole run: a failure in the third revision leaves
                # the database as it was before the first.
                options |= {"transactional_ddl": True, "transaction_per_migration": False}
        follow_steps(context, transactions, tracing)
        original(context, connection, **options)

    EnvironmentContext.configure = configure  # type: ignore[method-assign,assignment]


def follow_steps(context: Any, transactions: SQLiteTransactions, tracing: Tracing) -> None:
    """Trace the steps of this context, once, however often env.py configures it."""
    steps = context.context_opts.get("fn")
    if steps is None or getattr(steps, _FOLLOWED, False):
        return

    def entering(inside: bool) -> None:
        transactions.in_revision = inside

    followed = tracing.follow(steps, entering)
    setattr(followed, _FOLLOWED, True)
    context.context_opts["fn"] = followed
