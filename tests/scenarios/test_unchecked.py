"""A database whose schema needs what only the application registers is released all the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.support import Sandbox

APPLICATION = """
def register(connection):
    connection.create_function("slug", 1, lambda text: text and text.lower(), deterministic=True)
    connection.create_collation("german", lambda a, b: (a > b) - (a < b))
"""


@pytest.mark.slow
def test_what_was_not_checked_is_named_until_the_function_is(filled: Sandbox) -> None:
    namespace: dict[str, object] = {}
    exec(APPLICATION, namespace)
    for file in (filled.dev, filled.prod):
        with closing(sqlite3.connect(file)) as connection, connection:
            namespace["register"](connection)  # type: ignore[operator]
            connection.execute("CREATE TABLE tags (name TEXT COLLATE german PRIMARY KEY)")
            connection.execute(
                "CREATE TABLE pages (tag TEXT REFERENCES tags, title CHECK (slug(title) <> ''))"
            )
            connection.execute("CREATE INDEX by_slug ON pages (slug(title))")
            connection.execute("INSERT INTO tags VALUES ('a'), ('b')")
            connection.execute("INSERT INTO pages VALUES ('a', 'A')")
    verified = filled.invoke("verify", "--env", "prod", "--json")
    found = [each for each in verified.json["findings"] if each["code"] == "unchecked"]
    assert [each["where"] for each in found] == ["german", "slug"]
    assert "the index by_slug, the table pages" in found[1]["message"]
    released = filled.invoke("release-migration", "--json")
    assert released.code == 0, released.err
    assert (
        filled.invoke("restore", "--env", "prod", "--backup", "latest", "--yes", "--json").code == 0
    )
    filled.write("application.py", APPLICATION)
    text = (filled.folder / "pyproject.toml").read_text(encoding="utf-8")
    filled.configure(text + 'connect = "application:register"\n')
    verified = filled.invoke("verify", "--env", "prod", "--json")
    assert "unchecked" not in verified.out
    assert "german" not in verified.err
