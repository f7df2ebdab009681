"""Configures an Alembic project: reads it, tries its env.py, proposes files, and writes them."""
