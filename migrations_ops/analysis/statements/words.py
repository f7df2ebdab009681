"""Goes through the words of a statement, from its verb on."""

from __future__ import annotations

from migrations_ops.analysis.statements.rows import outside
from migrations_ops.child.protocol.sql import Token, group

# The kinds of objects as statements call them, and as facts do.
_KINDS = {
    ("MATERIALIZED", "VIEW"): "materialized view",
    ("FOREIGN", "TABLE"): "table",
    ("EVENT", "TRIGGER"): "object",
    ("TABLE",): "table",
    ("VIEW",): "view",
    ("INDEX",): "index",
    ("SEQUENCE",): "sequence",
    ("FUNCTION",): "function",
    ("AGGREGATE",): "function",
    ("ROUTINE",): "function",
    ("PROCEDURE",): "procedure",
    ("TRIGGER",): "trigger",
    ("POLICY",): "policy",
    ("RULE",): "rule",
    ("TYPE",): "type",
    ("DOMAIN",): "domain",
    ("EXTENSION",): "extension",
    ("SCHEMA",): "schema",
    ("STATISTICS",): "statistics",
    ("EVENT",): "event",
    ("OPERATOR",): "object",
    ("COLLATION",): "object",
    ("CAST",): "object",
    ("SERVER",): "object",
}


class Words:
    """Goes through the words of a statement."""

    def __init__(self, statement: list[Token], start: int = 1) -> None:
        self.statement, self.at = statement, start

    @property
    def rest(self) -> list[Token]:
        return self.statement[self.at :]

    def sees(self, *keywords: str) -> bool:
        """Whether these words come next, one after the other."""
        coming = self.statement[self.at : self.at + len(keywords)]
        return len(coming) == len(keywords) and all(
            word.means(keyword) for word, keyword in zip(coming, keywords, strict=True)
        )

    def take(self, *keywords: str) -> bool:
        if self.sees(*keywords):
            self.at += len(keywords)
            return True
        return False

    def seek(self, keyword: str) -> bool:
        """Go on behind a word, wherever it comes outside of parentheses."""
        self.at += outside(self.rest, (keyword,)) + 1
        return self.at < len(self.statement)

    def skip(self, *keywords: str) -> None:
        """Skip any of these words, where another one follows that can be the name."""
        while (
            self.at + 1 < len(self.statement)
            and self.statement[self.at].means(*keywords)
            and not self.statement[self.at + 1].means(".", ";", ",")
        ):
            self.at += 1

    def kind(self) -> str:
        for keywords, kind in _KINDS.items():
            if self.take(*keywords):
                return kind
        return ""

    def name(self) -> str:
        """A name with its schema, in one word."""
        parts: list[str] = []
        while self.at < len(self.statement):
            word = self.statement[self.at]
            self.at += 1
            parts.append(word.text.lower())
            if not self.sees("."):
                break
            self.at += 1
        return ".".join(parts)

    def names(self) -> list[str]:
        """A list of names, without the parentheses that may follow each."""
        found = [self.name()]
        while True:
            if self.sees("("):
                self.at += len(group(self.statement, self.at)) + 2
            self.take("*")
            if not self.take(","):
                return found
            self.skip("ONLY")
            found.append(self.name())
