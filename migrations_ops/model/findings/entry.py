"""What an entry of the catalogue is, and the finding that is made from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. ``allow`` and ``--allow`` refer to its ``code``.

    ``revision`` is the one that does it, where that is known.
    """

    code: str
    severity: Severity
    message: str
    where: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One sentence of the catalogue.

    :param code: the code; a code that depends on the kind of an object has ``{kind}`` in it.
    :param sentence: has its values in braces; ``{where}`` is the object of the finding.
    :param advice: what to do about an error; may contain ``{where}``, ``{environment}`` and
        ``{allow}``, the words that allow only this finding.
    :param kinds: the values of ``{kind}``.
    :param error_if: the condition under which a warning is an error instead, as text; empty for
        never.
    :param allowed: what an error becomes where it is allowed.
    """

    code: str
    severity: Severity
    sentence: str
    advice: str = ""
    kinds: tuple[str, ...] = ()
    error_if: str = ""
    allowed: Severity = "note"

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(self._code(kind) for kind in self.kinds or ("",))

    def found(self, where: str, *, strict: bool = False, **values: object) -> Finding:
        """The finding.

        :param where: its object, as in ``--allow CODE:WHERE``.
        :param strict: whether the condition ``error_if`` is met.
        :param values: the values in the braces of the sentence, and ``kind`` if the code needs it.
        """
        message = self.sentence.format(where=where, **values)
        found = Finding(self._code(str(values.get("kind", ""))), self.severity, message, where)
        return self.stricter(found) if strict else found

    def stricter(self, found: Finding) -> Finding:
        """The same finding as an error, where ``error_if`` is known only later."""
        is_stricter = found.code in self.codes and self.error_if
        return replace(found, severity="error") if is_stricter else found

    def also(self, severity: Severity, sentence: str) -> Entry:
        """Another sentence of the same code."""
        return replace(self, severity=severity, sentence=sentence)

    def _code(self, kind: str) -> str:
        return self.code.format(kind=kind.replace(" ", "-"))


FIX_REVISION = "Fix the revision; or, if it is intended, allow it: {allow}"
# What doctor itself leaves out.
DOCTOR_LISTS = "; invoke doctor lists everything that is missing"
MEND = f"Fix that, then run the same command again{DOCTOR_LISTS}."
