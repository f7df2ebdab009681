"""Intercepts each statement of a MariaDB driver's connection, before and after it is sent.

This includes what a revision sends through the driver's own cursor. PyMySQL, mysqlclient and the
drivers modelled on them have these methods, and each statement passes through them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..driver import raw_of

_INTERCEPTORS = "_migrations_ops_interceptors"

# Called with the text of a statement; afterwards also with how many rows it has changed.
Before = Callable[[str], None]
After = Callable[[str, int], None]


def _nothing(sql: str, rows: int) -> None:
    """Do nothing: no interceptor is installed."""


def intercept_statements(driver: Any, before: Before, after: After = _nothing) -> bool:
    """Call the interceptor before each statement of a connection, and afterwards.

    :param before: may raise, and the statement is not sent.
    :param after: called when it has succeeded; never for an asynchronous driver.
    :returns: whether the driver has such a method.
    """
    raw = raw_of(driver)
    interceptors = getattr(raw, _INTERCEPTORS, None)
    if interceptors is None:
        interceptors = list[tuple[Before, After]]()
        try:
            setattr(raw, _INTERCEPTORS, interceptors)
            _intercept_query(raw, interceptors)
        except AttributeError:  # another driver, or one whose connections take no attributes
            return False
        for intercept in (_intercept_choice, _intercept_autocommit, _intercept_begin):
            with suppress(AttributeError):
                intercept(raw, interceptors)
    interceptors.append((before, after))
    return True


def intercept_commits(driver: Any, before: Callable[[], None]) -> None:
    """Call the interceptor before each commit() of a connection."""
    raw = raw_of(driver)
    with suppress(AttributeError):
        original = raw.commit

        def commit() -> Any:
            before()
            return original()

        raw.commit = commit


def _intercept_query(raw: Any, interceptors: list[tuple[Before, After]]) -> None:
    original = raw.query

    def query(sql: Any, *more: Any, **options: Any) -> Any:
        text = sql if isinstance(sql, str) else bytes(sql).decode("utf-8", "replace")
        for before, _ in interceptors:
            before(text)
        result = original(sql, *more, **options)
        if not hasattr(result, "__await__"):
            rows = result if isinstance(result, int) else int(raw.affected_rows())
            for _, after in interceptors:
                after(text, rows)
        return result

    raw.query = query


def _intercept_choice(raw: Any, interceptors: list[tuple[Before, After]]) -> None:
    """Report a change of database as the statement USE, though it is never sent as text."""
    original = raw.select_db

    def select_db(name: str) -> Any:
        for before, _ in interceptors:
            before("USE `" + name.replace("`", "``") + "`")
        return original(name)

    raw.select_db = select_db


def _intercept_autocommit(raw: Any, interceptors: list[tuple[Before, After]]) -> None:
    """Report autocommit: switching it on commits what came before; some drivers send no statement
    for it."""
    original, get_autocommit = raw.autocommit, raw.get_autocommit

    def autocommit(value: Any) -> Any:
        for before, _ in interceptors if bool(value) != bool(get_autocommit()) else ():
            before(f"SET AUTOCOMMIT = {int(bool(value))}")
        return original(value)

    raw.autocommit = autocommit


def _intercept_begin(raw: Any, interceptors: list[tuple[Before, After]]) -> None:
    original = raw.begin

    def begin() -> Any:
        for before, _ in interceptors:
            before("BEGIN")
        return original()

    raw.begin = begin
