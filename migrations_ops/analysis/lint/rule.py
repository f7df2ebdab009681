"""What a rule of lint gets and gives.

A rule is a function of a :class:`Situation` that yields a :class:`Hit` for each thing that it has
something against. A distribution adds rules to those of this package by an entry point of the group
``migrations_ops.rules``, whose object is a :class:`Rule`, or several of them in a tuple::

    [project.entry-points."migrations_ops.rules"]
    example = "my_package.rules:RULES"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from migrations_ops.analysis.lint.actions import Action, Change, Other
from migrations_ops.analysis.lint.known import KnownSchema, bare_name
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.model.findings import Entry, Finding

Blocks = Literal["", "reads", "writes"]


@dataclass(frozen=True)
class Situation:
    """One change of a revision, in its surroundings.

    :param known: the schema before it, as far as earlier revisions show it.
    :param earlier: the changes of the same revision before it.
    :param later: those after it, also of the later revisions that are linted.
    :param new_tables: the tables that were made by revisions that are linted.
    """

    change: Change
    engine: Syntax
    known: KnownSchema
    earlier: Sequence[Change] = ()
    later: Sequence[Change] = ()
    new_tables: frozenset[str] = frozenset()

    @property
    def action(self) -> Action:
        return self.change.action

    def is_new(self, table: str) -> bool:
        """Whether no row of a table can be older than the release."""
        return bare_name(table) in self.new_tables

    @property
    def in_transaction(self) -> bool:
        """Whether the change is within the transaction of its revision."""
        committed = any(
            isinstance(each.action, Other) and each.action.verb in ("COMMIT", "END")
            for each in self.earlier
        )
        return not self.change.autocommit and not committed


@dataclass(frozen=True)
class Hit:
    """What a rule has found.

    :param table: the table that it is about. There is no finding where that is empty, or made in
        the same release; without a table there is always one.
    :param blocks: what others cannot do with it meanwhile: the severity is that of the time or the
        rows, where they are known.
    """

    finding: Finding
    table: str = ""
    blocks: Blocks = ""


@dataclass(frozen=True)
class Rule:
    """A check, with the entries that its findings are made from.

    :param engine: the one that it is about; None for all.
    """

    check: Callable[[Situation], Iterator[Hit]]
    entries: tuple[Entry, ...]
    engine: Syntax | None = None
