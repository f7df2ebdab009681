"""What lint is given and what it has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from migrations_ops.model.findings import Finding, Severity

Known = Literal["measured", "rows", "nothing"]


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A finding in a revision. ``advice`` is what to write instead."""

    code: str
    severity: Severity
    message: str
    where: str
    revision: str
    file: str
    line: int
    advice: str

    @classmethod
    def of(cls, found: Finding, revision: str, file: str, line: int, advice: str) -> LintFinding:
        return cls(
            found.code, found.severity, found.message, found.where, revision, file, line, advice
        )


@dataclass(frozen=True, slots=True)
class LintReport:
    """What lint has found. ``severity_by`` is what the severities come from."""

    environment: str
    engine: str
    revisions: Sequence[str]
    severity_by: Known
    findings: Sequence[LintFinding]

    @property
    def passed(self) -> bool:
        return not any(each.severity == "error" for each in self.findings)
