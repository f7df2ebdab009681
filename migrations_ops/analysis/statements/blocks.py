"""Splits texts, blocks and triggers into single statements."""

from __future__ import annotations

import re

from migrations_ops.child.protocol.sql import Syntax, Token, tokens

_BODIES = ("FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "PACKAGE")
# What a statement within a block comes behind.
_OPENERS = ("BEGIN", "THEN", "ELSE", "LOOP", "DECLARE", "EXECUTE")


def statements_of(sql: str, syntax: Syntax) -> list[list[Token]]:
    """The statements of a text, and those of a DO block in it."""
    words = tokens(sql, syntax)
    if not words:
        return []
    if syntax == "sqlite" or _has_body(words, syntax):
        return [words]
    found: list[list[Token]] = []
    for part in _split(words):
        if part[0].means("DO") and syntax == "postgresql":
            for word in part:
                if word.literal and len(word.text) > 20:
                    found += statements_in_block(tokens(unquoted(word), syntax))
        else:
            found.append(part)
    return found


def statements_in_block(words: list[Token]) -> list[list[Token]]:
    """The statements between BEGIN and END, each from its verb on, including those in literals."""
    found = []
    for part in _split(words):
        starts = [n for n, word in enumerate(part) if word.means(*_OPENERS)]
        inside = part[starts[-1] + 1 :] if starts else part
        if starts and part[starts[-1]].means("EXECUTE") and inside and inside[0].literal:
            inside = tokens(unquoted(inside[0]), "postgresql")
        found.append(inside)
    return [part for part in found if part]


def statements_in_trigger(trigger: list[Token]) -> list[list[Token]]:
    """The statements in the body of a trigger."""
    starts = [n for n, word in enumerate(trigger) if word.means("BEGIN")]
    rows = [n for n, word in enumerate(trigger) if word.means("ROW")]
    begin = starts[0] if starts else (rows[0] if rows else 0)
    return _split(trigger[begin + 1 :])


def unquoted(literal: Token) -> str:
    """The value of a string literal."""
    text = literal.text[literal.text.index("'") + 1 :].removesuffix("'").replace("''", "'")
    if literal.text[0] in "eE":
        return re.sub(r"\\(.)", r"\1", text)
    return text


def _has_body(words: list[Token], syntax: Syntax) -> bool:
    """Whether it has a body, in which semicolons do not separate statements."""
    if not words[0].means("CREATE"):
        return False
    body = any(word.means(*_BODIES) for word in words[:12])
    atomic = any(word.means("ATOMIC") for word in words)
    return body and (syntax == "mariadb" or atomic)


def _split(words: list[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for word in words:
        if word.means(";"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]
