"""Reads what a revision does, from its source or from SQL, as the actions that rules judge."""
