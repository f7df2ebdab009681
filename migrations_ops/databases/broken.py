"""Finds routines that still name dropped objects: a server compiles routines only when called."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from migrations_ops.child.protocol.sql import Token

# Before the name of a table.
_BEFORE_TABLES = ("FROM", "JOIN", "INTO", "UPDATE", "TABLE", "ONLY", "TRUNCATE", "ON")
_ROWS = ("NEW", "OLD")


def name_that_went(sql: Sequence[Token], gone: Collection[str], on: Collection[str] = ()) -> str:
    """Which of ``gone`` a text names, as text; empty for none.

    A column counts if it is qualified by its table or an alias of it, or if that is the only table.

    :param gone: tables, and columns as ``TABLE.COLUMN``, in lower case and without a schema.
    :param on: the tables whose rows are NEW and OLD there.
    """
    words = [each.text.lower() if each.is_name else "" for each in sql]
    places = [number for number in range(len(sql)) if _is_table(sql, words, number)]
    for number in places:
        if words[number] in gone:
            return f"the table {words[number]}"
    owners = {name: set(on) for name in ("new", "old")}
    for number in places:
        for name in (words[number], _alias(sql, words, number)):
            owners.setdefault(name, set()).add(words[number])
    named = {words[number] for number in places}
    for number, word in enumerate(words):
        qualified = number > 1 and sql[number - 1].means(".")
        of = owners.get(words[number - 2], ()) if qualified else named if len(named) == 1 else ()
        found = next((f"{each}.{word}" for each in of if f"{each}.{word}" in gone), "")
        if found and number not in places:
            return f"the column {found}"
    return ""


def _is_table(sql: Sequence[Token], words: Sequence[str], number: int) -> bool:
    """Whether a word is in the position of a table, with or without its schema."""
    if not words[number] or (number + 1 < len(sql) and sql[number + 1].means(".")):
        return False
    while number >= 2 and sql[number - 1].means(".") and words[number - 2]:
        number -= 2
    return number > 0 and sql[number - 1].means(*_BEFORE_TABLES)


def _alias(sql: Sequence[Token], words: Sequence[str], number: int) -> str:
    """The word after a table; a keyword is not an alias."""
    behind = number + 2 if number + 1 < len(sql) and sql[number + 1].means("AS") else number + 1
    return words[behind] if behind < len(words) else ""
