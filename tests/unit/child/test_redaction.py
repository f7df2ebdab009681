"""No password is ever shown, wherever it stands in a text."""

from __future__ import annotations

import pytest

from migrations_ops.child.protocol.redaction import (
    keep_secret,
    keep_secrets_of_urls,
    redacted,
    redacted_document,
)

# Texts with a password that nobody has named, and what is left of them.
UNKNOWN = {
    "mysql://root:pass word@h": "mysql://root:pass word@h",
    "is postgresql+psycopg2://me:p%40ss@db:5432/shop": "is postgresql+psycopg2://me:***@db:5432/shop",
    "cannot read 'postgres:/me:secret@db/shop'": "cannot read 'postgres:/me:***@db/shop'",
    "host=db password=secret user=me": "host=db password=*** user=me",
    "host=db password = 'sec ret' user=me": "host=db password = *** user=me",
    "?user=me&password=secret&x=1": "?user=me&password=***&x=1",
    "mariadb://USER:PASSWORD@HOST/DATABASE": "mariadb://USER:PASSWORD@HOST/DATABASE",
    "sqlite+pysqlcipher://:secret@/a.db": "sqlite+pysqlcipher://:***@/a.db",
    "postgresql://me@db:5432/shop": "postgresql://me@db:5432/shop",
    "no such column: password": "no such column: password",
    "sqlite:///data/db.sqlite3": "sqlite:///data/db.sqlite3",
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_password_is_hidden_by_where_it_stands(text: str) -> None:
    assert redacted(text) == UNKNOWN[text]


def test_password_that_is_known_is_hidden_wherever_it_stands() -> None:
    keep_secret({"password": "tr0ub4dor", "user": "me"})
    keep_secrets_of_urls(["postgresql://me:c%40rrect@db/shop", "nothing"])
    assert redacted("tr0ub4dor, c@rrect and c%40rrect of me") == "***, *** and *** of me"


def test_a_document_stays_a_document_whatever_its_texts_hold() -> None:
    text = 'password = "sec ret" at mysql://me:secret@db/shop'
    hidden = "password = *** at mysql://me:***@db/shop"
    assert redacted_document({"a": [text, 1, None], "b": (text,)}) == {
        "a": [hidden, 1, None],
        "b": [hidden],
    }


def test_password_that_is_a_name_too_leaves_the_name_readable() -> None:
    keep_secret({"password": "scott", "user": "scott"})
    keep_secret({"password": "abc", "user": "me"})
    assert redacted('role "scott" lacks abc') == 'role "scott" lacks abc'
