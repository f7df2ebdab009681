"""When a file gets another number, because its revision comes later."""

from __future__ import annotations

import pytest

from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.numbered import new_names
from tests.unit.revisions.small_histories import history, revision

BASE = [
    revision("ra", file="v/0001_first.py"),
    revision("rb", "ra", file="v/0002_theirs.py"),
    revision("rc", "rb", file="v/0003_theirs.py"),
]
OWN = [
    revision("rd", "ra", file="v/0002_own.py"),
    revision("re", "rd", file="v/0003_own_too.py"),
]


def names(*revisions: Revision) -> dict[str, str]:
    return dict(new_names(history(*BASE, *revisions), ["rd", "re"], "rc"))


def test_numbers_that_hold_the_order_go_on_after_the_other_side() -> None:
    assert names(*OWN) == {"rd": "0004_own.py", "re": "0005_own_too.py"}


@pytest.mark.parametrize(
    "own",
    [
        pytest.param(
            [OWN[0]._replace(file="v/0012_own.py"), OWN[1]._replace(file="v/0013_own.py")],
            id="later already",
        ),
        pytest.param([OWN[0], OWN[1]._replace(file="v/own_too.py")], id="not all are numbered"),
        pytest.param([OWN[0], OWN[1]._replace(file="v/0001_own.py")], id="not the order"),
        pytest.param([OWN[0], OWN[1]._replace(file="v/20260102_own.py")], id="a date"),
        pytest.param([OWN[0], revision("re", "rd", file="v/12_own.py")], id="no leading zeros"),
    ],
)
def test_other_names_stay(own: list[Revision]) -> None:
    assert names(*own) == {}


def test_a_number_that_is_the_id_stays() -> None:
    whole = history(
        revision("0001", file="0001_a.py"),
        revision("0002", "0001", file="0002_b.py"),
        revision("0003", "0001", file="0003_c.py"),
    )
    assert new_names(whole, ["0002"], "0003") == {}
