"""Reads the schema as comparable facts."""
