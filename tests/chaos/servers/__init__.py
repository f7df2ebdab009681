"""The chaos harness on real servers of PostgreSQL and MariaDB: the same rounds, other worlds."""
