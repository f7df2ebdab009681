"""What runs inside Alembic's process: the guards, the tracing, and the launcher.

This package stands on its own (standard library, SQLAlchemy, Alembic), so that the interpreter
of a project in which migrations_ops is not installed can run it by path. It shares with the
parent only the orders that it reads and the events that it writes, both JSON lines.
"""
