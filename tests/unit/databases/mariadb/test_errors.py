"""An error of MariaDB gets the advice of its kind: data is none of a connection, nor a lock."""

from __future__ import annotations

import pymysql
import pytest

from migrations_ops.databases.mariadb.dump_lines import object_at
from migrations_ops.databases.mariadb.errors import advice_on, in_words

CONNECTION = "Check that the server is running"


@pytest.mark.parametrize(
    ("code", "message", "words", "advice"),
    [
        (2003, "Can't connect", "cannot be reached", CONNECTION),
        (2013, "Lost connection", "was lost", CONNECTION),
        (0, "", "was lost", CONNECTION),
        (1049, "Unknown database", "does not exist", "Check the url"),
        (1045, "Access denied", "does not let this user in", "user and password"),
        (1205, "Lock wait timeout", "is locked by another process", "Let the other process"),
        (1213, "Deadlock", "is locked by another process", "Let the other process"),
        (1969, "interrupted", "max_statement_time", "SET GLOBAL max_statement_time = 0;"),
        (1047, "WSREP has not yet prepared node", "not ready", "SHOW STATUS LIKE 'wsrep_%';"),
        (1114, "The table 't' is full", "disk", "Make room"),
        (1005, 'Can\'t create (errno: 28 "No space left on device")', "disk", "Make room"),
        (1290, "running with the --read-only option", "may only be read", "primary server"),
        (1290, "running with --secure-file-priv", "secure-file-priv", "what the server names"),
        (1418, "none of DETERMINISTIC", "does not allow", "log_bin_trust_function_creators = 1;"),
        (1419, "You do not have SUPER", "does not allow", "log_bin_trust_function_creators = 1;"),
        (1118, "Row size too large", "does not take", "columns of that table TEXT"),
        (4025, "CONSTRAINT `c` failed", "does not take", "rows that this constraint refuses"),
        (1062, "Duplicate entry", "does not take", "the same value"),
        (1452, "Cannot add or update a child row", "does not take", "their parents"),
        (1366, "Incorrect string value", "does not take", "Change that value"),
        (1005, "Can't create table (errno: 150)", "does not take", "Change that definition"),
        (1064, "You have an error in your SQL syntax", "SQL syntax", "what the server names"),
    ],
)
def test_an_error_gets_the_advice_of_its_kind(
    code: int, message: str, words: str, advice: str
) -> None:
    error = pymysql.OperationalError(code, message)
    assert words in in_words(error, "LABEL")
    assert advice in advice_on(error)
    assert (CONNECTION in advice_on(error)) is (advice == CONNECTION)


DUMP = (
    b"-- Host: x    Database: shop\n",
    b"-- Table structure for table `a`\nCREATE TABLE a (\n  b INT\n);\n-- Rows of `a`\nx\n",
    b"y\n-- Dumping events for database 'shop'\nz\n",
)


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        (1, ""),
        (2, "Table structure for table `a`"),
        (5, "Table structure for table `a`"),
        (7, "Rows of `a`"),
        (8, "Rows of `a`"),
        (10, "Dumping events for database 'shop'"),
        (99, "Dumping events for database 'shop'"),
    ],
)
def test_the_object_of_a_failed_statement_is_named(line: int, heading: str) -> None:
    assert object_at(f"ERROR 1062 (23000) at line {line}: x", DUMP) == heading


def test_no_object_is_named_where_no_line_is() -> None:
    assert object_at("ERROR 2013: Lost connection", DUMP) == ""
