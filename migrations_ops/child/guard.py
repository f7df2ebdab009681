"""Puts the guards around ``context.configure``, which every env.py calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .ledger import Ledger
from .tracing import Tracing
from .transactions import SQLiteTransactions

_FOLLOWED = "migrations_ops_followed"


def wrap_configure(
    prove: Callable[[Any], None],
    transactions: SQLiteTransactions,
    tracing: Tracing,
    ledger: Ledger,
) -> None:
    """From now on ``context.configure`` makes SQLite transactional, and has the revisions traced
    and noted in the ledger.

    :param prove: is given the connection first, and raises if it is not the one that is meant.
    """
    from alembic.runtime.environment import EnvironmentContext

    original = EnvironmentContext.configure

    def configure(context: Any, connection: Any = None, *more: Any, **options: Any) -> None:
        if connection is not None:
            prove(connection)
            if connection.dialect.name == "sqlite" and transactions.changes:
                # One transaction for the whole run: a failure in the third revision leaves
                # the database as it was before the first.
                options |= {"transactional_ddl": True, "transaction_per_migration": False}
        _follow_steps(context, transactions, tracing, ledger)
        original(context, connection, *more, **options)

    EnvironmentContext.configure = configure  # type: ignore[method-assign,assignment]


def _follow_steps(
    context: Any, transactions: SQLiteTransactions, tracing: Tracing, ledger: Ledger
) -> None:
    """Trace the steps of this context, once, however often env.py configures it."""
    steps = context.context_opts.get("fn")
    if steps is None or getattr(steps, _FOLLOWED, False):
        return

    def at_work(revision: str | None) -> None:
        transactions.revision = revision

    followed = tracing.follow(ledger.follow(steps), at_work)
    setattr(followed, _FOLLOWED, True)
    context.context_opts["fn"] = followed
