"""Connects Alembic to the database that EXEC_ENV names.

| EXEC_ENV         | database                            |
|------------------|-------------------------------------|
| unset, or `prod` | `data/repom/db.sqlite3`             |
| `dev`            | `data/repom/db.dev.sqlite3`         |
| any other name   | `data/repom/db.NAME.sqlite3`        |

The paths count from the root of the repository, wherever the command is typed.
"""

import os
import re
from logging.config import fileConfig
from pathlib import Path

from models import Base
from sqlalchemy import URL, create_engine, pool

from alembic import context, util

DATA = Path(__file__).resolve().parent.parent / "data" / "repom"

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name)


def database_file() -> Path:
    """The file that EXEC_ENV names; a value that is no simple name is refused."""
    name = os.environ.get("EXEC_ENV", "prod")
    if name == "prod":
        return DATA / "db.sqlite3"
    # Lower case alone: some file systems take db.Dev.sqlite3 and db.dev.sqlite3 for one file.
    if re.fullmatch("[a-z][a-z0-9_]*", name) is None:
        raise util.CommandError(
            f"EXEC_ENV is {name!r}: use prod, dev, or another name "
            "of lower-case letters, digits and underscores"
        )
    return DATA / f"db.{name}.sqlite3"


def run_migrations_offline() -> None:
    """Writes the SQL to standard output; no database is opened."""
    context.configure(
        url=URL.create("sqlite", database=str(database_file())),
        target_metadata=Base.metadata,
        render_as_batch=True,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
    )
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online() -> None:
    """Opens the database and runs the migrations in it."""
    file = database_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(URL.create("sqlite", database=str(file)), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
