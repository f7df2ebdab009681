from logging.config import fileConfig

from alembic import context
from sqlalchemy import engine_from_config

fileConfig(context.config.config_file_name)
options = context.config.get_section(context.config.config_ini_section)
with engine_from_config(options).connect() as connection:
    context.configure(connection=connection, version_table="users_version")
    with context.begin_transaction():
        context.run_migrations()
