"""``plan`` shows what a release would do, and does nothing of it."""

from __future__ import annotations

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


@pytest.mark.slow
def test_what_a_revision_destroys_is_counted(filled: Sandbox) -> None:
    filled.add_revision(NEXT, R3, "    op.drop_table('children')")
    [[rows]] = query(filled.prod, "SELECT count(*) FROM children")
    ran = filled.invoke("plan", "--json", "--allow", "drift")
    assert ran.code == 0, ran.err
    assert ran.json["destroyed"] == [{"kind": "table", "name": "children", "rows": rows}]
    assert "Destroyed: table children" in filled.invoke("plan", "--allow", "drift").out


@pytest.mark.slow
def test_where_nothing_is_pending_a_plan_says_so(filled: Sandbox) -> None:
    assert filled.invoke("release-migration").code == 0
    ran = filled.invoke("plan")
    assert (ran.code, ran.out.strip()) == (0, f"Nothing is pending for prod: it is at {R3}.")
    validate(filled.invoke("plan", "--json").json, "measured-plan")


@pytest.mark.slow
def test_the_first_release_of_all_can_be_planned(shop: Sandbox) -> None:
    ran = shop.invoke("plan", "--json")
    assert ran.code == 0, ran.err
    validate(ran.json, "measured-plan")
    assert len(ran.json["revisions"]) == 3
    assert not shop.prod.exists()


@pytest.mark.slow
def test_a_dry_plan_shows_its_steps(filled: Sandbox) -> None:
    ran = filled.invoke("--dry", "plan", "--json")
    validate(ran.json, "plan")
    [planned] = ran.json["environments"]
    assert [step["name"] for step in planned["steps"]] == ["back up", "rehearse"]


@pytest.mark.slow
def test_a_format_that_does_not_exist_is_refused(filled: Sandbox) -> None:
    ran = filled.invoke("plan", "--format", "html")
    assert (ran.code, ran.out) == (2, "")
    assert "plan has no format 'html'" in ran.err
