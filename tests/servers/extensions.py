"""An extension of PostgreSQL that makes tables, of whose rows a dump holds some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.databases import ServerDatabase
from tests.servers.postgres import PostgresServer

_MADE = """
CREATE TABLE places (id int PRIMARY KEY, name text);
INSERT INTO places VALUES (1, 'one'), (2, 'two');
CREATE TABLE choices (name text PRIMARY KEY, value text);
INSERT INTO choices VALUES ('own', 'x');
SELECT pg_extension_config_dump('choices', 'WHERE name <> ''own''');
CREATE TABLE jobs (id int);
SELECT pg_extension_config_dump('jobs', '');
"""


@contextmanager
def atlas(server: PostgresServer) -> Iterator[Path]:
    """Within, the server knows the extension ``atlas``; yields the file that names its version."""
    folder = server.folder / "made" / "extension"
    folder.mkdir(parents=True)
    for each in (folder, folder.parent):
        each.chmod(0o755)
    (folder / "atlas--1.0.sql").write_text(_MADE)
    (folder / "atlas--1.0--1.1.sql").write_text("SELECT 1;")
    file = folder / "atlas.control"
    file.write_text("default_version = '1.0'\n")
    try:
        yield file
    finally:
        for each in folder.iterdir():
            each.unlink()
        folder.rmdir()


def add_atlas(database: ServerDatabase) -> None:
    """Make it in the schema ``maps``; a copy has the settings of its database, and finds it."""
    assert isinstance(database.server, PostgresServer)
    settings = {
        "extension_control_path": f"'$system:{database.server.folder / 'made'}'",
        "search_path": "public, maps",
    }
    for name, value in settings.items():
        database.execute(f'ALTER DATABASE "{database.name}" SET {name} = {value}')
    database.execute("CREATE SCHEMA maps; CREATE EXTENSION atlas SCHEMA maps")
