"""What lint is given and what it has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from migrations_ops.model.findings import Finding, Severity

Known = Literal["measured", "rows", "nothing"]


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A finding, and where it is; ``advice`` is what to write instead."""

    finding: Finding
    file: str
    line: int
    advice: str

    @property
    def code(self) -> str:
        return self.finding.code

    @property
    def severity(self) -> Severity:
        return self.finding.severity

    @property
    def message(self) -> str:
        return self.finding.message

    @property
    def where(self) -> str:
        return self.finding.where


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
