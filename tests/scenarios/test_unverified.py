"""What stayed upgraded, though it had not passed verify, has to pass before anything follows."""

from __future__ import annotations

import pytest

from migrations_ops.journal.evidence import Evidence
from tests.scenarios.in_process import project_of, release
from tests.support import R3, Sandbox, query

LEFT, RIGHT = "r4dddddddddd", "r4eeeeeeeeee"


@pytest.mark.slow
def test_pending_fix_does_not_count_against_a_database_with_several_heads(filled: Sandbox) -> None:
    text = (filled.folder / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("dev", "prod"):
        head = f"[tool.migrations_ops.environments.{name}]"
        text = text.replace(head, f'{head}\ntarget = "heads"')
    filled.configure(text)
    filled.add_revision(LEFT, R3, "    pass")
    filled.add_revision(RIGHT, R3, "    pass")
    assert release(filled).error is None
    project = project_of(filled)
    prod = project.settings.environment("prod")
    evidence = Evidence(project.settings.releases)
    evidence.record_unverified(prod, (LEFT, RIGHT))
    filled.add_revision("r5ffffffffff", LEFT, "    pass")
    finished = release(filled)
    assert finished.error is None, finished.error
    steps = [(each.name, each.environment) for each in finished.result.steps]
    assert steps[:2] == [("preflight", "all"), ("verify", "prod")]
    rows = query(filled.prod, "SELECT version_num FROM alembic_version ORDER BY 1")
    assert rows == [(RIGHT,), ("r5ffffffffff",)]
    assert not evidence.unverified(prod)
