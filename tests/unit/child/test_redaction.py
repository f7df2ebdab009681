"""No password is ever shown, wherever it stands in a text."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from migrations_ops.child.protocol import redaction
from migrations_ops.child.protocol.redaction import (
    HIDDEN,
    RedactedStream,
    keep_secret,
    keep_secret_texts,
    keep_secrets_of_urls,
    redacted,
    redacted_document,
)


def forget() -> None:
    redaction._secrets.clear()
    redaction._pattern = None


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)


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


def test_a_document_in_a_list_of_names_has_texts_of_its_own() -> None:
    keep_secret({"password": "tr0ub4dor"})
    backup = {"name": "tr0ub4dor", "note": "after tr0ub4dor"}
    assert redacted_document({"backups": [backup, "tr0ub4dor"]}) == {
        "backups": [{"name": "tr0ub4dor", "note": "after ***"}, "tr0ub4dor"]
    }
    targets = {"targets": {"prod": ["tr0ub4dor"]}}
    assert redacted_document(targets) == targets


def test_password_that_is_a_name_too_leaves_the_name_readable() -> None:
    keep_secret({"password": "scott", "user": "scott"})
    keep_secret({"password": "abc", "user": "me"})
    assert redacted('role "scott" lacks abc') == 'role "scott" lacks abc'


# Characters that somebody escapes, somewhere.
SECRETS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=4, max_size=20).filter(
    str.strip
)
SPELLINGS: list[Any] = [
    str,
    lambda text: quote(text, safe=""),
    quote,
    quote_plus,
    lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    lambda text: repr(text)[1:-1],
    lambda text: repr(text.encode())[2:-1],
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: text.replace("'", "''"),
    lambda text: text.replace("%", "%%"),
]


@pytest.mark.parametrize("number", range(len(SPELLINGS)))
@given(secret=SECRETS)
@example(secret="p@ss w/rd'%\"\\é本+&")
def test_a_secret_is_hidden_in_every_spelling(number: int, secret: str) -> None:
    forget()
    keep_secret_texts([secret])
    assert redacted(f"\n{SPELLINGS[number](secret)}\n") == f"\n{HIDDEN}\n"
    assert redacted_document({"a": [secret]}) == {"a": [HIDDEN]}


def test_a_long_secret_is_hidden_in_the_usual_spellings() -> None:
    secret = '{"key": "' + "abc/\n" * 200 + '"}'
    keep_secret_texts([secret, "      "])
    for text in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")):
        assert redacted(f"<{text}>      .") == f"<{HIDDEN}>      ."


@given(
    lines=st.lists(st.sampled_from(["nothing", "s3cr3t-é", "a s3cr3t-%C3%A9 b", "", "s3cr3"])),
    size=st.integers(1, 9),
    long=st.integers(1, 200),
)
def test_a_secret_is_hidden_however_a_stream_is_cut(lines: list[str], size: int, long: int) -> None:
    forget()
    keep_secret_texts(["s3cr3t-é"])
    stream = RedactedStream()
    stream._LONG = long
    data = "\n".join(lines).encode()
    pieces = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
    written = b"".join([*pieces, stream.feed(b"", last=True)]).decode()
    assert written == redacted("\n".join(lines))


def test_bytes_that_are_no_text_are_passed_on_as_they_are() -> None:
    stream = RedactedStream()
    assert stream.feed(b"\xff\xc3") + stream.feed(b"\n\x00", last=True) == b"\xff\xc3\n\x00"


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    keep_secret_texts(["s3cr3t"])
    stream = RedactedStream()
    assert stream.feed(b"x" * 200_000).startswith(b"x" * 100_000)


@pytest.mark.parametrize("size", range(1, 12))
def test_no_secret_is_cut_in_two_where_a_line_has_no_end(size: int) -> None:
    keep_secret_texts(["s3cr3t"])
    stream = RedactedStream()
    stream._LONG = 100
    data = b"s3cr3t" * 100
    pieces = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert b"".join([*pieces, stream.feed(b"", last=True)]) == HIDDEN.encode() * 100


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("mysql://root:pass word@h/d", "pass word"),
        ("postgresql://me:p@ss:w/rd?#@db:5432/shop", "p@ss:w/rd?#"),
        ("postgresql://me@db/shop?user=me&password=tr%26ub4dor", "tr&ub4dor"),
        ("postgresql://db/shop?sslkey=/k&sslpassword=tr0ub4dor", "tr0ub4dor"),
        ("postgresql:/me:tr0ub4dor@db/shop", "tr0ub4dor"),
        ("sqlite+pysqlcipher://:s3cr3t@/a.db", "s3cr3t"),
    ],
)
def test_the_password_of_a_url_is_known_however_it_is_written(url: str, password: str) -> None:
    keep_secrets_of_urls([url])
    assert redacted(f"cannot use <{password}>") == f"cannot use <{HIDDEN}>"
    assert password not in redacted(f"cannot read {url}")


def test_the_paths_in_a_url_are_shown() -> None:
    keep_secrets_of_urls(["postgresql://db/shop?sslkey=/etc/ssl/me.key&passfile=/etc/pgpass"])
    assert redacted("/etc/ssl/me.key /etc/pgpass") == "/etc/ssl/me.key /etc/pgpass"


def test_a_short_text_and_a_name_of_ours_are_shown() -> None:
    keep_secret_texts(["abc", "2026", "sqlite3"])
    command = "invoke restore --backup db.dev_20261130_204512_2.sqlite3"
    assert redacted(f"{command} abc") == f"{command} abc"
    assert redacted("sqlite3 2026") == f"{HIDDEN} {HIDDEN}"
