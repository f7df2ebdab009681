"""What to type next about a half applied revision depends on who may be running it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrations_ops.model.look import Look
from migrations_ops.operations.advice import advice
from migrations_ops.operations.state import DatabaseState
from migrations_ops.revisions.targets import Target


@pytest.mark.parametrize(("at_work", "restores"), [("", True), ("release-migration of ann", False)])
def test_no_backup_is_put_back_while_somebody_may_be_at_work(at_work: str, restores: bool) -> None:
    look = Look(exists=True, environment="prod", begun={"r1": "upgrade"}, at_work=at_work)
    environment, none = cast(Any, SimpleNamespace(name="prod")), cast(Any, None)
    state = DatabaseState(environment, none, look, "", none, "dirty", Target(("r1",)))
    assert ("restore" in advice(state)) is restores
