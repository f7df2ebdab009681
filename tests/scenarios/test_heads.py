"""Two branches that have grown apart become one line, or one merge, from the command line."""

from __future__ import annotations

from migrations_ops.revisions.loader import ScriptLocation, read_history
from tests.scenarios.test_json_schemas import validate
from tests.support import R2, R3, Sandbox


def test_a_fork_is_refused_and_mended_by_what_ran(filled: Sandbox) -> None:
    """Both databases are at the second revision, after which two lines begin."""
    late = filled.add_revision("late", R2, "    pass")
    before = late.read_bytes()
    checked = filled.invoke("heads", "--check")
    assert (checked.code, checked.out) == (1, "")
    assert f"the scripts have 2 heads: late (late), {R3}" in checked.err
    unknown = filled.invoke("heads", "--fix", "--yes")
    assert unknown.code == 1
    assert f"Which of late and {R3} comes first?" in unknown.err
    assert filled.invoke("upgrade-dev", "--to", R3).code == 0
    asked = filled.invoke("heads", "--fix")
    assert asked.code == 1
    assert f'-down_revision = "{R2}"\n+down_revision = "{R3}"' in asked.out
    assert "Nothing" not in asked.out
    assert late.read_bytes() == before
    fixed = filled.invoke("heads", "--fix", "--yes", "--json")
    assert fixed.code == 0, fixed.err
    validate(fixed.json, "history")
    assert fixed.json["heads"] == ["late"]
    checked = filled.invoke("heads", "--check", "--json")
    validate(checked.json, "history")
    assert checked.json == fixed.json
    # The side that ran is not rewritten.
    filled.add_revision("again", R3, "    pass")
    assert filled.invoke("upgrade-dev", "--to", "late").code == 0
    assert filled.invoke("upgrade-dev", "--to", "again").code == 1
    merged = filled.invoke("revision", "--merge", "--json")
    assert merged.code == 0, merged.err
    validate(merged.json, "revision")
    folder = filled.folder / "alembic/versions"
    merge = read_history(ScriptLocation((folder,))).revisions[merged.json["revision"]]
    assert (merge.down, merge.message) == (("again", "late"), "merge again and late")
    nothing = filled.invoke("revision", "--merge")
    assert nothing.code == 1
    assert "There is nothing to merge" in nothing.err
