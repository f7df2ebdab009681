"""The schema of a SQLite database as plain facts, one a line, that can be compared."""

from __future__ import annotations

import re
import sqlite3


def table_names(connection: sqlite3.Connection) -> list[str]:
    """The tables, without SQLite's own."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' ORDER BY name"
    )
    return [row[0] for row in rows]


def read_schema(connection: sqlite3.Connection, tables: list[str]) -> dict[str, str]:
    """Each table, column, foreign key, index, trigger and view with what it is.

    Column order, white space and quoting do not count; types, defaults, collations and the
    actions of foreign keys do.
    """
    schema: dict[str, str] = {}
    statements = {
        (kind, name): sql or ""
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master")
    }
    for table in tables:
        sql = statements.get(("table", table), "")
        schema[f"table {table}"] = _table_options(sql)
        schema |= _columns(connection, table, sql)
        schema |= _foreign_keys(connection, table)
        schema |= _indexes(connection, table, statements)
        schema |= _checks(table, sql)
    for (kind, name), sql in statements.items():
        if kind in {"trigger", "view"}:
            schema[f"{kind} {name}"] = _normal(sql)
    return dict(sorted(schema.items()))


def _table_options(sql: str) -> str:
    body = sql.rpartition(")")[2].upper()
    options = [word for word in ("STRICT", "WITHOUT ROWID") if word in " ".join(body.split())]
    if re.search(r"\bAUTOINCREMENT\b", sql, re.IGNORECASE):
        options.append("AUTOINCREMENT")
    if re.match(r"\s*CREATE\s+VIRTUAL", sql, re.IGNORECASE):
        options.append(_normal(sql))
    return " ".join(options)


def _columns(connection: sqlite3.Connection, table: str, sql: str) -> dict[str, str]:
    columns = {}
    for row in connection.execute("SELECT * FROM pragma_table_xinfo(?)", (table,)):
        _, name, kind, not_null, default, key, hidden = row
        parts = [kind or "", "NOT NULL" if not_null else ""]
        parts.append(f"DEFAULT {default}" if default is not None else "")
        parts.append(f"KEY {key}" if key else "")
        parts.append("GENERATED" if hidden in (2, 3) else "")
        parts.append(_collation(name, sql))
        columns[f"column {table}.{name}"] = " ".join(part for part in parts if part)
    return columns


def _collation(column: str, sql: str) -> str:
    found = re.search(
        rf"[\"'`\[(,\s]{re.escape(column)}[\"'`\]]?\s[^,]*?\bCOLLATE\s+[\"']?(\w+)",
        sql,
        re.IGNORECASE,
    )
    return f"COLLATE {found.group(1).upper()}" if found else ""


def _foreign_keys(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    keys: dict[int, list[tuple[str, str, str, str]]] = {}
    parents: dict[int, str] = {}
    for row in connection.execute("SELECT * FROM pragma_foreign_key_list(?)", (table,)):
        number, _, parent, child_column, parent_column, on_update, on_delete, _ = row
        keys.setdefault(number, []).append(
            (child_column, parent_column or "", on_update, on_delete)
        )
        parents[number] = parent
    found = {}
    for number, columns in keys.items():
        names = ", ".join(column[0] for column in columns)
        there = ", ".join(column[1] for column in columns)
        actions = f"ON UPDATE {columns[0][2]} ON DELETE {columns[0][3]}"
        found[f"foreign key {table}({names}) to {parents[number]}"] = f"({there}) {actions}"
    return found


def _indexes(
    connection: sqlite3.Connection, table: str, statements: dict[tuple[str, str], str]
) -> dict[str, str]:
    found = {}
    for row in connection.execute("SELECT * FROM pragma_index_list(?)", (table,)):
        _, name, unique, origin, _ = row
        if origin == "c":
            found[f"index {name}"] = _normal(statements.get(("index", name), ""))
        elif unique:
            columns = ", ".join(
                str(column[2])
                for column in connection.execute("SELECT * FROM pragma_index_info(?)", (name,))
            )
            kind = "primary key" if origin == "pk" else "unique"
            found[f"{kind} {table}({columns})"] = ""
    return found


def _checks(table: str, sql: str) -> dict[str, str]:
    found = {}
    for match in re.finditer(
        r"(?:CONSTRAINT\s+[\"'`\[]?(\w+)[\"'`\]]?\s+)?CHECK\s*\(", sql, re.IGNORECASE
    ):
        text = _normal(_in_brackets(sql, match.end() - 1))
        name = match.group(1) or text
        found[f"check {table}: {name}"] = text
    return found


def _in_brackets(sql: str, start: int) -> str:
    depth, quote = 0, ""
    for position in range(start, len(sql)):
        character = sql[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return sql[start + 1 : position]
    return sql[start + 1 :]


def _normal(sql: str) -> str:
    """White space and the quotes around names do not count (``"a" (b)`` is ``a(b)``)."""
    text = re.sub(r"[\"`\[\]]", "", sql)
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"\s*([(),])\s*", r"\1", text)
