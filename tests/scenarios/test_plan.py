"""What --plan shows is what the release then does."""

from __future__ import annotations

from typing import Any

from tests.support import Ran, Sandbox


def planned(ran: Ran) -> list[tuple[str, str, list[str]]]:
    return [
        (environment["name"], step["name"], step["argv"])
        for environment in ran.json["environments"]
        for step in environment["steps"]
    ]


def recorded(ran: Ran) -> list[tuple[str, str, list[str]]]:
    steps: list[dict[str, Any]] = ran.json["steps"]
    return [
        (step["environment"], step["name"], step["argv"])
        for step in steps
        if step["name"] != "preflight"
    ]


def test_the_steps_of_a_plan_are_those_of_the_record_that_follows(filled: Sandbox) -> None:
    plan = filled.invoke("release-migration", "--plan", "--json")
    released = filled.invoke("release-migration", "--json")
    assert released.code == 0, released.err
    assert planned(plan) == recorded(released)
    assert [step[1] for step in planned(plan)] == [
        "back up", "upgrade", "verify", "back up", "rehearse", "upgrade", "verify",
    ]  # fmt: skip


def test_a_plan_shows_the_verify_by_which_a_later_environment_may_follow(filled: Sandbox) -> None:
    """dev was upgraded by hand, so that nothing proves that its revisions have passed there."""
    assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 0
    plan = filled.invoke("release-migration", "--plan", "--json")
    released = filled.invoke("release-migration", "--json")
    assert released.code == 0, released.err
    assert planned(plan) == recorded(released)
    assert planned(plan)[0][:2] == ("dev", "verify")
