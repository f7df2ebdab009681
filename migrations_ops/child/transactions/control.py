"""What a statement does to the transaction, and to rows, as far as its first words tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from ..protocol.sql import Syntax, located

_ENDING = frozenset({"COMMIT", "END", "ROLLBACK", "ABORT"})
# What MariaDB commits before it does it, however it ends; see also TEMPORARY.
# https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/
_COMMITTING = frozenset(
    {
        "ALTER", "ANALYZE", "BACKUP", "BEGIN", "CACHE", "CHANGE", "CHECK", "COMMIT", "CREATE",
        "DROP", "FLUSH", "GRANT", "INSTALL", "LOCK", "OPTIMIZE", "RENAME", "REPAIR", "RESET",
        "REVOKE", "SHUTDOWN", "START", "STOP", "TRUNCATE", "UNINSTALL", "UNLOCK", "XA",
        # What a procedure does is unknown from outside; a block needs no procedure.
        "CALL", "EXECUTE", "IF", "CASE", "LOOP", "REPEAT", "WHILE", "FOR", "DECLARE",
    }
)  # fmt: skip
# The server counts how often it is asked for these, as Com_alter_table and so on.
_COUNTED = frozenset({"ALTER", "CREATE", "DROP", "RENAME", "TRUNCATE", "COMMIT"})
_ONLY_ENDING = frozenset({"BEGIN", "START", "COMMIT", "SET"})
_COMMITTING_TWO = frozenset({("SET", "PASSWORD"), ("SET", "DEFAULT"), ("LOAD", "INDEX")})
_UNKNOWN = frozenset({"CALL", "EXECUTE", "IF", "CASE", "LOOP", "REPEAT", "WHILE", "FOR", "DECLARE"})
_WITH_BODY = frozenset({"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"})
_WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH", "DO"})
# These read, and write nothing unless they call a function that does.
_READING = frozenset({"SELECT", "VALUES", "SET"})
_WRITING_NOTHING = _READING | frozenset(
    {"SHOW", "TABLE", "EXPLAIN", "DESCRIBE", "DESC", "USE", "BEGIN", "COMMIT"}
)
# Enough of each statement to know it by.
_KNOWN_BY = 8
# Looked for first: a statement may carry megabytes of values.
_MAY_END = re.compile(r"COMMIT|END|ROLLBACK|ABORT|PREPARE", re.IGNORECASE)
# https://mariadb.com/kb/en/galera-cluster-system-variables/
_LEAVES_CLUSTER = re.compile(
    r"\s*SET\b.*\bwsrep_(?:OSU_method\s*:?=\s*['\"]?(?:RSU|NBO)|on\s*:?=\s*['\"]?(?:0|OFF|FALSE))\b",
    re.IGNORECASE | re.DOTALL,
)
_MAY_SET = re.compile(r"CONSTRAINTS", re.IGNORECASE)


# Each statement is asked about several times in a row.
@lru_cache(maxsize=2)
def statements(sql: str, syntax: Syntax) -> list[list[str]]:
    """The first words of each statement in a text, in capitals."""
    found: list[list[str]] = []
    words: list[str] = []
    in_body, single = False, ";" not in sql
    for _, _, token in located(sql, syntax):
        if token.is_word:
            words.append(token.text.upper())
            if single and len(words) == _KNOWN_BY:
                break
        elif token.text == ";" and not token.quoted:
            in_body = in_body or _begins_body(words)
            if words and not in_body:
                found.append(words[:_KNOWN_BY])
            elif words[:1] == ["END"]:
                in_body = False
            words = []
    if words and not in_body:
        found.append(words[:_KNOWN_BY])
    return found


def _begins_body(words: list[str]) -> bool:
    """Whether these words hold the beginning of a body, whose end is no end of a transaction."""
    if words[:1] != ["CREATE"]:
        return False
    return ("BEGIN", "ATOMIC") in pairwise(words)


def ends_transaction(sql: str, syntax: Syntax) -> str | None:
    """The first words of a statement that ends the transaction; None where there is none."""
    if not _MAY_END.search(sql):
        return None
    for words in statements(sql, syntax):
        if words[0] in _ENDING and not {"TO", "SAVEPOINT"} & set(words[1:4]):
            return " ".join(words[:2]) if words[1:2] == ["PREPARED"] else words[0]
        if words[:2] == ["PREPARE", "TRANSACTION"]:
            return "PREPARE TRANSACTION"
    return None


def sets_constraints(sql: str) -> bool:
    """Whether deferred constraints are checked earlier than at the commit."""
    if not _MAY_SET.search(sql):
        return False
    return any(words[:2] == ["SET", "CONSTRAINTS"] for words in statements(sql, "postgresql"))


def only_reads(sql: str, syntax: Syntax) -> bool:
    """Whether no statement writes, as far as its first word tells: a function of it may."""
    return all(words[0] in _WRITING_NOTHING for words in statements(sql, syntax))


def commits_by_itself(sql: str) -> bool:
    """Whether MariaDB commits because of one of these statements, also when that fails."""
    return any(_commits(words) for words in _of_mariadb(sql))


def counted_commits(sql: str) -> int:
    """How many of these statements the server counts by such a name of their own."""
    return sum(_commits(words) and words[0] in _COUNTED for words in _of_mariadb(sql))


def leaves_cluster(sql: str) -> bool:
    """Whether a statement sets a session of a Galera cluster to keep its changes on its node."""
    return _LEAVES_CLUSTER.match(sql) is not None


def only_ends(sql: str) -> bool:
    """Whether MariaDB commits, because of these, only what earlier statements changed."""
    return all(
        words[0] in _ONLY_ENDING and tuple(words[:2]) not in _COMMITTING_TWO
        for words in _of_mariadb(sql)
    )


def _of_mariadb(sql: str) -> Iterator[list[str]]:
    """The first words of each statement, without the settings that it is given on its way."""
    for words in statements(sql, "mariadb"):
        if words[:2] == ["SET", "STATEMENT"]:
            # Where many settings come first, it may be anything.
            yield words[words.index("FOR") + 1 :] if "FOR" in words[:-1] else ["EXECUTE"]
        else:
            yield words


def _commits(words: list[str]) -> bool:
    if tuple(words[:2]) in _COMMITTING_TWO:
        return True
    if words[0] == "SET":
        return "AUTOCOMMIT" in words
    if words[0] in ("CREATE", "DROP") and "TEMPORARY" in words[:4]:
        return False
    return words[0] in _COMMITTING


def may_write(sql: str) -> bool:
    """Whether rows are written by one of these statements."""
    return any(words[0] in _WRITING for words in _of_mariadb(sql))


def may_call(sql: str) -> bool:
    """Whether a statement may call a stored function, which may write."""
    return any(words[0] in _READING for words in _of_mariadb(sql))


def may_be_repeated(sql: str) -> bool:
    """Whether MariaDB has done nothing of it when it gives up waiting for a lock."""
    found = list(_of_mariadb(sql))
    if len(found) != 1:
        return False
    return found[0][0] not in _UNKNOWN and (_commits(found[0]) or found[0][0] in _WRITING)


def may_stop_halfway(sql: str) -> bool:
    """Whether MariaDB may have done a part of it when it fails.

    A single statement is atomic there since 10.6, but for those that name several tables, and for
    what a procedure does.
    """
    found = list(_of_mariadb(sql))
    if not found or (found[0][0] == "CREATE" and _WITH_BODY & set(found[0])):
        return False
    if len(found) > 1:
        return any(_commits(words) for words in found)
    first = found[0][0]
    return first in _UNKNOWN or (first in ("DROP", "RENAME") and "," in sql)
