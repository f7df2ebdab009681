"""An error of data is not answered as if the server could not be reached."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from migrations_ops.databases.postgresql.errors import advice_on, in_words


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.ReadOnlySqlTransaction("cannot execute CREATE DATABASE"), "primary server"),
        (psycopg.OperationalError("FATAL: sorry, too many clients already"), "max_connections"),
        (psycopg.OperationalError("remaining connection slots are reserved"), "max_connections"),
        # The server has answered: neither its address nor the connection is wrong.
        (errors.UndefinedTable('relation "t" does not exist'), "what the server names"),
        (errors.AdminShutdown("terminating connection"), "server is running"),
        (psycopg.OperationalError("connection refused"), "server is running"),
        (psycopg.OperationalError('database "x" does not exist'), "Check the url"),
    ],
)
def test_what_a_server_answers_is_not_taken_for_its_silence(error: Exception, advice: str) -> None:
    assert advice in advice_on(error)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.UntranslatableCharacter("no equivalent in encoding LATIN1"), "encoding is UTF8"),
        (errors.CharacterNotInRepertoire("invalid byte sequence"), "encoding is UTF8"),
        (errors.NumericValueOutOfRange("integer out of range"), "Fix the rows"),
        (errors.UniqueViolation("duplicate key"), "Fix the rows"),
    ],
)
def test_data_has_its_own_advice(error: Exception, advice: str) -> None:
    assert advice in advice_on(error)
    assert in_words(error, "prod").startswith("prod has what does not go together: ")
