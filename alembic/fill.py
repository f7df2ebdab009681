"""Fills the development and the production database with believable rows.

    python alembic/fill.py --rows 5000

adds that many rows to each of the two databases that exist, at whatever revision they stand: only
columns that a table really has are written. The same database always gets the same rows. Prints a
line for each database; ends with 1 if one could not be filled, or if there was none to fill.
"""

import argparse
import datetime as dt
import random
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path("data", "repom")

DATABASES = {
    "dev": (DATA / "db.dev.sqlite3", "python -m invoke upgrade-dev"),
    "prod": (DATA / "db.sqlite3", "python -m invoke release-migration"),
}
"""Each environment's file, and what to type while it has no tables."""

TABLES = ("members", "tools", "loans", "reservations")
"""Parents first. The last one came with a later revision."""

FEWEST_ROWS = 10
OPENED_ON = dt.date(2025, 11, 24)

GIVEN_NAMES = """
    Ada Agnes Amir Ann-Marie Björn Carla Chloé Dana Elif Emil Femke Giulia Hana Ines Ivan Jakub
    Jonas Kenji Lena Luca Mara Mateo Mei Nadia Noah Olga Paul Priya Rosa Samir Sofía Théo Tomas
    Uma Vera Yusuf Zoë
"""
FAMILY_NAMES = """
    Adeyemi Bauer Bergström Castillo Costa Dubois Ekström Fischer Fontaine García Haddad Horvat
    Ito Janssen Kaya Keller Kowalska Lindqvist Marino Müller Nakamura Novák O'Brien Okafor
    Petrov Quist Rossi Sato Schmidt Silva Singh Tanaka Vermeer Wójcik Zhang
"""
KINDS_OF_TOOL = {
    "Garden": ("hedge trimmer", "leaf blower", "lawn mower", "wheelbarrow", "chainsaw"),
    "Kitchen": ("pasta machine", "raclette grill", "juice press", "dehydrator"),
    "Measuring": ("laser level", "multimeter", "moisture meter", "cable finder"),
    "Power tools": ("cordless drill", "jigsaw", "belt sander", "rotary hammer", "heat gun"),
    "Sewing": ("sewing machine", "overlocker", "leather punch"),
    "Woodwork": ("hand plane", "chisel set", "mitre box", "bar clamps", "router"),
}
MAKERS = ("Alvar", "Brandt", "Corvo", "Drevo", "Eiger", "Falk", "Gremio", "Holm")

Row = dict[str, str | int | None]


class CannotFillError(Exception):
    """A database cannot be filled; the text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills each database; the exit code is 0 if one was filled and none of them failed."""
    rows = parse(arguments)
    filled = failed = 0
    for environment, (file, first_step) in DATABASES.items():
        try:
            added = fill_file(ROOT / file, rows, first_step)
        except (CannotFillError, sqlite3.Error) as error:
            reason = " ".join(str(error).split())
            print(f"{environment}: nothing added to {file.as_posix()}: {reason}")
            failed += not isinstance(error, CannotFillError)
        else:
            told = ", ".join(f"{count} {table}" for table, count in added.items())
            print(f"{environment}: added {rows} rows to {file.as_posix()}: {told}")
            filled += 1
    return 0 if filled and not failed else 1


def parse(arguments: Sequence[str] | None) -> int:
    """The number of rows that was asked for."""
    parser = argparse.ArgumentParser(
        description="Fill the dev and prod databases that exist with believable rows."
    )
    parser.add_argument(
        "--rows",
        type=int,
        default=5000,
        metavar="N",
        help=f"rows to add to each database, at least {FEWEST_ROWS} (default: %(default)s)",
    )
    rows: int = parser.parse_args(arguments).rows
    if rows < FEWEST_ROWS:
        parser.error(f"--rows must be at least {FEWEST_ROWS}")
    return rows


def fill_file(file: Path, rows: int, first_step: str) -> dict[str, int]:
    """Adds the rows to the database in `file`, all or none; tells how many to each table."""
    if not file.exists():
        raise CannotFillError(f"it does not exist yet; type first: {first_step}")
    # mode=rw: a file that vanishes meanwhile is not created anew.
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        with connection:
            columns = columns_of(connection)
            if "loans" not in columns:
                raise CannotFillError(f"it has no tables to fill; type first: {first_step}")
            return add_rows(connection, columns, shares(rows, columns))


def columns_of(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """The columns of each table of ours that the database has."""
    query = "SELECT name FROM pragma_table_info(?)"
    found = {table: {name for (name,) in connection.execute(query, [table])} for table in TABLES}
    return {table: columns for table, columns in found.items() if columns}


def shares(rows: int, tables: dict[str, set[str]]) -> dict[str, int]:
    """Divides the rows among the tables: most of them are loans."""
    counts = {"members": rows * 15 // 100, "tools": rows * 10 // 100}
    if "reservations" in tables:
        counts["reservations"] = rows * 15 // 100
    counts["loans"] = rows - sum(counts.values())
    return {table: counts[table] for table in TABLES if table in counts}


def add_rows(
    connection: sqlite3.Connection, columns: dict[str, set[str]], counts: dict[str, int]
) -> dict[str, int]:
    """Inserts new rows, which refer to one another and to no older row."""
    ids = {table: new_ids(connection, table, count) for table, count in counts.items()}
    makers = {
        "members": new_members(ids["members"]),
        "tools": new_tools(ids["tools"]),
        "loans": new_loans(ids["loans"], ids["tools"], ids["members"]),
        "reservations": new_reservations(
            ids.get("reservations", range(0)), ids["tools"], ids["members"]
        ),
    }
    for table in counts:
        insert(connection, table, columns[table], makers[table])
    return counts


def new_ids(connection: sqlite3.Connection, table: str, count: int) -> range:
    """The next free ids of a table."""
    (last,) = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
    return range(last + 1, last + 1 + count)


def insert(
    connection: sqlite3.Connection, table: str, columns: set[str], rows: Iterator[Row]
) -> None:
    """Inserts the rows, with those of their values for which the table has a column."""
    statement = ""
    for row in rows:
        known = {name: value for name, value in row.items() if name in columns}
        statement = statement or (
            f"INSERT INTO {table} ({', '.join(known)}) VALUES (:{', :'.join(known)})"
        )
        connection.execute(statement, known)


def new_members(ids: range) -> Iterator[Row]:
    """Members with the full name of the early revisions and the two names of the later ones."""
    chance = random.Random(f"members {ids}")
    given_names, family_names = GIVEN_NAMES.split(), FAMILY_NAMES.split()
    for number in ids:
        given, family = chance.choice(given_names), chance.choice(family_names)
        if chance.random() < 0.1:
            given += f" {chance.choice(given_names)}"
        yield {
            "id": number,
            "name": f"{given} {family}",
            "given_name": given,
            "family_name": family,
            "email": f"member{number}@example.org",
            "phone": f"+49 30 {chance.randrange(10**6, 10**7)}" if chance.random() < 0.7 else None,
            "joined_on": day(chance.randrange(-300, 0)),
        }


def new_tools(ids: range) -> Iterator[Row]:
    """Tools, some of them gifts that have neither a price nor a day of purchase."""
    chance = random.Random(f"tools {ids}")
    for number in ids:
        category = chance.choice(list(KINDS_OF_TOOL))
        gift = chance.random() < 0.2
        yield {
            "id": number,
            "name": f"{chance.choice(MAKERS)} {chance.choice(KINDS_OF_TOOL[category])}",
            "category": category,
            "shelf": f"{chance.choice('ABCDEF')}-{chance.randrange(1, 25):02}",
            "purchased_on": None if gift else day(chance.randrange(-2000, 0)),
            "price_cents": None if gift else chance.randrange(1500, 60000, 50),
        }


def new_loans(ids: range, tools: range, members: range) -> Iterator[Row]:
    """Loans, each tool's one after the other; some of the last ones are still open."""
    chance = random.Random(f"loans {ids}")
    back = dict.fromkeys(tools, 0)
    for turn, number in enumerate(ids):
        tool = tools[turn % len(tools)]
        lent = back[tool] + chance.randrange(1, 20)
        back[tool] = lent + chance.randrange(1, 20)
        is_last = turn + len(tools) >= len(ids)
        yield {
            "id": number,
            "tool_id": tool,
            "member_id": chance.choice(members),
            "lent_on": day(lent),
            "due_on": day(lent + 14),
            "returned_on": None if is_last and chance.random() < 0.4 else day(back[tool]),
            "extensions": chance.choice((0, 0, 0, 0, 1, 1, 2)),
        }


def new_reservations(ids: range, tools: range, members: range) -> Iterator[Row]:
    """Reservations, made some days before the tool is wanted."""
    chance = random.Random(f"reservations {ids}")
    for number in ids:
        made = chance.randrange(20, 300)
        yield {
            "id": number,
            "tool_id": chance.choice(tools),
            "member_id": chance.choice(members),
            "wanted_from": day(made + chance.randrange(2, 30)),
            "created_at": f"{day(made)} {chance.randrange(8, 23):02}:{chance.randrange(60):02}:00",
        }


def day(after_opening: int) -> str:
    """A day, counted from the one on which the library opened, as the database keeps it."""
    return (OPENED_ON + dt.timedelta(days=after_opening)).isoformat()


if __name__ == "__main__":
    sys.exit(main())
