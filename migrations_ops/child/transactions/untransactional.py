"""What MariaDB does not roll back: rows of MyISAM, Aria, MEMORY and every such engine.

A statement may come to them without naming them: by a trigger, a view, a stored function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..driver import ask
from ..protocol.ledger import NAME
from ..protocol.named_databases import names_in
from .control import may_call, may_write

# An engine that is switched off, or whose table cannot be read, is not known to be a safe one.
_TABLES = """
SELECT t.TABLE_NAME FROM information_schema.TABLES t
LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
    AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'
"""
_DETOURS = f"""
SELECT EXISTS (SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE())
    OR EXISTS (SELECT 1 FROM information_schema.VIEWS
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> '{NAME}')
"""
_FUNCTIONS = """
SELECT EXISTS (SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE())
"""
# Rows that a session has changed, also those that were rolled back since.
_CHANGED = """
SHOW SESSION STATUS WHERE Variable_name IN ('Handler_write', 'Handler_update', 'Handler_delete')
"""


@dataclass(frozen=True)
class Untransactional:
    """The tables of a database whose rows stay changed, in small letters.

    ``detours`` tells whether a statement may write to them without their names; ``functions``
    whether even one that reads may write.
    """

    tables: frozenset[str]
    detours: bool
    functions: bool

    def is_written_by(self, sql: str) -> bool:
        """Whether a statement may change rows that no rollback brings back."""
        if not self.tables or not self.may_write(sql):
            return False
        if self.detours or self.functions:
            return True
        return not self.tables.isdisjoint(name.lower() for name in names_in(sql))

    def may_write(self, sql: str) -> bool:
        """Whether it may change any rows."""
        return may_write(sql) or (self.functions and may_call(sql))


def find_untransactional(driver: Any) -> Untransactional:
    tables = frozenset(str(name).lower() for (name,) in ask(driver, _TABLES))
    detours = bool(tables) and bool(ask(driver, _DETOURS)[0][0])
    return Untransactional(tables, detours, bool(ask(driver, _FUNCTIONS)[0][0]))


def rows_changed(driver: Any) -> int:
    """How many rows a session has changed so far."""
    return sum(int(value) for _, value in ask(driver, _CHANGED))
