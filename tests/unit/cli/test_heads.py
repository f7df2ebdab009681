"""What heads --check and heads --fix show, and when --fix may write."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrations_ops.cli.heads import _checked, _require_consent, _shown
from migrations_ops.cli.output.style import Style
from migrations_ops.model.errors import Refused
from migrations_ops.operations.heads.changes import FileChange
from migrations_ops.operations.heads.check import report_of
from migrations_ops.operations.heads.decision import Merge, Rewrite
from migrations_ops.operations.heads.fix import Fix
from migrations_ops.project.environments import Environment
from tests.unit.revisions.small_histories import history, revision

FORK = history(
    revision("r"), revision("a", "r", message="add reviews"), revision("b", "r", message="loans")
)
PROD = Environment("prod", "x", Path())


@pytest.mark.parametrize(
    ("yes", "terminal", "answer", "writes"),
    [
        (True, False, "", True),
        (True, True, "n", True),
        (False, False, "y", False),
        (False, True, "y", True),
        (False, True, "YES", True),
        (False, True, "はい", True),
        (False, True, "n", False),
        (False, True, "", False),
    ],
)
def test_nothing_is_written_without_consent(
    monkeypatch: pytest.MonkeyPatch, yes: bool, terminal: bool, answer: str, writes: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: terminal))
    console = cast(Any, SimpleNamespace(reporter=SimpleNamespace(ask=lambda _: answer)))
    if writes:
        _require_consent(console, yes=yes)
        return
    with pytest.raises(Refused) as caught:
        _require_consent(console, yes=yes)
    assert caught.value.untouched == "No file was changed."


def shown(decided: Rewrite | Merge, *changes: FileChange, unknown: tuple[str, ...] = ()) -> str:
    fix = Fix(PROD, FORK, decided, changes, unknown)
    return "\n".join(_shown(fix, Style(sys.stdout)))


def test_a_rewrite_is_shown_as_a_difference() -> None:
    source, other = b'x = 1\r\ndown_revision = "r"\r\n', b"x = 1\n"
    text = shown(
        Rewrite({"b": ("a",)}, ("b",), "a"),
        FileChange(Path("1_b.py"), Path("2_b.py"), source, source.replace(b'"r"', b'"a"')),
        FileChange(Path("2_c.py"), Path("3_c.py"), other, other),
        unknown=("prod",),
    )
    assert text == (
        "b (loans) comes after a (add reviews):\n"
        "--- 1_b.py\n+++ 2_b.py\n@@ -1,2 +1,2 @@\n x = 1\n"
        '-down_revision = "r"\n+down_revision = "a"\n'
        "rename 2_c.py -> 3_c.py\n"
        f"{Style(sys.stdout).sign('⚠')} prod cannot be asked what ran there: if one of these did,"
        " merge instead:\n  invoke revision --merge"
    )


def test_a_merge_is_shown_with_its_message_and_the_reason() -> None:
    assert shown(Merge(("a", "b"), "a ran in dev")) == (
        "A revision merges a (add reviews) and b (loans), since a ran in dev:\n"
        "  merge add reviews and loans"
    )


@pytest.mark.parametrize(
    ("base", "after"), [(None, ""), ("main", "; this branch comes after main")]
)
def test_what_was_checked_is_one_line(base: str | None, after: str) -> None:
    def checked(*names: str) -> str:
        return _checked(report_of(history(*(FORK.revisions[each] for each in names))), base)

    assert checked() == "There are no revisions yet."
    assert checked("r", "a") == f"One head: a (add reviews){after}."
    assert checked("r", "a", "b") == f"2 heads, as configured: a, b{after}."
