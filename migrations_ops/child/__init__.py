"""Runs inside Alembic's process: the launcher, the guards, and the tracing.

This package needs nothing but the standard library, SQLAlchemy and Alembic, so that the interpreter
of a project in which migrations_ops is not installed can run it by path. It shares only
``protocol`` with the parent: the instructions that it reads, and the events that it writes.
"""
