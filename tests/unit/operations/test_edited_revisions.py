"""What a database has run against the scripts as they are now, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import Ledger
from migrations_ops.operations import edited_advice
from migrations_ops.operations.edited_revisions import (
    find_edited,
    find_to_redo,
    find_unrecorded,
    put_after,
)
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.loader import digest

Parents = dict[str, tuple[str, ...]]
CHAIN: Parents = {"r1": (), "r2": ("r1",), "r3": ("r2",)}


def history(folder: Path, parents: Parents) -> History:
    for name in parents:
        (folder / f"{name}.py").write_text(f"name = {name!r}\n")
    return History.of(
        Revision(name, down, (), (), str(folder / f"{name}.py"), name)
        for name, down in parents.items()
    )


def state(history: History, at: str, ledger: Ledger, *, is_known: bool = True) -> DatabaseState:
    inspection = Inspection(exists=True, revisions=(at,), environment="dev" if is_known else "")
    fake: Any = SimpleNamespace(
        history=history,
        environment=SimpleNamespace(name="dev"),
        inspection=inspection,
        ledger=lambda: ledger,
    )
    return cast(DatabaseState, fake)


def ran(history: History, *names: str) -> dict[str, str | None]:
    return {name: digest(history.revisions[name]) for name in names}


def found(state: DatabaseState) -> list[tuple[str, str]]:
    return [(each.code, each.where) for each in find_edited(state)]


def test_what_was_run_and_is_unchanged_is_not_named(tmp_path: Path) -> None:
    chain = history(tmp_path, CHAIN)
    assert found(state(chain, "r3", Ledger(ran=ran(chain, *CHAIN)))) == []


def test_what_was_edited_is_gone_or_never_ran_is_named(tmp_path: Path) -> None:
    chain = history(tmp_path, CHAIN)
    noted = ran(chain, "r1", "r3") | {"gone": "h"}
    (tmp_path / "r3.py").write_text("other = 1\n")
    at = state(chain, "r3", Ledger(ran=noted))
    assert found(at) == [
        ("skipped-revision", "r2"),
        ("edited-revision", "r3"),
        ("missing-revision", "gone"),
    ]
    assert [each.where for each in find_to_redo(at)] == ["r2", "r3"]


def test_what_the_version_table_does_not_reach_any_more_is_no_edit(tmp_path: Path) -> None:
    chain = history(tmp_path, CHAIN)
    noted = ran(chain, *CHAIN)
    (tmp_path / "r3.py").write_text("other = 1\n")
    assert found(state(chain, "r2", Ledger(ran=noted))) == []


def test_without_a_ledger_nothing_can_be_compared(tmp_path: Path) -> None:
    chain = history(tmp_path, CHAIN)
    assert found(state(chain, "r3", Ledger(ran={"r2": "other"}), is_known=False)) == []


def test_what_something_else_ran_is_not_taken_for_a_hole(tmp_path: Path) -> None:
    chain = history(tmp_path, CHAIN)
    at = state(chain, "r3", Ledger(ran=ran(chain, "r1")))
    assert found(at) == []
    assert find_unrecorded(at) == ["r2", "r3"]


@pytest.mark.parametrize(
    ("parents", "skipped", "sentence"),
    [
        (
            CHAIN,
            ["r2"],
            'write down_revision = "r1" in {r3}, and down_revision = "r3" in {r2}',
        ),
        (
            CHAIN,
            ["r1"],
            'write down_revision = None in {r2}, and down_revision = "r3" in {r1}',
        ),
        (
            {**CHAIN, "r4": ("r3",)},
            ["r2", "r3"],
            'write down_revision = "r1" in {r4}, and down_revision = "r4" in {r2}',
        ),
        # Not one line: a person has to look.
        ({"r1": (), "a": ("r1",), "b": ("r1",), "m": ("a", "b")}, ["a"], "change down_revision"),
        ({"r1": (), "r2": ("r1",), "x": ("r2",), "y": ("r2",)}, ["r2"], "change down_revision"),
        ({**CHAIN, "r4": ("r3",)}, ["r1", "r3"], "change down_revision"),
    ],
)
def test_where_a_revision_belongs_that_was_put_before_what_ran(
    tmp_path: Path, parents: Parents, skipped: list[str], sentence: str
) -> None:
    files = {name: tmp_path / f"{name}.py" for name in parents}
    assert sentence.format(**files) in put_after(history(tmp_path, parents), skipped)


def test_no_downgrade_is_advised_to_a_revision_that_never_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = history(tmp_path, CHAIN)
    (tmp_path / "r3.py").write_text("other = 1\n")
    monkeypatch.setattr(edited_advice, "redo_leads_on", lambda _: False)
    session = cast(Session, SimpleNamespace(record=SimpleNamespace(task="verify"), project=None))
    for noted, downgrades in ((("r1", "r2"), True), (("r1",), False)):
        at = state(chain, "r3", Ledger(ran=ran(chain, *noted) | {"r3": "other"}))
        edited = [each for each in find_edited(at) if each.code == "edited-revision"]
        sentence = edited_advice.advice_on_edited(session, at, edited)
        assert ("invoke downgrade --env dev --to r2" in sentence) is downgrades
