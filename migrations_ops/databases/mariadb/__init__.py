"""MariaDB; MySQL is spoken to likewise."""
