"""Parses the entries of a fingerprint's schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migrations_ops.child.protocol.sql import Token, tokens
from migrations_ops.model.kinds import KINDS

CONSTRAINTS = frozenset({"foreign key", "primary key", "check", "unique", "exclusion"})
# What belongs to a table, and is lost when another one replaces it.
ATTACHED = frozenset({"index", "trigger", "policy", "rule", "statistics", "privilege"})
# The words that follow the type in the fact of a column, or its default.
_AFTER_DEFAULT = frozenset({"auto_increment", "check", "collate", "comment", "compression",
                            "generated", "identity", "invisible", "key", "on",
                            "storage"})  # fmt: skip
_AFTER_TYPE = _AFTER_DEFAULT | {"as", "default", "not", "null"}


@dataclass(frozen=True)
class Fact:
    """One entry of a fingerprint's schema; names are in lower case.

    ``table`` is the one that it belongs to, and goes with; ``columns`` those that it needs;
    ``owner`` is the key of what a privilege is on.
    """

    kind: str
    where: str
    table: str = ""
    name: str = ""
    columns: frozenset[str] = frozenset()
    parent: str = ""
    owner: str = ""

    @classmethod
    def of(cls, key: str, was: str) -> Fact:
        kind = next(kind for kind in KINDS if key.startswith(f"{kind} "))
        where = key[len(kind) + 1 :]
        found, words = _texts(where), _texts(was)
        match kind:
            case "table":
                return cls(kind, where, table=found[0])
            case "column":
                return cls(kind, where, found[0], found[-1], frozenset(found[-1:]))
            case "index" | "trigger" | "policy" | "rule" | "statistics":
                table, rest = _table_of(kind, found, words)
                return cls(kind, where, table, found[0], frozenset(rest))
            case "check" | "exclusion":
                named = found[-1] if len(found) == 3 else ""
                return cls(kind, where, found[0], named, frozenset(words))
            case "sequence" if words[-5:-3] == ["owned", "by"]:
                return cls(kind, where, words[-3], found[0], frozenset(words[-1:]))
            case "privilege":
                owner, _, role = where.rpartition(" to ")
                table = found[-3] if found[0] not in ("column", "default") else found[1]
                return cls(kind, where, table, _texts(role)[0], owner=owner)
            case "foreign key" | "primary key" | "unique":
                name = words[-1] if "constraint" in words[:-1] else ""
                close = found.index(")")
                parent = found[-1] if kind == "foreign key" else ""
                return cls(kind, where, found[0], name, frozenset(found[2:close]), parent)
        return cls(kind, where, name=found[0])

    def identity(self) -> tuple[str, ...]:
        """Identifies it, however its names are quoted."""
        return (self.kind, *_texts(self.where))


def names_gone(before: Iterable[str], after: Iterable[str]) -> frozenset[str]:
    """The tables and views of one schema that another lacks, and columns as TABLE.COLUMN.

    :param before: the keys of both schemas.
    """
    gone = set()
    for key in {*before} - {*after}:
        fact = Fact.of(key, "")
        table = fact.table.rpartition(".")[2]
        if fact.kind == "column":
            gone.add(f"{table}.{fact.name}")
        elif fact.kind in ("table", "view", "materialized view"):
            gone.add(table or fact.name.rpartition(".")[2])
    return frozenset(gone)


def _table_of(kind: str, found: list[str], words: list[str]) -> tuple[str, list[str]]:
    """The table that an object is on, and the words after it, which contain its columns."""
    if kind == "statistics":
        return words[-1] if words else "", words
    position = words.index("on") + 1 if "on" in words else len(words)
    if len(found) == 3 and found[1] == "on":
        return found[2], words[position + 1 :]
    return words[position] if position < len(words) else "", words[position + 1 :]


@dataclass(frozen=True)
class ColumnFact:
    """The type and the default of a column, from its fact."""

    type: str
    default: str

    @classmethod
    def of(cls, was: str) -> ColumnFact:
        words = tokens(was, "facts")
        texts = lowered(words)
        start = next(
            (
                number
                for number, word in enumerate(texts)
                if (word in _AFTER_TYPE or texts[number : number + 2] == ["character", "set"])
                and not words[number].quoted
            ),
            len(texts),
        )
        return cls(" ".join(texts[:start]), _default(words[start:]))

    @property
    def affinity(self) -> str:
        """How SQLite treats the type: https://www.sqlite.org/datatype3.html, section 3.1."""
        if "int" in self.type:
            return "integer"
        if any(part in self.type for part in ("char", "clob", "text")):
            return "text"
        if not self.type or "blob" in self.type:
            return "blob"
        if any(part in self.type for part in ("real", "floa", "doub")):
            return "real"
        return "numeric"


def _default(words: list[Token]) -> str:
    """The default of a column; empty for none, and for NULL, which means the same."""
    start = next((n for n, word in enumerate(words) if word.means("DEFAULT")), None)
    if start is None:
        return ""
    depth, parts = 0, []
    for word in words[start + 1 :]:
        if not depth and not word.quoted and word.text.lower() in _AFTER_DEFAULT:
            break
        depth += word.means("(") - word.means(")")
        parts.append(word.text if word.literal or word.quoted else word.text.lower())
    while len(parts) > 2 and parts[0] == "(" and parts[-1] == ")":
        parts = parts[1:-1]
    text = " ".join(parts)
    return "" if text == "null" else text


def _texts(fact: str) -> list[str]:
    return lowered(tokens(fact, "facts"))


def lowered(found: Iterable[Token]) -> list[str]:
    return [word.text.lower() for word in found]
