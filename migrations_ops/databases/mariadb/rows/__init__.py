"""Counts, checksums and compares rows."""
