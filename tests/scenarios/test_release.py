"""The whole path, once: what a release does, and what it leaves."""

from __future__ import annotations

import os

from tests.support import R2, R3, Sandbox, query


def test_release_takes_every_environment_to_head_and_then_there_is_nothing_to_do(
    filled: Sandbox,
) -> None:
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["outcome"] == "released"
    assert [ran.json["from"], ran.json["to"]] == [[R2], [R3]]
    for file in (filled.dev, filled.prod):
        assert query(file, "SELECT version_num FROM alembic_version") == [(R3,)]
    # The rebuild of a parent keeps the rows of its children, and no copy is left.
    assert query(filled.prod, "SELECT count(*) FROM children") == [(20,)]
    assert not list((filled.folder / "data/repom/releases").rglob("rehearsal*.sqlite3*"))
    again = filled.invoke("release-migration")
    assert again.code == 0
    assert "Nothing to do" in again.out


def test_a_release_leaves_its_report_which_nobody_else_can_read(filled: Sandbox) -> None:
    done = filled.invoke("release-migration", "--json").json
    file = filled.folder / "data/repom/releases" / done["id"] / "report.html"
    shown = filled.invoke("releases", "--show", done["id"], "--html")
    assert shown.out == file.read_text(encoding="utf-8")
    assert f"{R3}</code>" in shown.out
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600
    assert filled.invoke("releases", "--html").code == 2
