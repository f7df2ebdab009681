"""One entry of a fingerprint's schema, taken apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migrations_ops.databases.sql_words import Word, words

KINDS = ("foreign key", "primary key", "table", "column", "index", "trigger", "view", "check",
         "unique")  # fmt: skip
CONSTRAINTS = frozenset({"foreign key", "primary key", "check", "unique"})
# What follows the type in the fact of a column.
_AFTER_TYPE = frozenset({"not", "default", "key", "generated", "collate"})


@dataclass(frozen=True)
class Fact:
    """One entry of a fingerprint's schema; names are in small letters.

    ``table`` is the one that it belongs to, and goes with; ``columns`` those that it needs.
    """

    kind: str
    where: str
    table: str = ""
    name: str = ""
    columns: frozenset[str] = frozenset()
    parent: str = ""

    @classmethod
    def of(cls, key: str, was: str) -> Fact:
        kind = next(kind for kind in KINDS if key.startswith(f"{kind} "))
        where = key[len(kind) + 1 :]
        found, told = lowered(words(where)), lowered(words(was))
        match kind:
            case "table":
                return cls(kind, where, table=found[0])
            case "column":
                return cls(kind, where, found[0], found[-1], frozenset(found[-1:]))
            case "index" | "trigger":
                place = told.index("on") + 1 if "on" in told else len(told)
                table = told[place] if place < len(told) else ""
                return cls(kind, where, table, found[0], frozenset(told[place + 1 :]))
            case "view":
                return cls(kind, where, name=found[0])
            case "check":
                named = found[-1] if len(found) == 3 else ""
                return cls(kind, where, found[0], named, frozenset(told))
        name = told[-1] if "constraint" in told[:-1] else ""
        close = found.index(")")
        parent = found[-1] if kind == "foreign key" else ""
        return cls(kind, where, found[0], name, frozenset(found[2:close]), parent)

    def told(self) -> tuple[str, ...]:
        """What tells it from all others, whatever its names are written like."""
        return (self.kind, *lowered(words(self.where)))


@dataclass(frozen=True)
class ColumnFact:
    """What the fact of a column says of its type and its default."""

    type: str
    default: str

    @classmethod
    def of(cls, was: str) -> ColumnFact:
        told = words(was)
        texts = lowered(told)
        start = next(
            (
                number
                for number, word in enumerate(texts)
                if word in _AFTER_TYPE and not told[number].quoted
            ),
            len(texts),
        )
        return cls(" ".join(texts[:start]), _default(told[start:]))

    @property
    def affinity(self) -> str:
        """How SQLite takes the type: https://www.sqlite.org/datatype3.html, section 3.1."""
        if "int" in self.type:
            return "integer"
        if any(part in self.type for part in ("char", "clob", "text")):
            return "text"
        if not self.type or "blob" in self.type:
            return "blob"
        if any(part in self.type for part in ("real", "floa", "doub")):
            return "real"
        return "numeric"


def _default(told: list[Word]) -> str:
    """The default of a column; empty for none, and for NULL, which means the same."""
    start = next((n for n, word in enumerate(told) if word.means("DEFAULT")), None)
    if start is None:
        return ""
    depth, parts = 0, []
    for word in told[start + 1 :]:
        if not depth and word.means("KEY", "GENERATED", "COLLATE"):
            break
        depth += word.means("(") - word.means(")")
        parts.append(word.text if word.literal or word.quoted else word.text.lower())
    while len(parts) > 2 and parts[0] == "(" and parts[-1] == ")":
        parts = parts[1:-1]
    text = " ".join(parts)
    return "" if text == "null" else text


def lowered(found: Iterable[Word]) -> list[str]:
    return [word.text.lower() for word in found]
