"""``plan`` shows what a release would do, and does nothing of it."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.scenarios.test_json_schemas import validate
from tests.support import R2, R3, Sandbox, dump, query

NEXT = "r4dddddddddd"


def everything(sandbox: Sandbox) -> list[list[str] | None]:
    return [dump(sandbox.dev), dump(sandbox.prod)]


def test_a_plan_shows_each_statement_and_changes_no_database(filled: Sandbox) -> None:
    before = everything(filled)
    ran = filled.invoke("plan", "--json")
    assert ran.code == 0, ran.err
    validate(ran.json, "measured-plan")
    assert (ran.json["environment"], ran.json["from"], ran.json["to"]) == ("prod", [R2], [R3])
    [revision] = ran.json["revisions"]
    assert revision["seconds"] > 0
    assert [each["times"] for each in revision["statements"] if "UPDATE" in each["sql"]]
    assert everything(filled) == before
    # Neither evidence for the gate nor anything to recover is left, and the copy is gone.
    assert filled.invoke("upgrade-prod").code == 1
    assert not [*filled.folder.rglob("rehearsal*")]
    assert "interrupted" not in filled.invoke("status-all").err


def test_a_plan_that_would_be_stopped_shows_where_and_ends_with_1(filled: Sandbox) -> None:
    filled.add_revision(
        NEXT, R3, "    op.execute('DROP TABLE children')\n    op.execute('nonsense')"
    )
    before = everything(filled)
    ran = filled.invoke("plan")
    assert ran.code == 1
    assert ran.out.splitlines()[2].startswith("✗ The release would stop: The rehearsal on a copy")
    assert "(failed)" in ran.out
    assert "FAILED nonsense" in ran.out
    assert "prod itself was not touched" in ran.err
    assert everything(filled) == before


def test_what_a_revision_destroys_is_counted_and_needs_a_comment_with_a_reason(
    filled: Sandbox,
) -> None:
    filled.add_revision(NEXT, R3, "    op.drop_table('children')")
    [[rows]] = query(filled.prod, "SELECT count(*) FROM children")
    planned = filled.invoke("plan", "--json", "--allow", "drift")
    [gone] = planned.json["destroyed"]
    assert planned.code == 1
    validate(planned.json, "measured-plan")
    assert gone == {"kind": "table", "name": "children", "rows": rows, "revision": NEXT,
                    "stops": True, "allowed": ""}  # fmt: skip
    before = dump(filled.prod)
    stopped = filled.invoke("release-migration", "--allow", "drift")
    assert stopped.code == 1
    assert f"revision {NEXT} would drop the table children of prod with its" in stopped.err
    assert dump(filled.prod) == before
    # The comment that it prints is all that is missing.
    place, _, comment = stopped.err.strip().rpartition(" a comment in ")[2].partition(": # ")
    script = filled.folder / place
    script.write_text(f"{script.read_text()}\n# {comment.replace('REASON', 'they are exported')}\n")
    line = len(script.read_text().splitlines())
    allowed = f"(allowed in {place}:{line} -- they are exported)"
    ran = filled.invoke("release-migration", "--json", "--allow", "drift")
    assert ran.code == 0, ran.err
    assert [allowed in each["message"] for each in ran.json["findings"]].count(True) == 1
    assert allowed in filled.invoke("releases", "--show", ran.json["id"]).out
    assert not query(filled.prod, "SELECT name FROM sqlite_master WHERE name = 'children'")


@pytest.mark.slow
def test_where_nothing_is_pending_a_plan_says_so(filled: Sandbox) -> None:
    assert filled.invoke("release-migration").code == 0
    ran = filled.invoke("plan")
    assert (ran.code, ran.out.strip()) == (0, f"Nothing is pending for prod: it is at {R3}.")
    validate(filled.invoke("plan", "--json").json, "measured-plan")
    past = filled.invoke("plan", "--to", R2)
    assert (past.code, past.out.strip()) == (0, f"Nothing is pending for prod: it is at {R3}.")


@pytest.mark.slow
def test_a_plan_without_a_folder_to_go_to_starts_nothing(filled: Sandbox) -> None:
    ran = filled.invoke("plan", "--output", "nowhere/plan.json")
    assert (ran.code, "Nothing was started." in ran.err) == (2, True)
    assert "there is no folder" in ran.err
    assert "back up" not in ran.err


@pytest.mark.slow
def test_the_first_release_of_all_can_be_planned(shop: Sandbox) -> None:
    ran = shop.invoke("plan", "--json")
    assert ran.code == 0, ran.err
    validate(ran.json, "measured-plan")
    assert len(ran.json["revisions"]) == 3
    assert not shop.prod.exists()


def test_a_quick_plan_touches_nothing_and_releases_nothing(filled: Sandbox) -> None:
    filled.add_revision(NEXT, R3, "    op.execute('DELETE FROM children')")
    before = everything(filled)
    ran = filled.invoke("plan", "--all", "--quick", "--json")
    assert ran.code == 0, ran.err
    assert f"alembic/versions/{NEXT}.py:10" in str(ran.json["plans"][1]["findings"])
    validate(ran.json, "measured-plans")
    assert [each["environment"] for each in ran.json["plans"]] == ["dev", "prod"]
    for flags in (["--all"], ["--all"], []):  # each replaces the one before
        assert filled.invoke("plan", "--quick", *flags, "--output", "plan.json").code == 0
    released = filled.invoke("release-migration", "--plan-file", "plan.json")
    assert (released.code, "nothing of it was rehearsed" in released.err) == (2, True)
    assert everything(filled) == before
    assert not [*filled.folder.rglob("*.sqlite3.json")], "a backup was taken"


@pytest.mark.slow
def test_the_script_of_a_plan_brings_the_database_there(filled: Sandbox) -> None:
    ran = filled.invoke("plan", "--output", "plan.sql")
    assert ran.code == 0, ran.err
    script = (filled.folder / "plan.sql").read_text(encoding="utf-8")
    children = query(filled.prod, "SELECT count(*) FROM children")
    with closing(sqlite3.connect(filled.prod)) as connection:
        connection.executescript(script.replace(".bail on\n", ""))
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R3,)]
    assert query(filled.prod, "SELECT count(*) FROM children") == children
    assert filled.invoke("verify", "--env", "prod").code == 0
    shown = filled.invoke("plan", "--sql", "--to", R3)
    assert (shown.code, shown.out) == (0, f"-- Nothing is pending for prod: it is at {R3}.\n")


@pytest.mark.slow
def test_a_dry_plan_shows_its_steps(filled: Sandbox) -> None:
    ran = filled.invoke("--dry", "plan", "--json")
    validate(ran.json, "plan")
    [planned] = ran.json["environments"]
    assert [step["name"] for step in planned["steps"]] == ["back up", "rehearse"]


@pytest.mark.slow
def test_a_format_that_does_not_exist_is_refused(filled: Sandbox) -> None:
    ran = filled.invoke("plan", "--format", "pdf")
    assert (ran.code, ran.out) == (2, "")
    assert "plan has no format 'pdf'" in ran.err


# -- a plan in a file ---------------------------------------------------------------------------


def test_a_release_by_a_plan_takes_what_was_planned(filled: Sandbox) -> None:
    # What looks like a password is hidden in the plan, and makes no difference.
    view = "CREATE VIEW logins AS SELECT password = 'tiger' FROM (SELECT 'lion' AS password)"
    query(filled.prod, view)
    assert filled.invoke("plan", "--output", "plan.json").code == 0
    validate(json.loads((filled.folder / "plan.json").read_text(encoding="utf-8")), "measured-plan")
    assert "tiger" not in (filled.folder / "plan.json").read_text(encoding="utf-8")
    ran = filled.invoke("release-migration", "--plan-file", "plan.json", "--json")
    assert (ran.code, ran.json["outcome"]) == (0, "released"), ran.err
    report = next(filled.folder.glob(f"data/repom/releases/{ran.json['id']}/report.html"))
    page = report.read_text(encoding="utf-8")
    assert "<th>plan of prod</th>" in page
    assert "<summary>column parents.note: made</summary>" in page
    # What has arrived needs no plan any more.
    again = filled.invoke("release-migration", "--plan-file", "plan.json", "--json")
    assert (again.code, again.json["outcome"]) == (0, "nothing to do")
    # What was added later does.
    filled.add_revision(NEXT, R3, "    pass")
    before = everything(filled)
    later = filled.invoke("release-migration", "--plan-file", "plan.json")
    assert (later.code, f"has it: {NEXT} was not planned.\n" in later.err) == (1, True), later.err
    assert everything(filled) == before


@pytest.mark.slow
def test_a_plan_of_another_environment_releases_nothing(filled: Sandbox) -> None:
    assert filled.invoke("plan", "--env", "dev", "--output", "plan.json").code == 0
    ran = filled.invoke("release-migration", "--plan-file", "plan.json")
    assert ran.code == 2
    assert "is of dev, and a release goes on to prod" in ran.err


@pytest.mark.slow
def test_a_plan_with_a_target_names_the_command_that_releases_it(filled: Sandbox) -> None:
    filled.add_revision(NEXT, R3, "    pass")
    assert filled.invoke("plan", "--to", R3, "--output", "plan.json").code == 0
    ran = filled.invoke("release-migration", "--plan-file", "plan.json")
    assert ran.code == 1
    advice = ran.err.strip().splitlines()[-1].rpartition("invoke ")[2]
    assert filled.invoke(*shlex.split(advice)).code == 0
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value", "different"),
    [
        ("database", "other.db", "it is data/repom/db.sqlite3, not other.db"),
        ("from", [], f"it is at {R2}, not at no revision"),
    ],
)
def test_a_plan_of_another_state_releases_nothing(
    filled: Sandbox, field: str, value: object, different: str
) -> None:
    assert filled.invoke("plan", "--output", "plan.json").code == 0
    file = filled.folder / "plan.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    ran = filled.invoke("release-migration", "--plan-file", "plan.json")
    assert (ran.code, different in ran.err) == (1, True), ran.err


EDIT = ("name IS NULL", "name IS NULL OR name = ''")


@pytest.mark.parametrize(
    ("change", "different"),
    [
        (lambda shop: shop.add_revision(NEXT, R3, "    pass"), f"{NEXT} was not planned"),
        (lambda shop: edit(shop), f"{R3} was edited since"),
        (
            lambda shop: query(shop.prod, "CREATE TABLE by_hand (id integer)"),
            "its schema has changed: column by_hand.id, table by_hand",
        ),
    ],
    ids=["another revision", "an edit", "another schema"],
)
def test_a_release_by_a_plan_takes_nothing_else(
    filled: Sandbox, change: Callable[[Sandbox], object], different: str
) -> None:
    assert filled.invoke("plan", "--output", "plan.json").code == 0
    change(filled)
    before = everything(filled)
    ran = filled.invoke("release-migration", "--plan-file", "plan.json")
    assert ran.code == 1
    assert different in ran.err
    assert everything(filled) == before
    # What it says to type leads on.
    advice = ran.err.strip().splitlines()[-1].partition("invoke ")[2].partition(";")[0]
    assert filled.invoke(*shlex.split(advice)).code == 0
    assert filled.invoke("release-migration", "--plan-file", "plan.json").code == 0


def edit(shop: Sandbox) -> None:
    [file] = (shop.folder / "alembic/versions").glob("r3*.py")
    text = file.read_text(encoding="utf-8")
    assert EDIT[0] in text
    file.write_text(text.replace(*EDIT), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "", "{}", '{"version": 2}', "[[["])
def test_what_is_no_plan_releases_nothing(filled: Sandbox, content: str | None) -> None:
    if content is not None:
        filled.write("plan.json", content)
    ran = filled.invoke("release-migration", "--plan-file", "plan.json")
    assert ran.code == 2
    assert "Nothing was started." in ran.err
    assert "invoke plan --env prod --output" in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plan.json", "plan.md", "plan.html", "plan.txt"])
def test_a_file_that_is_no_plan_is_never_replaced(filled: Sandbox, name: str) -> None:
    filled.write(name, "what somebody wrote\n")
    ran = filled.invoke("plan", "--output", name)
    assert (ran.code, "exists and is not a plan" in ran.err) == (1, True)
    assert (filled.folder / name).read_text() == "what somebody wrote\n"
    (filled.folder / name).unlink()
    for _ in range(2):
        assert filled.invoke("plan", "--output", name).code == 0
