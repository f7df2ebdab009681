"""Which indexes a revision makes on PostgreSQL, noted before it makes them.

An index that others build in the meantime looks just like one that the revision has left behind:
both are INVALID, and both were not there before. Only those that are noted here are its own.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from ..driver import ask
from ..protocol.sql import Token, group, tokens
from .control import statements
from .row_counts import is_own

_INVALID = "SELECT indexrelid::bigint FROM pg_index WHERE NOT indisvalid"
# A new index has a new row in one, a renamed one in the other.
_OWN = (
    "SELECT x.indrelid::bigint, c.relname::text FROM pg_index x"
    " JOIN pg_class c ON c.oid = x.indexrelid"
    f" WHERE c.relpersistence <> 't' AND ({is_own('x.xmin')} OR {is_own('c.xmin')})"
)
# On a partitioned table each partition has its own.
_WITH_PARTITIONS = (
    "SELECT to_regclass({name})::oid WHERE to_regclass({name}) IS NOT NULL"
    " UNION SELECT relid::oid FROM pg_partition_tree(to_regclass({name}))"
)
_TABLES = {
    "TABLE": f"SELECT each.oid::bigint FROM ({_WITH_PARTITIONS}) each (oid)",
    "INDEX": "SELECT x.indrelid::bigint FROM pg_index x"
    f" JOIN ({_WITH_PARTITIONS}) each (oid) ON each.oid = x.indexrelid",
}
# These make no index; of a SELECT that calls a function it is unknown.
_MAKES_NONE = frozenset(
    {"SHOW", "SET", "RESET", "INSERT", "UPDATE", "DELETE", "DROP", "VACUUM", "ANALYZE", "REINDEX"}
)
_LONGEST = 63


@dataclass(frozen=True)
class Build:
    """The building of indexes concurrently with other sessions.

    :param kind: what ``name`` is the name of: ``TABLE`` or ``INDEX``.
    :param index: the name of a new one; None where the server chooses it.
    :param again: whether they were there before.
    """

    kind: Literal["TABLE", "INDEX"]
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
            self._facts = {"invalid": _oids(driver, _INVALID), "built": []}
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
    more: dict[str, Any] = {"again": True} if build.again else {}
    if build.index is not None:
        more["index"] = build.index
    tables = _oids(driver, _TABLES[build.kind], _text(build.name))
    return [{"table": table, **more} for table in tables]


def build_of(sql: str) -> Build | None:
    """What a statement builds; None where it builds nothing concurrently."""
    reader = _Reader(tokens(sql, "postgresql"))
    if reader.skip("CREATE"):
        reader.skip("UNIQUE")
        return _created(reader) if reader.skip("INDEX", "CONCURRENTLY") else None
    return _built_again(reader) if reader.skip("REINDEX") else None


def _created(reader: _Reader) -> Build | None:
    reader.skip("IF", "NOT", "EXISTS")
    index = None
    if reader.rest and not reader.comes("ON"):
        index = _folded(reader.rest.pop(0))
    if not reader.skip("ON"):
        return None
    reader.skip("ONLY")
    name = reader.name()
    return Build("TABLE", name, index) if name else None


def _built_again(reader: _Reader) -> Build | None:
    concurrently = False
    if reader.comes("("):
        options = group(reader.rest, 0)
        concurrently = any(token.means("CONCURRENTLY") for token in options)
        del reader.rest[: len(options) + 2]
    kinds: tuple[Literal["INDEX", "TABLE"], ...] = ("INDEX", "TABLE")
    kind = next((kind for kind in kinds if reader.skip(kind)), None)
    concurrently |= reader.skip("CONCURRENTLY")
    name = reader.name()
    return Build(kind, name, again=True) if kind and concurrently and name else None


class _Reader:
    """Reads a statement from left to right."""

    def __init__(self, sql: list[Token]) -> None:
        self.rest = sql

    def comes(self, *keywords: str) -> bool:
        """Whether these come next."""
        following = self.rest[: len(keywords)]
        return len(following) == len(keywords) and all(
            token.means(keyword) for token, keyword in zip(following, keywords, strict=True)
        )

    def skip(self, *keywords: str) -> bool:
        """Pass over these, if they come next."""
        comes = self.comes(*keywords)
        if comes:
            del self.rest[: len(keywords)]
        return comes

    def name(self) -> str:
        """A name, perhaps with its schema, as SQL; empty if none comes next."""
        name = ""
        while self.rest and self.rest[0].is_name:
            token = self.rest.pop(0)
            escaped = token.text.replace('"', '""')
            name += f'"{escaped}"' if token.quoted else token.text
            if not self.skip("."):
                return name
            name += "."
        return ""


def _makes_none(sql: str) -> bool:
    calls = any(token.means("(") for token in tokens(sql, "postgresql"))
    return all(
        words[0] in _MAKES_NONE
        or words[:2] == ["ALTER", "TYPE"]
        or (words[0] == "SELECT" and not calls)
        for words in statements(sql, "postgresql")
    )


def _oids(driver: Any, sql: str, name: str = "") -> list[int]:
    return [int(oid) for (oid,) in ask(driver, sql.replace("{name}", name))]


def _folded(token: Token) -> str:
    """A name as the server has it."""
    name = token.text if token.quoted else token.text.lower()
    return name.encode()[:_LONGEST].decode(errors="ignore")


def _text(value: str) -> str:
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
