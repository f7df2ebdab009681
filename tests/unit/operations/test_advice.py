"""What to type next, where a database is not what the scripts expect."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import Ledger
from migrations_ops.operations.advice import _find_squash, _setting, advice
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.environments import Environment
from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.targets import Target


@pytest.mark.parametrize(("at_work", "restores"), [("", True), ("release-migration of ann", False)])
def test_no_backup_is_put_back_while_somebody_may_be_at_work(at_work: str, restores: bool) -> None:
    inspection = Inspection(
        exists=True, environment="prod", begun={"r1": "upgrade"}, at_work=at_work
    )
    environment, none = cast(Any, SimpleNamespace(name="prod")), cast(Any, None)
    state = DatabaseState(environment, none, inspection, "", none, "dirty", Target(("r1",)))
    assert ("restore" in advice(state)) is restores


@pytest.mark.parametrize("way_back", ["", "invoke restore --env prod --backup db_1 --yes"])
@pytest.mark.parametrize("heads", [("r1",), ("r1", "x1")])
@pytest.mark.parametrize("origin", ["", "on 2026-01-02 by ann on host from commit abc"])
def test_an_older_checkout_learns_where_the_scripts_are_and_which_backup_it_knows(
    way_back: str, heads: tuple[str, ...], origin: str
) -> None:
    history = History.of(Revision(name, (), (), (), "", "") for name in heads)
    environment = cast(Any, SimpleNamespace(name="prod"))
    database = cast(
        Any, SimpleNamespace(ledger=lambda _table: Ledger(origins={"r2": origin} if origin else {}))
    )
    environment.version_table = "alembic_version"
    inspection = Inspection(exists=True, revisions=("r2",), environment="prod")
    state = DatabaseState(environment, database, inspection, way_back, history, "ahead", Target(()))
    sentence = advice(state)
    assert sentence.startswith("Fetch the scripts that belong to this database")
    assert (f"r2 ran {origin}" in sentence) is bool(origin)
    # One head can take their place, of several nobody knows which.
    assert ("invoke stamp --env prod --to r1" in sentence) is (len(heads) == 1)
    assert sentence.endswith(way_back or "invoke backups --env prod")


@pytest.mark.parametrize(
    ("parents", "noted", "squash"),
    [
        ({"s1": ()}, {"r1", "r2"}, "s1"),
        # Something was added after the squash.
        ({"s1": (), "x1": ("s1",), "x2": ("x1",)}, {"r1", "r2"}, "s1"),
        ({"r1": (), "s1": ("r1",), "x1": ("s1",)}, {"r1", "r2"}, "s1"),
        # r0 ran before there was a ledger.
        ({"r0": (), "r1": ("r0",), "s1": ("r1",), "x1": ("s1",)}, {"r1", "r2"}, "s1"),
        ({"r0": (), "r1": ("r0",)}, {"r1", "r2"}, "r1"),
        ({"s1": ()}, set(), "s1"),
        # Nobody knows.
        ({"s1": (), "x1": ("s1",)}, set(), ""),
        ({"s1": (), "s2": (), "x1": ("s1", "s2")}, {"r1"}, ""),
    ],
)
def test_a_squash_is_the_first_revision_that_the_database_never_had(
    parents: dict[str, tuple[str, ...]], noted: set[str], squash: str
) -> None:
    history = History.of(Revision(name, down, (), (), "", "") for name, down in parents.items())
    assert _find_squash(history, Ledger(ran=dict.fromkeys(noted))) == squash


@pytest.mark.parametrize(
    ("source", "environment", "line"),
    [
        ("from flask import current_app", {}, 'flask = "shop"'),
        ("from flask import current_app", {"flask": "shop", "ini_url": True}, ""),
        ("url = os.environ['DB_URL']", {}, 'variables = { DB_URL = "{url}" }'),
        ("url = os.environ['DB_URL']", {"variables": {"A": "b"}}, ""),
    ],
)
def test_the_line_that_is_missing_can_be_typed(
    tmp_path: Path, source: str, environment: dict[str, Any], line: str
) -> None:
    (tmp_path / "shop.py").write_text("def create_app():\n    pass\n")
    (tmp_path / "env.py").write_text(source)
    made = Environment("prod", "sqlite:///a.db", tmp_path, **environment)
    assert _setting(made, tmp_path, tmp_path / "env.py") == line
