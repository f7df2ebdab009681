"""Reads what a statement does to a schema, for any engine, with unresolved names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_ops.analysis.statements.blocks import unquoted
from migrations_ops.analysis.statements.casts import is_column, uncast
from migrations_ops.analysis.statements.rows import outside
from migrations_ops.analysis.statements.words import Words
from migrations_ops.child.protocol.sql import Token, group, split

_FILLERS = ("IF", "NOT", "EXISTS", "CONCURRENTLY", "ONLY", "TEMPORARY", "TEMP", "ONLINE", "IGNORE")


@dataclass(frozen=True)
class SchemaAction:
    """One thing that a statement does to a schema.

    All names are in lower case, with their schemas if the statement has them. ``verb`` is one of
    these:

    - drop, rename, move (to another schema); change (anything else that leaves the object there)
    - drop column, rename column, alter column (``to`` is the property)
    - compute column (its new type comes with an expression that is more than a cast)
    - add attribute, drop attribute, rename attribute (``table`` is the type, as of a value)
    - rewrite column (``to`` are the named properties; it loses all others)
    - drop constraint (``kind`` may be empty); convert (all texts of a table)
    - truncate (``to`` is "restart" where its sequence starts again); detach (a partition)
    - revoke (``to`` is the role); drop owned (``name`` is the role)
    - search path (``name`` is the schema that unqualified names now mean)
    - set sequence (``name`` is any literal of the statement)
    """

    verb: str
    name: str
    kind: str = ""
    table: str = ""
    to: str = ""


def schema_actions(statement: list[Token]) -> Iterator[SchemaAction]:
    """What one statement does."""
    if not statement:
        return
    reader = Words(statement)
    verb = statement[0].text.upper()
    match verb:
        case "DROP":
            yield from _drop(reader)
        case "ALTER":
            yield from _alter(reader)
        case "CREATE":
            yield from _create(reader)
        case "RENAME":
            yield from _rename(reader)
        case "TRUNCATE":
            yield from _truncate(reader)
        case "REVOKE":
            yield from _revoke(reader)
        case "SET":
            yield from _search_path(reader)
        case "SELECT" if any(word.means("SETVAL") for word in statement):
            yield from (
                SchemaAction("set sequence", unquoted(word).lower())
                for word in statement
                if word.literal
            )


def _drop(reader: Words) -> Iterator[SchemaAction]:
    if reader.sees("OWNED") or reader.sees("ROLE") or reader.sees("USER"):
        reader.take("OWNED", "BY") or reader.take("ROLE") or reader.take("USER")
        reader.skip(*_FILLERS)
        yield from (SchemaAction("drop owned", name) for name in reader.names())
        return
    reader.skip("TEMPORARY")
    kind = reader.kind()
    if not kind:
        return
    reader.skip(*_FILLERS)
    names = reader.names()
    table = reader.name() if reader.take("ON") else ""
    yield from (SchemaAction("drop", name, kind, table) for name in names)


def _create(reader: Words) -> Iterator[SchemaAction]:
    """CREATE OR REPLACE changes an object of the same name."""
    if reader.take("OR", "REPLACE"):
        for number in range(reader.at, min(len(reader.statement), reader.at + 8)):
            reader.at = number
            if kind := reader.kind():
                reader.skip(*_FILLERS)
                yield SchemaAction("change", reader.name(), kind)
                return


def _rename(reader: Words) -> Iterator[SchemaAction]:
    """RENAME TABLE a TO b, c TO d: MariaDB's."""
    if reader.take("TABLE") or reader.take("TABLES"):
        reader.skip("IF", "EXISTS")
        for part in split(reader.rest):
            each = Words(part, 0)
            name = each.name()
            if each.take("TO"):
                yield SchemaAction("rename", name, "table", to=each.name())


def _truncate(reader: Words) -> Iterator[SchemaAction]:
    reader.skip("TABLE", "ONLY")
    names = reader.names()
    to = "restart" if reader.sees("RESTART") else ""
    yield from (SchemaAction("truncate", name, to=to) for name in names)


def _revoke(reader: Words) -> Iterator[SchemaAction]:
    ends = [n for n, word in enumerate(reader.statement) if word.means("FROM")]
    starts = [n for n, word in enumerate(reader.statement) if word.means("ON")]
    if not ends:
        return
    named = Words(reader.statement[: ends[-1]], starts[0] + 1 if starts else ends[-1])
    named.skip("ALL", "TABLES", "SEQUENCES", "FUNCTIONS", "IN", "SCHEMA")
    named.kind()
    names = named.names() if named.rest else [""]
    roles = Words(reader.statement, ends[-1] + 1)
    roles.skip("GROUP")
    roles_found = roles.names()
    yield from (SchemaAction("revoke", name, to=role) for name in names for role in roles_found)


def _search_path(reader: Words) -> Iterator[SchemaAction]:
    reader.skip("SESSION", "LOCAL")
    if reader.take("SEARCH_PATH") and (reader.take("TO") or reader.take("=")):
        first = reader.statement[reader.at : reader.at + 1]
        for word in first:
            yield SchemaAction(
                "search path", unquoted(word).lower() if word.literal else word.text.lower()
            )


def _alter(reader: Words) -> Iterator[SchemaAction]:
    if reader.take("DEFAULT", "PRIVILEGES"):
        yield from (
            SchemaAction("revoke", "default", to=action.to)
            for start, word in enumerate(reader.statement)
            if word.means("REVOKE")
            for action in _revoke(Words(reader.statement[start:]))
        )
        return
    reader.skip(*_FILLERS)
    kind = reader.kind()
    if not kind:
        return
    reader.skip(*_FILLERS)
    name = reader.name()
    if reader.sees("("):  # the arguments of a function
        reader.at += len(group(reader.statement, reader.at)) + 2
    table = reader.name() if kind in ("trigger", "policy", "rule") and reader.take("ON") else ""
    reader.take("*")
    if kind == "table":
        for action in split(reader.rest):
            yield from _table_action(name, Words(action, 0))
        return
    if reader.take("RENAME", "TO"):
        yield SchemaAction("rename", name, kind, table, reader.name())
    elif reader.take("SET", "SCHEMA"):
        yield SchemaAction("move", name, kind, to=reader.name())
    elif reader.take("RENAME", "VALUE") and len(reader.rest) > 2:
        yield SchemaAction("rename", reader.rest[0].text, "value", name, reader.rest[2].text)
    else:
        if kind == "type":
            for action in split(reader.rest):
                yield from _attribute_action(name, Words(action, 0))
        if kind == "sequence" and any(word.means("RESTART") for word in reader.rest):
            yield SchemaAction("set sequence", name)
        yield SchemaAction("change", name, kind, table)


def _attribute_action(of: str, reader: Words) -> Iterator[SchemaAction]:
    """Of a composite type."""
    for verb in ("ADD", "DROP", "RENAME"):
        if reader.take(verb, "ATTRIBUTE"):
            reader.skip("IF", "EXISTS")
            name = reader.name()
            to = reader.name() if reader.take("TO") else ""
            yield SchemaAction(f"{verb.lower()} attribute", name, table=of, to=to)


def _table_action(table: str, reader: Words) -> Iterator[SchemaAction]:
    verb = reader.statement[0].text.upper()
    reader.at = 1
    match verb:
        case "RENAME":
            yield from _table_rename(table, reader)
        case "DROP":
            yield from _table_drop(table, reader)
        case "ALTER":
            yield from _column_alter(table, reader)
        case "MODIFY" | "CHANGE":
            yield from _column_rewrite(table, verb, reader)
        case "CONVERT" if reader.take("PARTITION"):
            yield SchemaAction("truncate", table)
        case "CONVERT" if reader.take("TABLE"):
            yield SchemaAction("drop", reader.name(), "table")
        case "CONVERT":  # to another character set, for which a text may need a longer type
            yield SchemaAction("convert", table)
        case "SET" if reader.take("SCHEMA"):
            yield SchemaAction("move", table, "table", to=reader.name())
        case "DETACH" if reader.take("PARTITION"):
            yield SchemaAction("detach", reader.name(), table=table)
        case "ATTACH" if reader.take("PARTITION"):
            yield SchemaAction("change", reader.name(), "table")
        case "ENABLE" | "DISABLE" if reader.take("TRIGGER") or reader.take("RULE"):
            yield SchemaAction("change", reader.name(), "trigger", table)
        case "ENABLE" if reader.take("ALWAYS") or reader.take("REPLICA"):
            reader.at += 1
            yield SchemaAction("change", reader.name(), "trigger", table)
        case "TRUNCATE" | "EXCHANGE" | "REORGANIZE" | "COALESCE":  # of partitions
            yield SchemaAction("truncate", table)
            if verb == "EXCHANGE" and reader.seek("TABLE"):
                yield SchemaAction("truncate", reader.name())
        case "ADD" | "VALIDATE" | "CLUSTER" | "OWNER":
            return
        case _:
            yield SchemaAction("change", table, "table")


def _table_rename(table: str, reader: Words) -> Iterator[SchemaAction]:
    if reader.take("CONSTRAINT"):
        yield SchemaAction("drop constraint", reader.name(), table=table)
    elif reader.take("INDEX") or reader.take("KEY"):
        yield SchemaAction("drop", reader.name(), "index", table)
    elif reader.take("TO") or reader.take("AS"):
        yield SchemaAction("rename", table, "table", to=reader.name())
    else:
        reader.skip("COLUMN", "IF", "EXISTS")
        column = reader.name()
        if reader.take("TO"):
            yield SchemaAction("rename column", column, table=table, to=reader.name())
        else:
            yield SchemaAction("rename", table, "table", to=column)


def _table_drop(table: str, reader: Words) -> Iterator[SchemaAction]:
    for keywords, kind in (
        (("CONSTRAINT",), ""),
        (("FOREIGN", "KEY"), "foreign key"),
        (("CHECK",), "check"),
    ):
        if reader.take(*keywords):
            reader.skip("IF", "EXISTS")
            yield SchemaAction("drop constraint", reader.name(), kind, table)
            return
    if reader.take("PRIMARY", "KEY"):
        yield SchemaAction("drop constraint", "", "primary key", table)
    elif (reader.sees("INDEX") or reader.sees("KEY")) and len(reader.rest) > 1:
        reader.at += 1
        reader.skip("IF", "EXISTS")
        yield SchemaAction("drop", reader.name(), "index", table)
    elif reader.take("PARTITION"):
        yield SchemaAction("truncate", table)
    elif reader.sees("SYSTEM", "VERSIONING"):
        yield SchemaAction("change", table, "table")
    elif not reader.sees("PERIOD"):
        reader.skip("COLUMN", "IF", "EXISTS")
        yield SchemaAction("drop column", reader.name(), table=table)


def _column_alter(table: str, reader: Words) -> Iterator[SchemaAction]:
    if reader.take("CONSTRAINT"):
        yield SchemaAction("change", reader.name(), "constraint", table)
        return
    if reader.take("INDEX") or reader.take("KEY"):
        yield SchemaAction("change", reader.name(), "index", table)
        return
    reader.skip("COLUMN", "IF", "EXISTS")
    column = reader.name()
    words = {word.text.upper() for word in reader.rest[:4] if not word.quoted}
    properties = {
        "type": {"TYPE", "COLLATE"},
        "nullable": {"NULL"},
        "default": {"DEFAULT", "IDENTITY", "GENERATED", "EXPRESSION"},
        "storage": {"STORAGE", "COMPRESSION", "STATISTICS"},
    }
    for what, keywords in properties.items():
        if words & keywords and (what == "type" or "TYPE" not in words):
            yield SchemaAction("alter column", column, table=table, to=what)
    if "RESTART" in words:
        yield SchemaAction("set sequence", table)
    using = outside(reader.rest, ("USING",))
    value, _ = uncast(reader.rest[using + 1 :])
    if value and not (is_column(value) and value[-1].text.lower() == column):
        yield SchemaAction("compute column", column, table=table)


def _column_rewrite(table: str, verb: str, reader: Words) -> Iterator[SchemaAction]:
    """MODIFY and CHANGE redefine the whole column."""
    reader.skip("COLUMN", "IF", "EXISTS")
    column = reader.name()
    if verb == "CHANGE":
        to = reader.name()
        if to != column:
            yield SchemaAction("rename column", column, table=table, to=to)
            column = to
    named = " ".join(_named_properties(reader.rest))
    yield SchemaAction("rewrite column", column, table=table, to=named)


# The words that name a property of a column on MariaDB, besides its type.
_PROPERTIES = {
    ("NULL",): "nullable",
    ("DEFAULT",): "default",
    ("AS",): "default",
    ("ON", "UPDATE"): "on-update",
    ("AUTO_INCREMENT",): "autoincrement",
    ("COMMENT",): "comment",
    ("INVISIBLE",): "invisible",
    ("COLLATE",): "collation",
    ("CHARACTER", "SET"): "collation",
    ("CHARSET",): "collation",
}


def _named_properties(definition: list[Token]) -> list[str]:
    found, depth = ["type"], 0
    for number, word in enumerate(definition):
        depth += word.means("(") - word.means(")")
        is_value = number > 0 and definition[number - 1].means("DEFAULT")
        for words, what in _PROPERTIES.items():
            coming = definition[number : number + len(words)]
            if (
                not depth
                and not is_value
                and len(coming) == len(words)
                and all(each.means(keyword) for each, keyword in zip(coming, words, strict=True))
            ):
                found.append(what)
    return found
