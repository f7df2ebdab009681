"""Swaps the tables of a restored copy with those of the real database."""
