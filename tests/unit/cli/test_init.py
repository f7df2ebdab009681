"""On a terminal, init asks, and writes after a yes alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.cli.console import Console
from migrations_ops.cli.init import _ask
from migrations_ops.model.errors import Refused
from migrations_ops.operations.init.edits import Edit
from migrations_ops.operations.init.facts import Facts
from migrations_ops.operations.init.init import Initialisation


@pytest.mark.parametrize(
    ("answer", "consents"),
    [("y", True), ("YES", True), ("", False), ("n", False), ("yes please", False)],
)
def test_only_yes_is_consent(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    consents: bool,
) -> None:
    console = Console(tmp_path)
    monkeypatch.setattr(console.reporter, "ask", lambda _: answer)
    made = Initialisation(tmp_path, Facts("alembic.ini", ()), edits=(Edit("a", "one", "two"),))
    if consents:
        _ask(console, made)
    else:
        with pytest.raises(Refused):
            _ask(console, made)
    assert "-one\n+two" in capsys.readouterr().err
