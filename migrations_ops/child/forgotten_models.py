"""Refuses to write a revision that drops most tables, since env.py knows none of their models.

Alembic compares with the tables that the models' modules have added to the metadata. A module that
env.py does not import adds none, and each of its tables looks like one that is to be dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .protocol.ledger import NAME as LEDGER

_NEXT = (
    "Import every module that defines models in env.py; or, if the tables are to be dropped, add"
    " --empty and write the operations yourself."
)


class ForgottenModels(Exception):
    """Most tables of the database would be dropped; nothing was written."""

    next = _NEXT


def require_models(context: Any, revision: Any, directives: Sequence[Any]) -> None:
    """A ``process_revision_directives`` hook that runs after the project's own.

    The project's hook may remove operations: only the rest is written.

    :raises ForgottenModels: by the hook that replaces the project's.
    """
    own: Callable[..., None] | None = context.opts["process_revision_directives"]

    def check(context: Any, revision: Any, directives: Sequence[Any]) -> None:
        if own is not None:
            own(context, revision, directives)
        _require_most_kept(context, directives)

    context.opts["process_revision_directives"] = check


def _require_most_kept(context: Any, directives: Sequence[Any]) -> None:
    import sqlalchemy

    dropped = {each for directive in directives for each in _dropped(directive.upgrade_ops_list)}
    if not dropped:
        return
    inspector = sqlalchemy.inspect(context.connection)
    schemas = {schema for schema, _ in dropped}
    there = {(schema, name) for schema in schemas for name in inspector.get_table_names(schema)}
    kept = sum(name not in (LEDGER, context.version_table) for _, name in there - dropped)
    if len(dropped) > kept:
        raise ForgottenModels(
            f"it would drop {len(dropped)} of {len(dropped) + kept} tables, whose models env.py"
            " does not know"
        )


def _dropped(operations: Sequence[Any]) -> Iterator[tuple[str | None, str]]:
    from alembic.operations.ops import DropTableOp

    for each in operations:
        if isinstance(each, DropTableOp):
            yield each.schema, each.table_name
        yield from _dropped(getattr(each, "ops", ()))
