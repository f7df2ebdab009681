"""``lint`` judges revisions by their sources: those of a branch, those of a plan."""

from __future__ import annotations

import shutil

import pytest

from tests.scenarios.test_json_schemas import validate
from tests.support import R3, Sandbox

R4 = "r4dddddddddd"
INDEX = 'op.create_index("ix_parents_note", "parents", ["note"])'
CONCURRENTLY = INDEX.replace(")", ", postgresql_concurrently=True)")


def test_a_branch_is_linted_without_a_database_and_a_comment_allows_what_is_meant(
    shop: Sandbox,
) -> None:
    if not shutil.which("git"):
        pytest.skip("needs git")
    shop.configure('[tool.migrations_ops.environments.prod]\nurl = { variable = "NOT_HERE" }\n')
    for argv in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first"),
    ):
        assert shop.run("git", *argv).code == 0
    file = shop.add_revision(R4, R3, f"    {CONCURRENTLY}\n    {INDEX}")
    refused = shop.invoke("lint", "--base", "main")
    assert refused.code == 2
    assert "Name the engine" in refused.err
    lint = ("lint", "--base", "main", "--engine", "postgresql")
    found = shop.invoke(*lint, "--format", "github")
    assert found.code == 1
    assert "# migrations-ops: allow concurrently-in-transaction:ix_parents_note -- R" in found.err
    first, second = found.out.splitlines()
    assert first.startswith("::error file=alembic/versions/")
    assert "title=concurrently-in-transaction::" in first
    assert second.startswith("::warning ")
    allowed = "# migrations-ops: allow concurrently-in-transaction -- env.py commits"
    file.write_text(f"{allowed}\n{file.read_text()}")
    passed = shop.invoke(*lint, "--json")
    assert passed.code == 0, passed.out
    validate(passed.json, "lint")
    assert passed.json["revisions"] == [R4]
    [note, warning] = passed.json["findings"]
    assert (note["severity"], warning["severity"]) == ("note", "warning")
    assert note["message"].endswith(":1 -- env.py commits)")
    assert not shop.prod.exists()


def test_a_plan_is_linted_by_what_it_measured(filled: Sandbox) -> None:
    """Nobody is blocked for long by so few rows: what was a warning is a note."""
    (filled.folder / "pyproject.toml").write_text(
        (filled.folder / "pyproject.toml").read_text()
        + "\n[tool.migrations_ops.lint_thresholds]\nwrites_error = 999\n"
    )
    assert filled.invoke("plan", "--output", "plan.json").code == 0
    found = filled.invoke("lint", "--plan-file", "plan.json", "--engine", "postgresql", "--json")
    assert found.code == 0, found.err
    validate(found.json, "lint")
    assert found.json["severity_by"] == "measured"
    assert "(measured: " in found.json["findings"][0]["message"]
    by_rows = filled.invoke("lint", "--engine", "postgresql", "--json")
    assert by_rows.json["severity_by"] == "rows"
    assert by_rows.json["revisions"] == found.json["revisions"]
