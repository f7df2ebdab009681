from alembic import context
from shop.core import settings
from shop.models import Base
from sqlalchemy import create_engine

with create_engine(settings.database_uri).connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
