"""What the triggers of a schema do to rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrations_ops.analysis.schema_facts import Fact, lowered
from migrations_ops.analysis.statements.blocks import (
    statements_in_block,
    statements_in_trigger,
    unquoted,
)
from migrations_ops.analysis.statements.rows import writes_of
from migrations_ops.child.protocol.sql import Token, shown, tokens


def written_uncounted(schema: Mapping[str, str]) -> Iterator[str]:
    """The tables in which a trigger or a key of their own may write more rows than are counted."""
    for key, was in schema.items():
        if key.startswith("trigger "):
            body = body_of(was, schema)
            inside = statements_in_block(body) + statements_in_trigger(body)
            yield from (each.table for statement in inside for each in writes_of(statement))
            if any(word.means("RAISE") for word in body):
                yield Fact.of(key, was).table
        elif key.startswith("foreign key "):
            fact = Fact.of(key, was)
            if fact.parent == fact.table:
                yield fact.table


def deleting_triggers(schema: Mapping[str, str]) -> dict[str, str]:
    """The tables from which triggers delete, each with one of these triggers."""
    return {
        write.table: shown(Fact.of(key, was).name)
        for key, was in schema.items()
        if key.startswith("trigger ")
        for statement in statements_in_trigger(body_of(was, schema))
        for write in writes_of(statement)
        if write.deletes
    }


def body_of(trigger: str, schema: Mapping[str, str]) -> list[Token]:
    """The statements of a trigger: its own ones, or those of the function that it calls."""
    words = tokens(trigger, "facts")
    texts = lowered(words)
    if "execute" not in texts:
        return words
    for number, word in enumerate(texts[:-1]):
        if word == "function":
            name = words[number + 1].shown()
            if texts[number + 2 : number + 3] == ["."]:
                name = f'"{texts[number + 1]}.{texts[number + 3]}"'
            function = tokens(schema.get(f"function {name}()", ""), "facts")
            if function and function[-1].literal:
                return tokens(unquoted(function[-1]), "postgresql")
    return words
