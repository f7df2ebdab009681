"""A routine that names what went is found by its text, and no other is."""

from __future__ import annotations

import pytest

from migrations_ops.child.protocol.sql import tokens
from migrations_ops.databases.broken import name_that_went

GONE = {"audit", "users.name"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("INSERT INTO audit VALUES (1)", "the table audit"),
        ('DELETE FROM public."audit"', "the table audit"),
        ("SELECT * FROM a JOIN audit x ON true", "the table audit"),
        ("UPDATE users SET name = 1", "the column users.name"),
        ("SELECT u.name FROM users AS u, b", "the column users.name"),
        ("SELECT users.name FROM users JOIN b ON true", "the column users.name"),
        ("UPDATE users SET email = 1", ""),
        ("SELECT b.name FROM b JOIN users u ON true", ""),
        ("SELECT name FROM b, users", ""),
        # A variable, a text and a function of that name.
        ("audit := 1", ""),
        ("SELECT 'audit' FROM b", ""),
        ("SELECT audit(1) FROM b", ""),
        ("SELECT NEW.name", ""),
    ],
)
def test_what_a_body_names(body: str, named: str) -> None:
    assert name_that_went(tokens(body, "postgresql"), GONE) == named


def test_new_and_old_are_the_rows_of_the_tables_of_a_trigger() -> None:
    body = tokens("IF NEW.name <> OLD.name THEN RETURN NEW; END IF", "postgresql")
    assert name_that_went(body, GONE, {"users"}) == "the column users.name"
    assert name_that_went(body, GONE, {"b"}) == ""
