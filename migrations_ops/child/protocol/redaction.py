"""Removes passwords from messages and logs, since some drivers repeat their arguments.

psycopg shows a connection string that it cannot read, SQLAlchemy before 2.0.30 a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
_URL = re.compile(r"(:/{1,3}[^\s:/@'\"]*):(?!PASSWORD@)([^\s'\"]*)@")
_IN_WORDS = re.compile(
    r"((?:password|passwd|pwd)\s*=\s*)(?:'[^']*'|\"[^\"]*\"|[^\s&'\",;)]+)", re.IGNORECASE
)
_KEYS = ("password", "passwd")
# A shorter one occurs in too many words by chance.
_SHORTEST = 4

_secrets: set[str] = set()


def keep_secret(parts: Mapping[str, Any]) -> None:
    """Hide the password of these address parts everywhere from now on.

    A password that equals the name of the user or the database is not hidden: it would hide those.
    """
    for key in _KEYS:
        secret = parts.get(key)
        others = [value for name, value in parts.items() if name not in _KEYS]
        if isinstance(secret, str) and len(secret) >= _SHORTEST and secret not in others:
            _secrets.add(secret)


def keep_secrets_of_urls(texts: Iterable[str]) -> None:
    """Hide the passwords of these URLs from now on, also with their %XX decoded."""
    for text in texts:
        found = _URL.search(text)
        if found is not None:
            user = found[1].rpartition("/")[2]
            for secret in (found[2], unquote(found[2])):
                keep_secret({"password": secret, "user": user, "user in plain": unquote(user)})


def redacted_document(value: Any) -> Any:
    """A document, or a part of one, without the passwords in its texts."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: redacted_document(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_document(each) for each in value]
    return value


def redacted(text: str) -> str:
    """A text without the passwords in it."""
    text = _URL.sub(rf"\1:{HIDDEN}@", text)
    text = _IN_WORDS.sub(rf"\1{HIDDEN}", text)
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
