"""The schema of a MariaDB database as plain facts, one a line, that can be compared.

Most is read from what SHOW CREATE prints, which is complete, and of which a hundred statements make
one round trip: 500 tables take a fraction of a second. A copy that was restored from a dump has
the same facts: definers, the database's own name and the next AUTO_INCREMENT are none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.child.protocol.named_databases import find_database
from migrations_ops.child.protocol.sql import Token, group, normal, shown, split, tokens
from migrations_ops.databases.mariadb.connect import Connection, ask, ask_each, database_of
from migrations_ops.databases.mariadb.names import exactly, quoted
from migrations_ops.databases.mariadb.qualified import bare
from migrations_ops.databases.mariadb.schema.view_text import with_brackets

Facts = Iterator[tuple[str, str]]
_TABLES = ("BASE TABLE", "SYSTEM VERSIONED")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}
# What a routine, a trigger or an event is hidden behind from a role that may not see its body.
_HIDDEN = "hidden from this role"


def read_tables(connection: Connection) -> list[str]:
    """The tables that hold rows, Alembic's version table among them."""
    rows = ask(
        connection,
        "SELECT TABLE_NAME FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = %s AND TABLE_TYPE IN {_TABLES} ORDER BY TABLE_NAME",
        database_of(connection),
    )
    return [str(name) for (name,) in rows]


def read_schema(connection: Connection, version_table: str) -> dict[str, str]:
    """Everything that a migration can make or lose, with what it is.

    :param version_table: Alembic's, which is left out, like the ledger.
    """
    catalog = _Catalog(connection, database_of(connection), version_table)
    return dict(sorted(fact for read in _READERS for fact in read(catalog)))


def find_own_names(connection: Connection) -> list[str]:
    """Triggers, routines and events that name their own database, as keys of the schema.

    A copy of them under another name still works on the original.
    """
    catalog = _Catalog(connection, database_of(connection), "")
    return sorted(key for key, written in _bodies(catalog) if catalog.is_named_in(written))


def read_bodies(connection: Connection) -> list[tuple[str, list[Token]]]:
    """Triggers, routines and events as keys of the schema, each with its text."""
    return list(_bodies(_Catalog(connection, database_of(connection), "")))


def read_views(connection: Connection) -> list[tuple[str, list[Token]]]:
    """Views as keys of the schema, each with its text, in which all databases are named."""
    catalog = _Catalog(connection, database_of(connection), "")
    return [
        (f"view {shown(name)}", tokens(text, "mariadb")) for name, text, *_ in _view_rows(catalog)
    ]


def own_objects(connection: Connection) -> frozenset[str]:
    """The names of all tables, views, sequences, routines and packages."""
    catalog = _Catalog(connection, database_of(connection), "")
    routines = catalog.ask("ROUTINE_NAME FROM information_schema.ROUTINES"
                           " WHERE ROUTINE_SCHEMA = %s")  # fmt: skip
    return frozenset(catalog.relations) | {name for (name,) in routines}


@dataclass(frozen=True)
class _Catalog:
    """What the readers of each kind share."""

    connection: Connection
    database: str
    version_table: str

    def ask(self, what: str) -> list[tuple[str, ...]]:
        """:param what: the rest of a query after SELECT, with one place for the database."""
        return ask(self.connection, f"SELECT {what}", self.database)

    def show(self, kind: str, names: Iterable[str], column: int) -> Iterator[tuple[str, str]]:
        """What SHOW CREATE prints of each; None where this role may not see it."""
        named = list(names)
        statements = [f"SHOW CREATE {kind} {quoted(name)}" for name in named]
        for name, row in zip(named, ask_each(self.connection, statements), strict=True):
            yield name, row[column]

    @cached_property
    def relations(self) -> dict[str, str]:
        """Tables, views and sequences with what they are."""
        rows = self.ask(
            "TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
            " AND TABLE_TYPE <> 'TEMPORARY'"
        )
        return {name: kind for name, kind in rows if name != LEDGER}

    def bare(self, sql: str) -> str:
        """What the server prints, without the name of the database: a copy has another one."""
        return bare(sql, self.database)

    def is_named_in(self, written: list[Token]) -> bool:
        """Where a table or an alias has the name of the database, it is no name of that."""
        own = self.database.lower()
        return find_database(as_text(written), lambda name: name.lower() == own) is not None


def as_text(written: Iterable[Token]) -> str:
    text = " ".join(quoted(word.text) if word.quoted else word.text for word in written)
    return text.replace("@ ", "@")  # a variable's name goes on after a point


def _text(sql: str | Iterable[Token]) -> str:
    """A statement as facts have it."""
    written = tokens(sql, "mariadb") if isinstance(sql, str) else sql
    return normal(map(_standard, written))


def _standard(word: Token) -> Token:
    """A literal as the SQL standard writes it, without backslashes."""
    if not word.literal:
        return word
    inside = word.text[1:-1].replace("''", "'")
    if "\\" in inside:
        inside = re.sub(
            r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), inside, flags=re.DOTALL
        )
    return Token("'" + inside.replace("'", "''") + "'")


# -- tables -------------------------------------------------------------------------------------


def _tables(catalog: _Catalog) -> Facts:
    names = [name for name, kind in sorted(catalog.relations.items()) if kind in _TABLES]
    for name, sql in catalog.show("TABLE", names, 1):
        table = _Table(name, tokens(catalog.bare(sql), "mariadb"))
        if name != catalog.version_table or not table.is_of_alembic:
            yield from table.facts()


class _Table:
    """One table, read from its CREATE TABLE."""

    def __init__(self, name: str, sql: list[Token]) -> None:
        self._shown = shown(name)
        start = next(number for number, word in enumerate(sql) if word.means("("))
        body = group(sql, start)
        self._parts = split(body)
        self._options = sql[start + len(body) + 2 :]
        self._backing = frozenset(self._foreign_keys_backed())

    @property
    def is_of_alembic(self) -> bool:
        """Whether it is a version table, and not one of a project that has its name."""
        return any(part[0].quoted and part[0].text == "version_num" for part in self._parts)

    def facts(self) -> Facts:
        periods = [part for part in self._parts if part[0].means("PERIOD")]
        traits = [_text(_without_counter(self._options))]
        yield f"table {self._shown}", " ".join([*traits, *map(_text, periods)])
        for part in self._parts:
            if part[0].quoted:
                yield from self._column(part)
            elif part[0].means("CONSTRAINT"):
                yield from self._constraint(part[1].text, part[2:])
            elif part[0].means("PRIMARY"):
                yield self._primary_key(part)
            elif not part[0].means("PERIOD"):
                yield from self._index(part)

    def _column(self, part: list[Token]) -> Facts:
        written, check = part[1:], _position(part[1:], "CHECK")
        if check is not None:
            condition = _text(group(written, check + 1))
            yield f"check {self._shown}: {condition}", condition
            written = written[:check] + written[check + len(group(written, check + 1)) + 3 :]
        yield f"column {self._shown}.{shown(part[0].text)}", _text(written)

    def _constraint(self, name: str, part: list[Token]) -> Facts:
        if part[0].means("CHECK"):
            yield f"check {self._shown}: {shown(name)}", _text(group(part, 1))
            return
        columns = group(part, 2)
        index = _position(part, "REFERENCES")
        assert index is not None
        opens = next(number for number in range(index, len(part)) if part[number].means("("))
        parent = ".".join(word.text for word in part[index + 1 : opens : 2])
        there = group(part, opens)
        actions = part[opens + len(there) + 2 :]
        written = (
            f"({_listed(there)}) ON UPDATE {_action(actions, 'UPDATE')}"
            f" ON DELETE {_action(actions, 'DELETE')} CONSTRAINT {shown(name)}"
        )
        yield f"foreign key {self._shown}({_listed(columns)}) to {shown(parent)}", written

    def _primary_key(self, part: list[Token]) -> tuple[str, str]:
        columns = group(part, 2)
        plain = len(columns) == 2 * len(split(columns)) - 1
        rest = part[2:] if not plain else part[len(columns) + 4 :]
        return f"primary key {self._shown}({_listed(columns)})", _text(rest)

    def _index(self, part: list[Token]) -> Facts:
        index = _position(part, "KEY", "INDEX")
        assert index is not None
        name = part[index + 1].text
        if (name, _names(group(part, index + 2))) in self._backing and not index:
            return
        kind = "".join(f"{word.text.lower()} " for word in part[:index])
        rest = _text(part[index + 2 :])
        written = f"create {kind}index {shown(name)} on {self._shown} {rest}"
        yield f"index {shown(name)} on {self._shown}", written

    def _foreign_keys_backed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The indexes that InnoDB makes for foreign keys, and drops when another one serves."""
        for part in self._parts:
            if part[0].means("CONSTRAINT") and part[2].means("FOREIGN"):
                columns = _names(group(part, 4))
                yield part[1].text, columns
                yield columns[0], columns


def _position(written: list[Token], *keywords: str) -> int | None:
    """The position of the first of these words outside of all parentheses."""
    depth = 0
    for number, word in enumerate(written):
        depth += word.means("(") - word.means(")")
        if not depth and word.means(*keywords):
            return number
    return None


def _names(columns: list[Token]) -> tuple[str, ...]:
    return tuple(part[0].text for part in split(columns))


def _listed(columns: list[Token]) -> str:
    return ", ".join(map(shown, _names(columns)))


def _action(written: list[Token], event: str) -> str:
    """What happens to the rows that refer to one: RESTRICT is not printed, and NO ACTION is it."""
    index = _position(written, event)
    if index is None or written[index + 1].means("NO"):
        return "RESTRICT"
    taken = written[index + 1 : index + (3 if written[index + 1].means("SET") else 2)]
    return " ".join(word.text for word in taken)


def _without_counter(options: list[Token]) -> list[Token]:
    """The options of a table without AUTO_INCREMENT, which tells how many rows there were."""
    index = _position(options, "AUTO_INCREMENT")
    return options if index is None else options[:index] + options[index + 3 :]


# -- everything else ----------------------------------------------------------------------------


def _views(catalog: _Catalog) -> Facts:
    for name, definition, check, security in _view_rows(catalog):
        checked = "" if check == "NONE" else f" with {check.lower()} check option"
        text = _text(with_brackets(tokens(catalog.bare(definition), "mariadb")))
        yield f"view {shown(name)}", f"sql security {security.lower()} as {text}{checked}"


def _view_rows(catalog: _Catalog) -> list[tuple[str, ...]]:
    rows = catalog.ask(
        "TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, SECURITY_TYPE"
        " FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s"
    )
    return [row for row in rows if row[0] != LEDGER]


def _sequences(catalog: _Catalog) -> Facts:
    names = [name for name, kind in sorted(catalog.relations.items()) if kind == "SEQUENCE"]
    for name, sql in catalog.show("SEQUENCE", names, 1):
        yield f"sequence {shown(name)}", _text(tokens(sql, "mariadb")[3:])


def _programs(catalog: _Catalog) -> Facts:
    for key, written in _bodies(catalog):
        yield key, _text(written)


def _bodies(catalog: _Catalog) -> Iterator[tuple[str, list[Token]]]:
    """All that holds statements, by its key; without definers."""
    yield from _triggers(catalog)
    yield from _routines(catalog)
    yield from _events(catalog)


def _triggers(catalog: _Catalog) -> Iterator[tuple[str, list[Token]]]:
    rows = catalog.ask(
        "TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_STATEMENT,"
        " ACTION_ORDER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s"
        f" AND {exactly('TRIGGER_SCHEMA')}"
    )
    for name, timing, event, table, statement, index in rows:
        order = "" if int(index) == 1 else f"order {index} "
        head = tokens(f"{timing} {event} {order}ON {quoted(table)} FOR EACH ROW", "mariadb")
        yield f"trigger {shown(name)}", [*head, *tokens(statement, "mariadb")]


def _routines(catalog: _Catalog) -> Iterator[tuple[str, list[Token]]]:
    kinds: dict[str, list[str]] = {}
    for name, kind in catalog.ask(
        "ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s"
    ):
        kinds.setdefault(kind, []).append(name)
    for kind, names in kinds.items():
        for name, sql in catalog.show(kind, names, 2):
            # Packages are as rare as they are many things.
            named = f"{name} body" if kind == "PACKAGE BODY" else name
            key = f"{'function' if kind == 'FUNCTION' else 'procedure'} {shown(named)}"
            yield key, _without_definer(tokens(sql or _HIDDEN, "mariadb"))


def _events(catalog: _Catalog) -> Iterator[tuple[str, list[Token]]]:
    names = catalog.ask(
        "EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s"
        f" AND {exactly('EVENT_SCHEMA')}"
    )
    for name, sql in catalog.show("EVENT", sorted(name for (name,) in names), 3):
        written = _without_definer(tokens(sql or _HIDDEN, "mariadb"))
        yield f"event {shown(name)}", list(_as_on_the_primary(written))


def _without_definer(written: list[Token]) -> list[Token]:
    """CREATE DEFINER=`user`@`host` FUNCTION... without its definer."""
    if len(written) > 6 and written[1].means("DEFINER"):
        return [written[0], *written[6:]]
    return written


def _as_on_the_primary(written: list[Token]) -> Iterator[Token]:
    """An event that is off on replicas is on where they come from; so are those of our copies."""
    for number, word in enumerate(written):
        before = written[number - 1] if number else word
        if word.means("DISABLE") and written[number + 1].means("ON"):
            yield Token("ENABLE")
        elif not (
            (word.means("ON") and before.means("DISABLE"))
            or (word.means("SLAVE", "REPLICA") and written[number - 2].means("DISABLE"))
        ):
            yield word


def _defaults(catalog: _Catalog) -> Facts:
    """What tables and columns get that name no character set; the database's name is no fact."""
    [(charset, collation)] = catalog.ask(
        "DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
        " WHERE SCHEMA_NAME = %s"
    )
    yield f"schema {shown('character set')}", f"default {charset} collate {collation}"


_READERS: tuple[Callable[[_Catalog], Facts], ...] = (
    _defaults,
    _tables,
    _views,
    _sequences,
    _programs,
)
