"""What a statement writes: the table, the columns, and whether rows may be lost by it."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_ops.databases.sql_words import Word, group, split

# How Alembic's batch mode calls the copy that it makes of a table.
TEMPORARY = "_alembic_tmp_"
_WRITES = ("UPDATE", "DELETE", "INSERT", "REPLACE")
_CLAUSES = ("WHERE", "FROM", "RETURNING", "ORDER", "LIMIT")


@dataclass(frozen=True)
class Write:
    """One UPDATE, DELETE, INSERT or REPLACE; names are in small letters.

    ``columns`` are those that an UPDATE sets, also one ON CONFLICT; ``replaces`` tells that an
    INSERT may overwrite rows.
    """

    table: str
    deletes: bool = False
    inserts: bool = False
    replaces: bool = False
    columns: frozenset[str] = frozenset()

    @classmethod
    def of(cls, sql: list[Word]) -> Write | None:
        """What a statement writes, also behind a WITH; None if it writes nothing."""
        start = _outside(sql, _WRITES) if sql and sql[0].means("WITH") else 0
        sql = sql[start:]
        if not sql or not sql[0].means(*_WRITES):
            return None
        verb, rest = sql[0].text.upper(), sql[1:]
        replaces = verb == "REPLACE"
        if rest and rest[0].means("OR"):
            replaces, rest = any(word.means("REPLACE") for word in rest[1:2]), rest[2:]
        if rest and rest[0].means("INTO", "FROM"):
            rest = rest[1:]
        if len(rest) > 2 and rest[1].means("."):
            rest = rest[2:]
        if not rest or rest[0].text.lower().startswith(TEMPORARY):
            return None  # batch mode copies a table: that is no wish to change it
        table, inserts = rest[0].text.lower(), verb in ("INSERT", "REPLACE")
        if inserts:
            rest = rest[_outside(rest, ("DO",)) :]
        columns = frozenset[str]() if verb == "DELETE" else _set(rest)
        return cls(table, verb == "DELETE", inserts, replaces, columns)


def statements_of(trigger: list[Word]) -> list[list[Word]]:
    """The statements in a trigger's body."""
    begin = next((n for n, word in enumerate(trigger) if word.means("BEGIN")), 0)
    parts: list[list[Word]] = [[]]
    for word in trigger[begin + 1 :]:
        if word.means(";"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _set(sql: list[Word]) -> frozenset[str]:
    sql = sql[_outside(sql, ("SET",)) + 1 :]
    found: set[str] = set()
    for part in split(sql[: _outside(sql, _CLAUSES)]):
        names = split(group(part, 0)) if part[0].means("(") else [part]
        found |= {name[0].text.lower() for name in names}
    return frozenset(found)


def _outside(sql: list[Word], keywords: tuple[str, ...]) -> int:
    """Where the first of these keywords stands outside of brackets; the length if nowhere."""
    depth = 0
    for number, word in enumerate(sql):
        depth += word.means("(") - word.means(")")
        if not depth and word.means(*keywords):
            return number
    return len(sql)
