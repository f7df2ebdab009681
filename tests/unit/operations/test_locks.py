"""A task that waits for another one says so, and whom it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from migrations_ops.model.errors import Locked, OpsError, Refused
from migrations_ops.operations.locks import lock_databases


class Contended:
    """A database whose lock is given up after some tries."""

    lock_order = "a"

    def __init__(self, *errors: OpsError) -> None:
        self.errors = list(errors)
        self.waits: list[float] = []
        self.is_locked = False

    @contextmanager
    def locked(self, purpose: str, wait: float) -> Iterator[None]:
        self.waits.append(wait)
        if self.errors:
            raise self.errors.pop(0)
        self.is_locked = True
        yield
        self.is_locked = False


def lock(database: Any, wait: float) -> list[str]:
    lines: list[str] = []
    with lock_databases([database], "backup", wait, lines.append):
        assert database.is_locked
    assert not database.is_locked
    return lines


HELD = Locked("release-migration of me on host works on prod.")


def test_a_wait_for_another_task_is_announced() -> None:
    database = Contended(HELD)
    assert lock(database, 10) == [
        "release-migration of me on host works on prod: waiting for up to 10 s."
    ]
    assert database.waits == [1, 9]


def test_a_lock_that_is_free_is_taken_without_a_word() -> None:
    assert lock(Contended(), 10) == []


def test_a_server_that_may_come_up_is_waited_for() -> None:
    database = Contended(Refused("It does not answer."))
    assert lock(database, 10) == []
    assert database.waits == [1, 9]


@pytest.mark.parametrize("wait", [0, 1])
def test_where_no_wait_is_configured_there_is_one_try(wait: float) -> None:
    database = Contended(HELD)
    with pytest.raises(Locked):
        lock(database, wait)
    assert database.waits == [wait]


def test_one_that_is_not_given_up_ends_the_task() -> None:
    with pytest.raises(Locked):
        lock(Contended(HELD, HELD), 10)
