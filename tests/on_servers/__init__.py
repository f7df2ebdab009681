"""Whole releases on real servers of PostgreSQL and MariaDB."""
