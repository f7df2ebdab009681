"""Release the databases of an Alembic project: backed up, rehearsed, proved, recorded."""

__version__ = "0.1.0"
