"""Reports what a run does to the database as statements that can be run again elsewhere."""

from __future__ import annotations

from typing import Any

from ..channel import Events
from ..families import MARIADB, POSTGRESQL, SQLITE, family_of
from ..protocol.calls import calls
from ..protocol.events import StatementInFull
from ..protocol.sql import Syntax, Token, tokens
from .literals import NoLiteral, sets_of, with_values
from .tracing import Tracing

# A script past these is none that a person would review.
_MOST_STATEMENTS = 10_000
_MOST_CHARACTERS = 10_000_000

_SYNTAX: dict[str, Syntax] = {
    SQLITE: "sqlite",
    POSTGRESQL: "postgresql",
    MARIADB: "mariadb",
}
_CATALOGUES = ("PG_CATALOG", "INFORMATION_SCHEMA", "SQLITE_MASTER", "SQLITE_SCHEMA")
# Of a PRAGMA with parentheses, which may set something as well.
_QUESTIONS = (
    "TABLE_INFO", "TABLE_XINFO", "INDEX_LIST", "INDEX_INFO", "INDEX_XINFO", "FOREIGN_KEY_LIST",
    "FOREIGN_KEY_CHECK", "INTEGRITY_CHECK", "QUICK_CHECK",
)  # fmt: skip
_CHANGING_CALLS = ("SETVAL", "NEXTVAL", "SET_CONFIG")


class Script:
    """The statements of one command, in order, but for those that only read."""

    def __init__(self, events: Events, tracing: Tracing) -> None:
        self._events, self._tracing = events, tracing
        self._problem = False
        self._statements = self._characters = 0

    def statement_ran(
        self, connection: Any, sql: str, parameters: Any, context: Any, *, many: bool
    ) -> None:
        """After a statement has come to its end; also before the first revision."""
        if self._problem:
            return
        family = family_of(connection.dialect)
        words = tokens(sql, _SYNTAX.get(family, "sqlite"))
        if not words or only_looks(words):
            return
        revision = self._tracing.revision or ""
        level = str(connection.get_execution_options().get("isolation_level", ""))
        try:
            for each in sets_of(parameters, many=many):
                text = self._in_full(connection, family, sql, each, context)
                self._count(text)
                autocommits = level.upper() == "AUTOCOMMIT"
                self._events.emit(StatementInFull(revision, text, autocommits))
        except NoLiteral as problem:
            self._problem = True
            self._events.emit(StatementInFull(revision, "", problem=str(problem)))

    def _in_full(
        self, connection: Any, family: str, sql: str, parameters: Any, context: Any
    ) -> str:
        if not parameters and getattr(context, "no_parameters", False):
            return sql.strip()
        style, syntax = connection.dialect.paramstyle, _SYNTAX.get(family, "sqlite")
        return with_values(sql, parameters, style, family, syntax).strip()

    def _count(self, text: str) -> None:
        """:raises NoLiteral: the script becomes too long."""
        self._statements += 1
        self._characters += len(text)
        if self._statements > _MOST_STATEMENTS or self._characters > _MOST_CHARACTERS:
            raise NoLiteral(f"makes it longer than {_MOST_STATEMENTS:,} statements or 10 MB")


def only_looks(words: list[Token]) -> bool:
    """Whether a statement only reads, so that to leave it out changes nothing."""
    if words[0].means("SHOW", "EXPLAIN", "DESCRIBE", "DESC"):
        return not any(each.means("ANALYZE") for each in words)
    if words[0].means("PRAGMA"):
        is_question = any(each.means(*_QUESTIONS) for each in words)
        return is_question or not any(each.means("=", "(") for each in words)
    if not words[0].means("SELECT"):
        return False
    if any(each.means("INTO") or each.means(*_CHANGING_CALLS) for each in words):
        return False
    return _asks_catalogue(words) or not calls(words)


def _asks_catalogue(words: list[Token]) -> bool:
    """Whether it asks about the schema, as SQLAlchemy does with the server's own functions."""
    from_ = next((n for n, each in enumerate(words) if each.means("FROM")), len(words))
    return any(each.text.upper() in _CATALOGUES for each in words[from_ + 1 : from_ + 2])
