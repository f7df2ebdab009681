"""Which indexes a revision makes on PostgreSQL, noted before it makes them.

An index that others build in the meantime looks just like one that the revision has left behind:
both are INVALID, and both were not there before. Only those that are told here are its own.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from ..driver import ask
from .control import statements
from .row_counts import is_own

_COMMENT = re.compile(r"(\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*')|--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = r"\"(?:[^\"]|\"\")+\"|[^\W\d][\w$]*"
_PLACE = rf"(?P<table>(?:{_NAME})(?:\s*\.\s*(?:{_NAME}))*)"
_CREATE = re.compile(
    r"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s*"
    rf"(?:(?:\bIF\s+NOT\s+EXISTS\s*)?(?P<index>{_NAME})\s*)?\bON\s*(?:\bONLY\b\s*)?{_PLACE}",
    re.IGNORECASE,
)
_REINDEX = re.compile(
    r"\s*REINDEX\s*(?:\([^)]*\)\s*)?\b(?P<kind>INDEX|TABLE)\s*(?:\bCONCURRENTLY\s*)?" + _PLACE,
    re.IGNORECASE,
)
_INVALID = "SELECT indexrelid::bigint FROM pg_index WHERE NOT indisvalid"
# A new index has a new row in one, a renamed one in the other.
_OWN = (
    "SELECT x.indrelid::bigint, c.relname::text FROM pg_index x"
    " JOIN pg_class c ON c.oid = x.indexrelid"
    f" WHERE c.relpersistence <> 't' AND ({is_own('x.xmin')} OR {is_own('c.xmin')})"
)
# On a partitioned table each partition has its own.
_WITH_PARTITIONS = (
    "SELECT to_regclass({place})::oid WHERE to_regclass({place}) IS NOT NULL"
    " UNION SELECT relid::oid FROM pg_partition_tree(to_regclass({place}))"
)
_TABLES = {
    "TABLE": f"SELECT each.oid::bigint FROM ({_WITH_PARTITIONS}) each (oid)",
    "INDEX": "SELECT x.indrelid::bigint FROM pg_index x"
    f" JOIN ({_WITH_PARTITIONS}) each (oid) ON each.oid = x.indexrelid",
}
# These make no index; of a SELECT that calls a function nobody can tell.
_MAKES_NONE = frozenset(
    {"SHOW", "SET", "RESET", "INSERT", "UPDATE", "DELETE", "DROP", "VACUUM", "ANALYZE", "REINDEX"}
)
_LONGEST = 63


class OwnIndexes:
    """What is known of the indexes of one revision.

    ``invalid`` are those that were INVALID before the first part of it was committed; ``built``
    names those that it makes, for a REINDEX gives them other oids; ``unseen`` tells that a
    statement ran which may have made others.
    """

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}

    def told(self) -> dict[str, Any]:
        """For the ledger."""
        return dict(self._told)

    def commits(self, driver: Any) -> None:
        """The transaction in which the revision has worked is about to be committed."""
        if not self._told:
            self._told = {"invalid": _oids(driver, _INVALID), "built": []}
        made = [{"table": int(table), "index": str(name)} for table, name in ask(driver, _OWN)]
        self._told["built"] = [*self._told["built"], *made]

    def meets(self, driver: Any, sql: str) -> bool:
        """A statement is about to run that commits by itself.

        :returns: whether there is more to tell than before.
        """
        before = self.told()
        plain = _COMMENT.sub(lambda found: found[1] or " ", sql)
        built = []
        with suppress(Exception):  # no name of a table: the statement itself says so better
            built = _built(driver, plain)
        self._told["built"] = [*self._told.get("built", []), *built]
        if not built and not _makes_none(plain):
            self._told["unseen"] = True
        return self._told != before


def _built(driver: Any, sql: str) -> list[dict[str, Any]]:
    """The indexes that a statement builds: the table of each, and its name where it has one."""
    created = _CREATE.match(sql)
    if created is not None:
        place = _text(created["table"])
        name = {"index": _folded(created["index"])} if created["index"] else {}
        return [{"table": oid, **name} for oid in _oids(driver, _TABLES["TABLE"], place)]
    again = _REINDEX.match(sql)
    if again is None or not re.search(
        r"\bCONCURRENTLY\b", sql[: again.start("table")], re.IGNORECASE
    ):
        return []
    query = _TABLES[again["kind"].upper()]
    return [{"table": oid, "again": True} for oid in _oids(driver, query, _text(again["table"]))]


def _makes_none(sql: str) -> bool:
    return all(
        words[0] in _MAKES_NONE
        or words[:2] == ["ALTER", "TYPE"]
        or (words[0] == "SELECT" and "(" not in sql)
        for words in statements(sql, "postgresql")
    )


def _oids(driver: Any, sql: str, place: str = "") -> list[int]:
    return [int(oid) for (oid,) in ask(driver, sql.replace("{place}", place))]


def _folded(name: str) -> str:
    """A name as the server has it."""
    plain = name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
    return plain.encode()[:_LONGEST].decode(errors="ignore")


def _text(value: str) -> str:
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
