"""Puts the guards around ``context.configure``, which every env.py calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..families import find_family
from .ledger import Ledger
from .tracing import Tracing

_FOLLOWED = "migrations_ops_followed"


class Transactions(Protocol):
    """The guard that keeps a run on one kind of database whole."""

    changes: bool

    def install(self) -> None: ...

    def command_begins(self, *, changes: bool) -> None: ...

    def meets(self, family: str) -> None: ...

    def begins(self, revision: str, context: Any) -> None: ...

    def version_applied(self, **applied: Any) -> None: ...

    def ends(self, context: Any) -> None: ...

    def run_ends(self, context: Any) -> None: ...

    def reason(self, error: BaseException) -> str: ...

    def stop(self) -> None: ...


class AllTransactions:
    """The guards of every kind of database that the run may meet."""

    def __init__(self, each: Sequence[Transactions]) -> None:
        self._each = each
        self.changes = False

    def install(self) -> None:
        for one in self._each:
            one.install()

    def command_begins(self, *, changes: bool) -> None:
        self.changes = changes
        for one in self._each:
            one.command_begins(changes=changes)

    def begins(self, revision: str, context: Any) -> None:
        for one in self._each:
            one.begins(revision, context)

    def ends(self, context: Any) -> None:
        for one in self._each:
            one.ends(context)

    def run_ends(self, context: Any) -> None:
        for one in self._each:
            one.run_ends(context)

    def meets(self, family: str) -> None:
        for one in self._each:
            one.meets(family)

    def version_applied(self, **applied: Any) -> None:
        for one in self._each:
            one.version_applied(**applied)

    def reason(self, error: BaseException) -> str:
        return next(filter(None, (one.reason(error) for one in self._each)), "")

    def stop(self) -> None:
        for one in self._each:
            one.stop()


def wrap_configure(
    prove: Callable[[Any, Mapping[str, Any]], None],
    transactions: AllTransactions,
    tracing: Tracing,
    ledger: Ledger,
    require_version: Callable[[Any, Mapping[str, Any]], None] | None = None,
) -> None:
    """Put the guards around ``context.configure``, from now on.

    It makes a run transactional where the database can do that, and has the revisions traced and
    noted in the ledger.

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
