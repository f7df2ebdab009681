"""What runs inside Alembic's process, tested by starting that process."""
