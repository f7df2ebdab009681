"""Which indexes a revision makes on PostgreSQL, recorded before it makes them.

An index that others build in the meantime looks just like one that the revision has left behind:
both are INVALID, and both were not there before. Only those that are recorded here are its own.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..driver import ask
from ..protocol.sql import literal, quoted, tokens
from .control import statements
from .row_counts import is_own

_INVALID = "SELECT indexrelid::bigint FROM pg_index WHERE NOT indisvalid"
# A new index has a new row in one, a renamed one in the other.
_OWN = (
    "SELECT x.indrelid::bigint, c.relname::text FROM pg_index x"
    " JOIN pg_class c ON c.oid = x.indexrelid"
    f" WHERE c.relpersistence <> 't' AND ({is_own('x.xmin')} OR {is_own('c.xmin')})"
)
# Those of a table, or of an index, by the name that a statement has; each partition has its own.
_TABLES = """
SELECT coalesce(x.indrelid, each.oid)::bigint, {index}
FROM (SELECT to_regclass({name})::oid WHERE to_regclass({name}) IS NOT NULL
    UNION SELECT relid::oid FROM pg_partition_tree(to_regclass({name}))) each (oid)
LEFT JOIN pg_index x ON x.indexrelid = each.oid
"""
_NAME = r"""(?:"(?:[^"]|"")*"|[^\s"'(),.;]+)"""
_CREATES = re.compile(
    rf"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?+(?:(?!ON )(?P<index>{_NAME}) )?"
    rf"ON (?:ONLY )?+(?P<name>{_NAME}(?: \. {_NAME})?)",
    re.IGNORECASE,
)
_CREATES_AGAIN = re.compile(
    r"REINDEX (?=.*\bCONCURRENTLY\b)(?:\( .*? \) )?+(?:INDEX|TABLE) (?:CONCURRENTLY )?+"
    rf"(?P<name>{_NAME}(?: \. {_NAME})?)",
    re.IGNORECASE,
)
# These make no index; of a SELECT that calls a function it is unknown.
_MAKES_NONE = frozenset(
    {"SHOW", "SET", "RESET", "INSERT", "UPDATE", "DELETE", "DROP", "VACUUM", "ANALYZE", "REINDEX"}
)


@dataclass(frozen=True)
class Build:
    """The building of indexes concurrently with other sessions; names are as SQL has them.

    :param name: that of their table; of one that is built again, it may be its own.
    :param index: the name of a new one; None where the server chooses it.
    :param again: whether they were there before.
    """

    name: str
    index: str | None = None
    again: bool = False


class OwnIndexes:
    """What is known of the indexes of one revision.

    ``invalid`` are those that were INVALID before the first part of it was committed; ``built``
    names those that it makes, for a REINDEX gives them other oids; ``unseen`` is set where a
    statement ran that may have made others.
    """

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}

    def facts(self) -> dict[str, Any]:
        """For the ledger."""
        return dict(self._facts)

    def before_commit(self, driver: Any) -> None:
        """The transaction in which the revision has worked is about to be committed."""
        if not self._facts:
            invalid = [int(oid) for (oid,) in ask(driver, _INVALID)]
            self._facts = {"invalid": invalid, "built": []}
        made = [{"table": int(table), "index": str(name)} for table, name in ask(driver, _OWN)]
        self._facts["built"] = [*self._facts["built"], *made]

    def before_statement(self, driver: Any, sql: str) -> bool:
        """A statement is about to run that commits by itself.

        :returns: whether there is more to note than before.
        """
        before = self.facts()
        built, build = [], build_of(sql)
        with suppress(Exception):  # no name of a table: the statement itself says so better
            built = [] if build is None else _entries(driver, build)
        self._facts["built"] = [*self._facts.get("built", []), *built]
        if not built and not _makes_none(sql):
            self._facts["unseen"] = True
        return self._facts != before


def _entries(driver: Any, build: Build) -> list[dict[str, Any]]:
    """The indexes that are built, for the ledger: the table of each, and its name if it has one."""
    # The server knows best which letters it makes small, and how long a name may be.
    index = f"(parse_ident({literal(build.index)})::name[])[1]::text" if build.index else "NULL"
    rows = ask(driver, _TABLES.format(name=literal(build.name), index=index))
    more: dict[str, Any] = {"again": True} if build.again else {}
    return [
        {"table": int(table), **more, **({} if name is None else {"index": name})}
        for table, name in rows
    ]


def build_of(sql: str) -> Build | None:
    """What a statement builds; None where it builds nothing concurrently."""
    text = " ".join(
        quoted(token.text) if token.quoted else token.text for token in tokens(sql, "postgresql")
    )
    if found := _CREATES.match(text):
        return Build(found["name"], found["index"])
    if found := _CREATES_AGAIN.match(text):
        return Build(found["name"], again=True)
    return None


def _makes_none(sql: str) -> bool:
    calls = any(token.means("(") for token in tokens(sql, "postgresql"))
    return all(
        words[0] in _MAKES_NONE
        or words[:2] == ["ALTER", "TYPE"]
        or (words[0] == "SELECT" and not calls)
        for words in statements(sql, "postgresql")
    )
