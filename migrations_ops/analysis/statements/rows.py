"""Reads what a statement does to rows: in which table and columns, and whether rows may be lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrations_ops.child.protocol.events import TableWrite
from migrations_ops.child.protocol.sql import Token, group, split

# The prefix of the copy that Alembic's batch mode makes of a table.
TEMPORARY = "_alembic_tmp_"
_WRITES = ("UPDATE", "DELETE", "INSERT", "REPLACE", "MERGE", "COPY")
_CLAUSES = ("WHERE", "FROM", "RETURNING", "ORDER", "LIMIT", "WHEN")
_MODIFIERS = ("INTO", "FROM", "ONLY", "IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "QUICK", "DELAYED")
_ENDS_OF_SOURCE = ("JOIN", ",", "ON", "INNER", "LEFT", "RIGHT", "CROSS", "NATURAL", "FULL",
                   "USING")  # fmt: skip
_ENDS_OF_SOURCES = ("SET", "WHERE", "ORDER", "LIMIT", "RETURNING")


@dataclass(frozen=True)
class Write:
    """What a statement does to one table; names are in lower case.

    ``columns`` are those that an UPDATE sets, also ON CONFLICT; ``replaces`` means that an INSERT
    may overwrite rows.
    """

    table: str
    deletes: bool = False
    inserts: bool = False
    replaces: bool = False
    columns: frozenset[str] = frozenset()

    def explains(self, other: Write) -> bool:
        """Whether it does everything that the other one does."""
        return (
            self.table.rpartition(".")[2] == other.table.rpartition(".")[2]
            and (self.deletes or not other.deletes)
            and not (other.inserts or other.replaces)
            and self.columns >= other.columns
        )


def writes_of(sql: list[Token]) -> Iterator[Write]:
    """What a statement writes, including inside and after a WITH."""
    if sql and sql[0].means("WITH"):
        for number, word in enumerate(sql):
            inside = group(sql, number) if word.means("(") else []
            if inside and inside[0].means(*_WRITES):
                yield from writes_of(inside)
        sql = sql[outside(sql, _WRITES) :]
    if not sql or not sql[0].means(*_WRITES):
        return
    verb, rest = sql[0].text.upper(), sql[1:]
    replaces = verb == "REPLACE" or [word.text.upper() for word in rest[:2]] == ["OR", "REPLACE"]
    rest = without_modifiers(rest)
    tables = _tables(verb, rest)
    if not tables or tables[0].startswith(TEMPORARY):
        return  # batch mode copies the table: the project did not ask to change it
    inserts = verb in ("INSERT", "REPLACE", "MERGE", "COPY")
    deletes = verb == "DELETE" or (verb == "MERGE" and any(word.means("DELETE") for word in rest))
    columns = frozenset[str]() if verb in ("DELETE", "COPY") else _set(verb, rest)
    for table in tables if verb in ("UPDATE", "DELETE") else tables[:1]:
        yield Write(table, deletes, inserts, replaces, columns)


def without_modifiers(words: list[Token]) -> list[Token]:
    """What follows the verb, from the name of the table on."""
    if words and words[0].means("OR"):
        words = words[2:]
    while len(words) > 1 and words[0].means(*_MODIFIERS) and not words[1].means("."):
        words = words[1:]
    return words


def writes_compiled(compiled: Iterable[TableWrite], read: Iterable[Write]) -> Iterator[Write]:
    """What a statement writes according to SQLite, completed from its text.

    SQLite does not report that an INSERT may replace rows.
    """
    replaced = {each.table.rpartition(".")[2] for each in read if each.replaces}
    found: dict[str, list[TableWrite]] = {}
    for write in compiled:
        table = write[1].lower()
        if not table.startswith(TEMPORARY):
            found.setdefault(table, []).append(write)
    for table, writes in found.items():
        verbs = {verb for verb, _, _ in writes}
        columns = frozenset(column.lower() for _, _, column in writes if column)
        yield Write(table, "delete" in verbs, "insert" in verbs, table in replaced, columns)


def _tables(verb: str, rest: list[Token]) -> list[str]:
    """The tables that are written; MariaDB allows several in one statement."""
    if verb not in ("UPDATE", "DELETE"):
        return [name_of(rest)] if rest else []
    sources = rest[: outside(rest, _ENDS_OF_SOURCES)]
    start = outside(sources, ("FROM",)) if verb == "DELETE" else len(sources)
    # DELETE a, b FROM t AS a JOIN ... writes only those that it lists, by their other names.
    listed = {part[0].text.lower() for part in split(sources[:start])}
    joined = start < len(sources)
    sources = sources[start + 1 :] if joined else sources[: outside(sources, ("USING",))]
    return [
        name for name, other in sources_of(sources) if not joined or {name, other or name} & listed
    ]


def sources_of(sources: list[Token]) -> Iterator[tuple[str, str]]:
    """The tables of a FROM, each with its alias, or an empty string."""
    starts = [n + 1 for n, word in enumerate(sources) if word.means("JOIN", ",")]
    for start in (0, *starts):
        part = sources[start:]
        if part and not part[0].means("(", "LATERAL"):
            part = part[: outside(part, _ENDS_OF_SOURCE)]
            name = name_of(part)
            other = [word for word in part[2 * name.count(".") + 1 :] if not word.means("AS")][:1]
            yield name, "".join(word.text.lower() for word in other)


def name_of(words: list[Token]) -> str:
    parts = [words[0].text.lower()]
    at = 1
    while at + 1 < len(words) and words[at].means("."):
        parts.append(words[at + 1].text.lower())
        at += 2
    return ".".join(parts)


def assigned_columns(words: list[Token]) -> frozenset[str]:
    """The columns of the row itself that a trigger sets: ``NEW.a := 1``, ``SET NEW.a = 1``."""
    found = set()
    for number, word in enumerate(words[:-3]):
        if word.means("NEW") and words[number + 1].means("."):
            follows = words[number + 3]
            before = words[number - 1] if number else word
            # In a condition, it is compared.
            if follows.means(":") or (follows.means("=") and not before.means(*_CONDITIONS)):
                found.add(words[number + 2].text.lower())
    return frozenset(found)


_CONDITIONS = ("IF", "AND", "OR", "NOT", "WHEN", "WHERE", "ON", "ELSIF", "(")


def _set(verb: str, sql: list[Token]) -> frozenset[str]:
    found: set[str] = set()
    starts = [n + 1 for n, word in enumerate(sql) if word.means("SET") and _is_outside(sql, n)]
    if not starts:
        # INSERT ... ON DUPLICATE KEY UPDATE a = 1
        duplicate = outside(sql, ("DUPLICATE",))
        starts = [duplicate + 3] if duplicate < len(sql) else []
    elif verb == "INSERT" and outside(sql, ("DO", "DUPLICATE")) == len(sql):
        return frozenset()  # INSERT INTO t SET a = 1
    for start in starts:
        part = sql[start:]
        for each in split(part[: outside(part, _CLAUSES)]):
            names = split(group(each, 0)) if each[0].means("(") else [each]
            found |= {name_of(name).rpartition(".")[2] for name in names}
    return frozenset(found)


def _is_outside(sql: list[Token], position: int) -> bool:
    depth = 0
    for word in sql[:position]:
        depth += word.means("(") - word.means(")")
    return depth == 0


def outside(sql: list[Token], keywords: tuple[str, ...]) -> int:
    """The index of the first of these keywords outside of parentheses; the length if there is
    none."""
    depth = 0
    for number, word in enumerate(sql):
        depth += word.means("(") - word.means(")")
        if not depth and word.means(*keywords):
            return number
    return len(sql)
