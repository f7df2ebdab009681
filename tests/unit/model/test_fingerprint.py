"""Two fingerprints that differ say in what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrations_ops.model.fingerprint import Fingerprint, in_short

ONE = Fingerprint(("r1",), {"table t": "a", "index i": "b"}, {"t": 1, "u": 2}, {"t": "x"})


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (ONE, ()),
        (replace(ONE, revisions=()), ("its revision",)),
        (replace(ONE, schema={"table t": "c", "view v": "d"}), ("index i", "table t", "view v")),
        (replace(ONE, rows={"t": 2, "u": 2}), ("the rows of t",)),
        (replace(ONE, sums={"t": "y"}), ("the rows of t",)),
        (replace(ONE, sums={}), ()),  # not asked for
    ],
)
def test_what_is_not_equal_is_named(other: Fingerprint, names: tuple[str, ...]) -> None:
    assert ONE.differing(other) == names
    assert other.differing(ONE) == names


def test_only_the_first_of_many_names_are_shown() -> None:
    assert in_short(("a", "b", "c")) == "a, b, c"
    assert in_short(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"
