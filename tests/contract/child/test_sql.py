"""What the lexer takes for a comment, a literal or a name is one for the server as well."""

from __future__ import annotations

import pytest

from migrations_ops.child.protocol.sql import Syntax, tokens
from tests.servers.mariadb import MariaServer
from tests.servers.postgres import PostgresServer

# Each may hide the second column from the server; then it has to be hidden from us, too.
POSTGRESQL = [
    "1 -- {}\n", "1 -- a\r{}", "1 /* a /* b */ {} */", "1 /* a */ {}", "'\\' {} --'",
    "E'\\' {} --'", "$$a' {} $$", "$a$ $$ {} $a$", "$é$ ' $é$ {} --'", "1 AS a$b$ {} --$b$",
    '1 AS "a"" {} --"', "1 -- a /* \n {}", "1 --\\{}\n",
]  # fmt: skip
MARIADB = [
    "1 -- {}\n", "1 --\t{}\n", "1 --\x01{}\n", "1 --1 {}\n", "1 # {}\n", "1 /* a {} */",
    "1 /*! {} */", "1 /*M!100100 {} */", "1 /*!40101 + 1 /* a */ {} */", "2*/* {} */3",
    "'\\' {} -- '", "'\\\\' {} -- '", "\"\\\" {} -- \"", "1 AS `a\\` {} -- `", "1 AS `a`` {} -- `",
    "1 -- a\r{}\n", "1 /* a /* b */ {}",
]  # fmt: skip


def sees_second(sql: str, syntax: Syntax) -> bool:
    return any(token.means(",") for token in tokens(sql, syntax))


@pytest.mark.parametrize("text", POSTGRESQL)
def test_postgresql_hides_the_same(postgres: PostgresServer, text: str) -> None:
    sql = f"SELECT {text.format(', 7')}"
    [row] = postgres.execute(sql)
    assert sees_second(sql, "postgresql") == (len(row) == 2)


@pytest.mark.parametrize("text", MARIADB)
def test_mariadb_hides_the_same(mariadb: MariaServer, text: str) -> None:
    sql = f"SELECT {text.format(', 7')}"
    [row] = mariadb.execute(sql)
    assert sees_second(sql, "mariadb") == (len(row) == 2)
