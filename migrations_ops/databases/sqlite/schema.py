"""The schema of a SQLite database as plain facts, one a line, that can be compared."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.child.protocol.sql import Token, group, normal, shown, split, tokens

_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")


def table_names(connection: sqlite3.Connection) -> list[str]:
    """The tables, without SQLite's own."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' ORDER BY name"
    )
    return [row[0] for row in rows]


def read_schema(connection: sqlite3.Connection, tables: list[str]) -> dict[str, str]:
    """Each table, column, constraint, index, trigger and view with what it is.

    The order of columns, white space, quoting and the case of keywords do not count; types,
    defaults, collations, the actions of foreign keys and the names of constraints do.
    """
    schema: dict[str, str] = {}
    statements = {
        (kind, name): sql or ""
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master")
    }
    for table in tables:
        schema |= _Table(connection, table, statements).facts()
    for (kind, name), sql in statements.items():
        if kind in {"trigger", "view"} and name != LEDGER:
            schema[f"{kind} {shown(name)}"] = normal(sql)
    return dict(sorted(schema.items()))


@dataclass(frozen=True, slots=True)
class _Constraint:
    kind: str
    name: str
    columns: tuple[str, ...]
    text: str = ""


class _Table:
    """One table: most is asked of SQLite, what its pragmas do not tell is read in its SQL."""

    def __init__(
        self, connection: sqlite3.Connection, table: str, statements: dict[tuple[str, str], str]
    ) -> None:
        self._connection, self._table, self._statements = connection, table, statements
        self._shown = shown(table)
        self._sql = tokens(statements.get(("table", table), ""))
        start = next((n for n, word in enumerate(self._sql) if word.means("(")), len(self._sql))
        body = group(self._sql, start) if start < len(self._sql) else []
        self._definitions = split(body)
        self._options = self._sql[start + len(body) + 2 :]
        self._virtual = len(self._sql) > 1 and self._sql[1].means("VIRTUAL")
        self._constraints = [] if self._virtual else _constraints(self._definitions)

    def facts(self) -> dict[str, str]:
        facts = {f"table {self._shown}": self._traits()}
        if self._virtual:
            # Its columns come from its module, which need not be loaded here.
            return facts
        return facts | self._columns() | self._foreign_keys() | self._indexes() | self._checks()

    def _traits(self) -> str:
        if self._virtual:
            return normal(self._sql)
        inside = [word for part in self._definitions for word in part]
        found = {
            "STRICT": any(word.means("STRICT") for word in self._options),
            "WITHOUT ROWID": any(word.means("WITHOUT") for word in self._options),
            "AUTOINCREMENT": any(word.means("AUTOINCREMENT") for word in inside),
            "INITIALLY DEFERRED": any(word.means("DEFERRED") for word in inside),
        }
        for number, word in enumerate(inside[:-1]):
            if word.means("CONFLICT"):
                found[f"ON CONFLICT {inside[number + 1].text.upper()}"] = True
        return " ".join(trait for trait, there in found.items() if there)

    def _columns(self) -> dict[str, str]:
        written = {part[0].text.lower(): part for part in self._definitions}
        columns = {}
        for row in self._ask("pragma_table_xinfo"):
            _, name, kind, not_null, default, key, hidden = row
            parts = [normal(kind or ""), "NOT NULL" if not_null else ""]
            parts.append(f"DEFAULT {normal(default)}" if default is not None else "")
            parts.append(f"KEY {key}" if key else "")
            definition = written.get(name.lower(), [])
            parts.append(_generated(definition) if hidden in (2, 3) else "")
            parts.append(_collation(definition))
            columns[f"column {self._shown}.{shown(name)}"] = " ".join(filter(None, parts))
        return columns

    def _foreign_keys(self) -> dict[str, str]:
        keys: dict[int, list[tuple[str, str, str, str]]] = {}
        parents: dict[int, str] = {}
        for row in self._ask("pragma_foreign_key_list"):
            number, _, parent, child_column, parent_column, on_update, on_delete, _ = row
            keys.setdefault(number, []).append(
                (child_column, parent_column or "", on_update, on_delete)
            )
            parents[number] = parent
        found = {}
        for number, columns in keys.items():
            names = [column[0] for column in columns]
            there = ", ".join(shown(column[1]) for column in columns if column[1])
            what = f"({there}) ON UPDATE {columns[0][2]} ON DELETE {columns[0][3]}"
            key = f"foreign key {self._listed(names)} to {shown(parents[number])}"
            found[key] = what + self._named("foreign key", names)
        return found

    def _indexes(self) -> dict[str, str]:
        found = {}
        for row in self._ask("pragma_index_list"):
            _, name, unique, origin, _ = row
            if origin == "c":
                found[f"index {shown(name)}"] = normal(self._statements.get(("index", name), ""))
            elif unique:
                columns = [
                    str(column[2])
                    for column in self._connection.execute(
                        "SELECT * FROM pragma_index_info(?)", (name,)
                    )
                ]
                kind = "primary key" if origin == "pk" else "unique"
                found[f"{kind} {self._listed(columns)}"] = self._named(kind, columns).strip()
        return found

    def _checks(self) -> dict[str, str]:
        return {
            f"check {self._shown}: {shown(each.name) if each.name else each.text}": each.text
            for each in self._constraints
            if each.kind == "check"
        }

    def _ask(self, pragma: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(f"SELECT * FROM {pragma}(?)", (self._table,)).fetchall()

    def _listed(self, columns: list[str]) -> str:
        return f"{self._shown}({', '.join(map(shown, columns))})"

    def _named(self, kind: str, columns: list[str]) -> str:
        wanted = tuple(column.lower() for column in columns)
        for each in self._constraints:
            if each.name and (each.kind, each.columns) == (kind, wanted):
                return f" CONSTRAINT {shown(each.name)}"
        return ""


def _constraints(definitions: list[list[Token]]) -> list[_Constraint]:
    """The constraints of a CREATE TABLE, with the names that no pragma tells."""
    found = []
    for part in definitions:
        column: tuple[str, ...] = ()
        if not part[0].means(*_CONSTRAINTS):
            column = (part[0].text.lower(),)
        name, depth, columns = "", 0, column
        # The name of a column may be the word of a constraint: it is skipped.
        for number, word in enumerate(part[len(column) :], len(column)):
            depth += word.means("(") - word.means(")")
            if depth:
                continue
            after = group(part, number + 1) if _opens(part, number + 1) else []
            if word.means("CONSTRAINT"):
                name = part[number + 1].text if number + 1 < len(part) else ""
            elif word.means("CHECK") and after:
                found.append(_Constraint("check", name, (), normal(after)))
                name = ""
            elif word.means("KEY"):
                columns = _names(after) or column
                if part[number - 1].means("PRIMARY"):
                    found.append(_Constraint("primary key", name, columns))
                    name = ""
            elif word.means("UNIQUE"):
                found.append(_Constraint("unique", name, _names(after) or column))
                name = ""
            elif word.means("REFERENCES"):
                found.append(_Constraint("foreign key", name, columns))
                name, columns = "", column
    return found


def _opens(part: list[Token], number: int) -> bool:
    return number < len(part) and part[number].means("(")


def _names(columns: list[Token]) -> tuple[str, ...]:
    return tuple(part[0].text.lower() for part in split(columns))


def _collation(definition: list[Token]) -> str:
    depth = 0
    for number, word in enumerate(definition[:-1]):
        depth += word.means("(") - word.means(")")
        if number and not depth and word.means("COLLATE"):
            return f"COLLATE {definition[number + 1].text.upper()}"
    return ""


def _generated(definition: list[Token]) -> str:
    for number, word in enumerate(definition):
        if number and word.means("AS") and _opens(definition, number + 1):
            return f"GENERATED ({normal(group(definition, number + 1))})"
    return "GENERATED"
