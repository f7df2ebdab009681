"""invoke backup: each environment, with a note, whatever becomes of the old ones."""

from __future__ import annotations

from pathlib import Path

from tests.contract.databases.support import (
    immutable,
)
from tests.support import R2, Sandbox, dump, query


def test_every_environment_is_backed_up_with_a_note(filled: Sandbox) -> None:
    ran = filled.invoke("backup", "--all", "--note", "before 引っ越し")
    assert ran.code == 0, ran.err
    printed = [Path(line) for line in ran.out.splitlines()]
    assert [dump(each) for each in printed] == [dump(filled.dev), dump(filled.prod)]
    listed = filled.invoke("backups", "--json")
    assert [
        (each["environment"], each["note"], each["revisions"]) for each in listed.json["backups"]
    ] == [("dev", "before 引っ越し", [R2]), ("prod", "before 引っ越し", [R2])]


def test_retention_that_fails_does_not_fail_the_backup(filled: Sandbox) -> None:
    filled.configure((filled.folder / "pyproject.toml").read_text().replace("wait = 1", "keep = 1"))
    first = Path(filled.invoke("backup").out.strip())
    query(filled.prod, "DELETE FROM children WHERE id = 1")
    with immutable(first):
        ran = filled.invoke("backup")
        pruned = filled.invoke("prune")
    assert ran.code == 0, ran.err
    assert "could not be removed" in ran.err
    assert dump(Path(ran.out.strip())) == dump(filled.prod)
    assert pruned.code == 3
    assert "Traceback" not in pruned.err
    assert filled.invoke("prune").out.strip() == f"removed {first.name}"
