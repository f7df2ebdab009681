import os

from alembic import context
from sqlalchemy import create_engine

with create_engine(os.environ["APP_DB_URL"]).connect() as connection:
    context.configure(connection=connection, version_table="app_version")
    with context.begin_transaction():
        context.run_migrations()
