"""Wraps ``context.configure``, which every env.py calls, in the guards of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .families import find_family
from .recording.ledger import Ledger
from .recording.tracing import Tracing
from .transactions.all import AllTransactions

_FOLLOWED = "migrations_ops_followed"


def wrap_configure(
    prove: Callable[[Any, Mapping[str, Any]], None],
    transactions: AllTransactions,
    tracing: Tracing,
    ledger: Ledger,
    require_version: Callable[[Any, Mapping[str, Any]], None] | None = None,
) -> None:
    """Wrap ``context.configure`` in the guards, from now on.

    It makes a run transactional where the database can do that, and has the revisions traced and
    recorded in the ledger.

    :param prove: called first, with the connection and all options; raises if it is not the
        connection that is meant.
    :param require_version: called then, with the same; raises if the version is in another table.
    """
    from alembic.runtime.environment import EnvironmentContext

    original = EnvironmentContext.configure

    def configure(context: Any, connection: Any = None, *more: Any, **options: Any) -> None:
        if connection is not None:
            prove(connection, options)
            if require_version is not None:
                require_version(connection, options)
            if transactions.changes:
                options |= _whole(connection, options, transactions)
        _follow_steps(context, transactions, tracing, ledger)
        original(context, connection, *more, **options)

    EnvironmentContext.configure = configure  # type: ignore[method-assign,assignment]


def _whole(
    connection: Any, options: dict[str, Any], transactions: AllTransactions
) -> dict[str, Any]:
    """The options that keep a run together."""
    family = find_family(connection.dialect)
    if family is None:
        return {}  # under a bare alembic alone: a step has been refused such a destination by now
    transactions.meets(family.name)
    if family.is_transactional:
        # One transaction for the whole run: a failure in the third revision leaves the database
        # as it was before the first.
        return {"transactional_ddl": True, "transaction_per_migration": False}
    callbacks = options.get("on_version_apply") or ()
    callbacks = callbacks if isinstance(callbacks, Iterable) else (callbacks,)
    return {"on_version_apply": (*callbacks, transactions.version_applied)}


def _follow_steps(
    context: Any, transactions: AllTransactions, tracing: Tracing, ledger: Ledger
) -> None:
    """Trace the steps of this context, once, however often env.py configures it."""
    steps = context.context_opts.get("fn")
    if steps is None or getattr(steps, _FOLLOWED, False):
        return
    traced = tracing.follow(ledger.follow(steps), transactions.begins, transactions.ends)

    def followed(revision: Any, of: Any) -> Iterator[Any]:
        yield from traced(revision, of)
        transactions.run_ends(of)

    setattr(followed, _FOLLOWED, True)
    context.context_opts["fn"] = followed
