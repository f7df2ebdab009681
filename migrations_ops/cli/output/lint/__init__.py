"""A lint report in each format."""
