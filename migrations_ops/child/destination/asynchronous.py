"""What is asked of a driver that is asynchronous, below SQLAlchemy's adapter of it."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import Any

from ..driver import plain_cursor


async def ask_async(driver: Any, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of the driver's own."""
    if hasattr(driver, "fetch"):  # asyncpg
        return [tuple(row.values()) for row in await driver.fetch(sql)]
    async with plain_cursor(driver) as cursor:
        await cursor.execute(sql)
        return [tuple(row) for row in await cursor.fetchall()]


async def roll_back_async(driver: Any) -> None:
    """Leave no transaction behind; asyncpg begins none unasked."""
    if hasattr(driver, "rollback"):
        await driver.rollback()


async def close_async(driver: Any) -> None:
    with suppress(Exception):
        closing = driver.close()
        if inspect.isawaitable(closing):
            await closing
