"""An error of data is not answered as if the server could not be reached."""

from __future__ import annotations

import pytest
from psycopg import errors

from migrations_ops.databases.postgresql.errors import advice_on, in_words


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
