"""What a newer pg_restore says against an older server: its own setting is spared, nothing else."""

from __future__ import annotations

import pytest

from migrations_ops.databases.postgresql.dump import _ToolErrors

SETTING = (
    "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter",
    "Command was: SET transaction_timeout = 0;",
)
TABLE = (
    'pg_restore: error: could not execute query: ERROR:  relation "t" already exists',
    "Command was: CREATE TABLE public.t (",
)
# As two processes write at once into one pipe: nobody recognises an error in it.
TORN = ("pg_restore: creating pg_restore: error: could not execute query: ERROR:  relation",)


def count(number: int) -> tuple[str, ...]:
    return (f"pg_restore: warning: errors ignored on restore: {number}",)


@pytest.mark.parametrize(
    ("lines", "spared"),
    [
        (SETTING + count(1), True),
        (SETTING + SETTING + count(2), True),
        (TABLE + count(1), False),
        (SETTING + TABLE + count(2), False),
        (TABLE + SETTING + count(2), False),
        (SETTING + TORN + count(2), False),
        (SETTING, False),
        ((), False),
    ],
)
def test_only_the_setting_that_an_old_server_lacks_is_spared(
    lines: tuple[str, ...], spared: bool
) -> None:
    said = _ToolErrors()
    for line in lines:
        said.hear(line.encode())
    assert said.all_spared is spared


def test_what_was_restored_and_by_which_statement_is_kept() -> None:
    said = _ToolErrors()
    for line in (
        "pg_restore: from TOC entry 215; 1259 16385 TABLE fine postgres",
        "pg_restore: creating TABLE public.fine",
        "pg_restore: while PROCESSING TOC:",
        "pg_restore: from TOC entry 4; 1255 16386 FUNCTION f(integer) postgres",
        'pg_restore: error: could not execute query: ERROR:  type "x" does not exist',
        "LINE 1: CREATE FUNCTION",
        "Command was: CREATE FUNCTION public.f(integer DEFAULT 'a''secret') AS 'torn",
        "pg_restore: error: a worker process died unexpectedly",
    ):
        said.hear(line.encode())
    assert said.why(1) == (
        'pg_restore: error: could not execute query: ERROR:  type "x" does not exist,'
        " in FUNCTION f(integer): CREATE FUNCTION public.f(integer DEFAULT '...') AS '...'"
    )
