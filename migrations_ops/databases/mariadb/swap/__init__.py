"""Puts the tables of a restored copy in the place of the real ones."""
