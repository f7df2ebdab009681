"""Removes secrets from whatever leaves: messages, documents, records and logs.

Those that are known are hidden wherever they are: the passwords of URLs, and the values of
variables that `project/secrets.py` takes for secrets. Where the text itself shows that a password
is there, a URL or `password=`, that is hidden too: some drivers repeat their arguments. psycopg
shows a connection string that it cannot read, SQLAlchemy before 2.0.30 a URL.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

HIDDEN = "***"
_URL = re.compile(r"(:/{1,3}[^\s:/@'\"]*):(?!PASSWORD@)([^\s'\"]*)@")
_IN_WORDS = re.compile(
    r"((?:password|passwd|pwd)\s*=\s*)(?:'[^']*'|\"[^\"]*\"|[^\s&'\",;)]+)", re.IGNORECASE
)
_KEYS = ("password", "passwd")
_IN_QUERY = re.compile("pass(?!file)|pwd|secret|token", re.IGNORECASE)
# A shorter one occurs in too many words by chance.
_SHORTEST = 4
# Of a longer one, a document with a key in it for instance, a pattern of all would take a third of
# a second to be made.
_EVERY_SPELLING = 500
# A name that this tool has given, of a record or a backup, is typed into commands and looked up
# later: a password such as "sqlite3" is not hidden in it.
_OUR_NAME = r"(?P<ours>\d{8}_\d{6}(?:_\d+)?(?:\.\w+)*)"
# Keys of documents under which are names and no texts. Programs go by them, and so does the task
# that reads a record back: with a password such as "upgrade" it would not know its own steps.
_NAMES = frozenset({
    "id", "task", "name", "environment", "outcome", "state", "code", "severity", "started", "taken",
    "revision", "from", "to", "current", "heads", "targets", "backup", "backups", "committed",
    "commands", "unfinished", "closed",
})  # fmt: skip
# SQL doubles quotation marks, and ini files percent signs.
_DOUBLED = "'\"`%"

_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def keep_secret_texts(texts: Iterable[str]) -> None:
    """Hide these texts from now on."""
    global _pattern
    _secrets.update(text for text in texts if len(text) >= _SHORTEST and text.strip())
    _pattern = None


def keep_secret(parts: Mapping[str, Any]) -> None:
    """Hide the password of these address parts everywhere from now on.

    A password that equals the name of the user or the database is not hidden: it would hide those.
    """
    for key in _KEYS:
        secret = parts.get(key)
        others = [value for name, value in parts.items() if name not in _KEYS]
        if isinstance(secret, str) and secret not in others:
            keep_secret_texts([secret])


def keep_secrets_of_urls(texts: Iterable[str]) -> None:
    """Hide the passwords of these URLs from now on, also with their %XX decoded.

    Of a URL that is written wrongly it is unknown where its password ends: whatever may be it is.
    """
    for text in texts:
        _, found, rest = text.partition("://")
        ends = [place.start() for place in re.finditer("@", rest)] if found else []
        for end in ends:
            user, _, password = rest[:end].partition(":")
            names = {"user": user, "user in plain": unquote(user)}
            for secret in (password, unquote(password), unquote_plus(password)):
                keep_secret({"password": secret, **names})
        if not found and (misspelt := _URL.search(text)) is not None:
            keep_secret_texts([misspelt[2], unquote(misspelt[2])])
        for key, value in parse_qsl(rest.partition("?")[2]):
            if _IN_QUERY.search(key):
                keep_secret_texts([value])


def redacted_document(value: Any, *, named: bool = False) -> Any:
    """A document, or a part of one, without the secrets in its texts.

    :param named: whether it is the value of a key in ``_NAMES``: such names stay. Documents in a
        list there, those of ``backups --json``, are no names: each has texts of its own.
    """
    if isinstance(value, str):
        return value if named else redacted(value)
    if isinstance(value, Mapping):
        return {
            key: redacted_document(each, named=named or key in _NAMES)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            redacted_document(each, named=named and not isinstance(each, Mapping)) for each in value
        ]
    return value


def redacted(text: str) -> str:
    """A text without the secrets in it."""
    text = _URL.sub(rf"\1:{HIDDEN}@", text)
    text = _IN_WORDS.sub(rf"\1{HIDDEN}", text)
    return without_known_secrets(text)


def without_known_secrets(text: str) -> str:
    """A program without them. What only looks like a password stays: ``SET password = NULL`` has to
    run."""
    return _known().sub(lambda found: found["ours"] or HIDDEN, text)


class RedactedStream:
    """What a program writes, without the secrets in it, however its pieces are cut.

    It is passed on line by line; of a line that is very long, all but an end in which a secret may
    have begun.
    """

    _LONG = 65536

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._rest = ""

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """The text that can be passed on; all of it with the last piece."""
        text = self._rest + self._decoder.decode(data, last)
        end = len(text) if last else text.rfind("\n") + 1
        if not end and len(text) > self._LONG:
            end = self._cut(text)
        self._rest = text[end:]
        return redacted(text[:end]).encode("utf-8", "surrogateescape")

    def _cut(self, text: str) -> int:
        """Where to cut without cutting a secret, whose longest spelling is twelve times as long."""
        end = len(text) - 12 * max(map(len, _secrets), default=0) - 1
        for found in _known().finditer(text):
            if found.start() < end < found.end():
                return found.start()
        return max(end, 0)


def _known() -> re.Pattern[str]:
    """Finds every spelling of every known secret, the longest first."""
    global _pattern
    if _pattern is None:
        longest_first = sorted(_secrets, key=len, reverse=True)
        _pattern = re.compile("|".join([_OUR_NAME, *map(_spellings, longest_first)]))
    return _pattern


def _spellings(secret: str) -> str:
    if len(secret) > _EVERY_SPELLING:
        forms = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")}
        return "|".join(map(re.escape, forms))
    return "".join(map(_spellings_of_one, secret))


def _spellings_of_one(character: str) -> str:
    """A character as it is, or as URLs, JSON, Python's repr(), SQL and ini files write it."""
    if character.isascii() and character.isalnum():
        return character
    data = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass").hex()
    forms = {
        re.escape(character),
        re.escape(f"\\{character}"),
        re.escape(repr(character)[1:-1]),
        _any_case("".join(f"%{byte:02x}" for byte in data)),
        _any_case("".join(f"\\x{byte:02x}" for byte in data)),
        _any_case("".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))),
        *({r"\+"} if character == " " else ()),
        *({2 * re.escape(character)} if character in _DOUBLED else ()),
    }
    return f"(?:{'|'.join(sorted(forms, key=len, reverse=True))})"


def _any_case(text: str) -> str:
    return f"(?i:{re.escape(text)})"
