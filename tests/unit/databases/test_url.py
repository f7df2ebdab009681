"""A URL is taken apart in one place: what finds its engine, and the file of SQLite."""

from __future__ import annotations

import pytest

from migrations_ops.databases.url import dialect_of, scheme_of, sqlite_path_of, with_sqlite_path


@pytest.mark.parametrize(
    ("url", "dialect", "scheme"),
    [
        ("sqlite:///a.db", "sqlite", "sqlite"),
        ("sqlite+aiosqlite:///a.db", "sqlite+aiosqlite", "sqlite"),
        ("postgresql+psycopg://u:a+b:c@h/d", "postgresql+psycopg", "postgresql"),
        ("mysql:u:secret@h", "mysql", "mysql"),
        ("nothing", "nothing", "nothing"),
        ("", "", ""),
    ],
)
def test_an_engine_is_found_by_the_dialect_without_its_driver(
    url: str, dialect: str, scheme: str
) -> None:
    assert (dialect_of(url), scheme_of(url)) == (dialect, scheme)


@pytest.mark.parametrize(
    ("url", "path", "other"),
    [
        ("sqlite:///a.db", "a.db", "sqlite:////b/c.db"),
        ("sqlite+x:////f/a%20b.db?t=1?2", "/f/a%20b.db", "sqlite+x:////b/c.db?t=1?2"),
        ("sqlite:///", "", "sqlite:////b/c.db"),
        ("sqlite://", "", "sqlite:////b/c.db"),
        ("sqlite:///:memory:", "", "sqlite:////b/c.db"),
        ("sqlite:///file:a?uri=true", "", "sqlite:////b/c.db?uri=true"),
    ],
)
def test_another_file_of_sqlite_keeps_driver_and_options(url: str, path: str, other: str) -> None:
    assert sqlite_path_of(url) == path
    assert with_sqlite_path(url, "/b/c.db") == other
