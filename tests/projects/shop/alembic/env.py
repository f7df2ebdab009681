import os
from logging.config import fileConfig
from pathlib import Path

from alembic import context
from sqlalchemy import (
    Column, ForeignKey, Integer, MetaData, Table, Text, create_engine, pool,
)

config = context.config
if config.config_file_name is not None:
    fileConfig(config.config_file_name)

target_metadata = MetaData()
Table("parents", target_metadata, Column("id", Integer, primary_key=True),
      Column("name", Text, nullable=False), Column("note", Text))
Table("children", target_metadata, Column("id", Integer, primary_key=True),
      Column("parent_id", Integer, ForeignKey("parents.id", ondelete="CASCADE"), nullable=False))

name = os.environ.get("EXEC_ENV", "prod")
file = "db.sqlite3" if name == "prod" else f"db.{name}.sqlite3"
folder = Path(__file__).resolve().parent.parent / "data" / "repom"
folder.mkdir(parents=True, exist_ok=True)
url = f"sqlite:///{(folder / file).as_posix()}"

if context.is_offline_mode():
    context.configure(url=url, target_metadata=target_metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()
