"""What the server prints names a database in some places, and a table of its name in others."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.databases.mariadb.connect import ask
from migrations_ops.databases.mariadb.database import MariaDB
from tests.contract.databases.mariadb.support import engine, require_restored, run, session
from tests.servers.databases import ServerDatabase

# Everything is called `books`, or as a column of that table is.
BOOKS = (
    "CREATE TABLE books (id INT PRIMARY KEY, title VARCHAR(20), books INT, f INT)",
    "INSERT INTO books VALUES (1, 'x', 2, 1)",
    "CREATE TABLE f (s INT, id INT)",
    "CREATE SEQUENCE s",
    "CREATE TABLE title (id INT DEFAULT NEXTVAL(s), books INT CHECK (title.books > 1))",
    "CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN a",
    "CREATE VIEW recent AS SELECT id, title FROM books",
    "CREATE VIEW alias AS SELECT books.id FROM f books JOIN books b ON books.id = b.f",
    "CREATE VIEW called AS SELECT f(books.id) x, books.f(1) y, 'in `books`.`f`' z FROM books",
    "CREATE VIEW sequences AS SELECT NEXTVAL(s) a, LASTVAL(s) b, SETVAL(s, 5) c",
    "CREATE VIEW others AS SELECT books.id, o.id other FROM beside.books o, books",
    "CREATE VIEW straight AS SELECT STRAIGHT_JOIN books.id FROM books STRAIGHT_JOIN f",
    "CREATE VIEW straight_beside AS SELECT books.id FROM books STRAIGHT_JOIN beside.t",
    "CREATE VIEW trimmed AS SELECT TRIM(BOTH 'x' FROM books.title) t,"
    " EXTRACT(YEAR FROM books.f) y, SUBSTRING(books.title FROM books.f) s FROM books"
    " WHERE EXISTS (SELECT 1 FROM title) AND id IN (SELECT books.id FROM books)",
    "CREATE VIEW named AS WITH books AS (SELECT 1 AS f) SELECT books.f FROM books",
)


@pytest.fixture
def books(mariadb_database: ServerDatabase) -> ServerDatabase:
    """A database that has the name of one of its tables."""
    server = mariadb_database.server
    server.create_database("beside")
    for table in ("books", "t"):
        server.execute(f"CREATE TABLE beside.{table} (id INT)")
    made = ServerDatabase(server, server.create_database("books"))
    run(made, *BOOKS)
    return made


def test_a_table_of_the_databases_name_is_backed_up_and_restored(
    books: ServerDatabase, tmp_path: Path
) -> None:
    require_restored(books, tmp_path / "b", "DROP VIEW recent", "DELETE FROM books")
    assert books.execute("SELECT * FROM recent") == [(1, "x")]


def test_nothing_in_a_copy_leads_to_the_database_of_its_tables_name(
    books: ServerDatabase, tmp_path: Path
) -> None:
    database = engine(books)
    with database.locked("rehearse", 30):
        database.back_up(tmp_path / "b", "", None)
        copy = database.make_scratch(tmp_path, tmp_path / "b")
        assert isinstance(copy, MariaDB)
        name = copy.address.database
        # Then whatever leads there fails.
        books.server.drop_database("books")
        with session(ServerDatabase(books.server, name)) as connection:
            views = ask(
                connection,
                "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()",
            )
            assert len(views) == 9
            for (view,) in views:
                ask(connection, f"SELECT * FROM `{view}`")
            ask(connection, "INSERT INTO title (books) VALUES (2)")
