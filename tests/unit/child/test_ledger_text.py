"""The ledger as text: its format, whose runs they are, and what it does not know of."""

from __future__ import annotations

import json
from itertools import product

import pytest

from migrations_ops.child.protocol.ledger import (
    FORMAT,
    Run,
    from_text,
    of_table,
    other_format,
    recorded_as_there,
    split_unrecorded,
    to_text,
)
from migrations_ops.databases.ledger import extended, ledger_of
from migrations_ops.model.ledger import LedgerEntry

ONE, TWO = "version_one", "version_two"


def run(event: str, *revisions: str, table: str = ONE) -> Run:
    noted = [{"revision": each, "source_hash": "h"} for each in revisions]
    return {"event": event, "version_table": table, "revisions": noted}


def test_what_is_written_is_read() -> None:
    runs = [run("upgrade", "r1")]
    assert from_text(to_text(runs)) == runs
    assert other_format(to_text(runs)) == ""


def test_the_format_of_a_later_version_is_named_and_nothing_is_read_of_it() -> None:
    text = json.dumps({"format": FORMAT + 1, "runs": [run("upgrade", "r1")]})
    assert from_text(text) is None
    assert other_format(text) == str(FORMAT + 1)
    ledger = ledger_of(text, ONE)
    assert f"has the format {FORMAT + 1}, which this version does not know" in ledger.unreadable
    assert ledger.ran == {}


@pytest.mark.parametrize("text", ["no JSON", "7", "[1]", "[]", "{}", '{"format": 1, "runs": [7]}'])
def test_what_is_malformed_says_nothing(text: str) -> None:
    assert from_text(text) is None
    assert other_format(text) == ""
    assert ledger_of(text, ONE) == ledger_of(None, ONE)


def test_runs_belong_to_their_version_table() -> None:
    runs = extended(None, LedgerEntry("dev", ONE, run("upgrade", "a")))
    runs = extended(runs, LedgerEntry("staging", TWO, run("upgrade", "b", table=TWO)))
    one, two = ledger_of(to_text(runs), ONE), ledger_of(to_text(runs), TWO)
    assert (one.environment, one.ran) == ("dev", {"a": "h"})
    assert (two.environment, two.ran) == ("staging", {"b": "h"})
    assert one.identity != two.identity
    assert of_table(runs, "version_three") == []


def test_the_ledger_knows_what_is_there() -> None:
    runs = [run("found", "r0"), run("upgrade", "r1", "r2"), run("downgrade", "r2")]
    runs += [run("stamp", "r2", "r3"), run("unstamp", "r3"), run("begun", "r4")]
    assert recorded_as_there(runs) == {"r0", "r1", "r2"}
    assert ledger_of(to_text(runs), ONE).recorded == {"r0", "r1", "r2"}


def test_what_lies_below_a_noted_revision_never_ran_and_what_lies_above_was_run_elsewhere() -> None:
    chain = {"r1": (), "r2": ("r1",), "r3": ("r2",), "r4": ("r3",)}
    for mask in product((False, True), repeat=4):
        noted = {name for name, is_noted in zip(chain, mask, strict=True) if is_noted}
        highest = max(noted, default="")
        unrecorded = [name for name in chain if name not in noted]
        expected = (
            [name for name in unrecorded if name > highest],
            [name for name in unrecorded if name < highest],
        )
        assert split_unrecorded(chain, noted) == expected


def test_a_hole_is_found_on_each_way_down() -> None:
    merged = {"r1": (), "a": ("r1",), "x": ("a",), "b": ("r1",), "m": ("x", "b"), "n": ("m",)}
    assert split_unrecorded(merged, {"r1", "a", "b", "m"}) == (["n"], ["x"])
    # What the database does not have, and what it does not know of, leads nowhere.
    assert split_unrecorded({"r1": ("gone",)}, {"r1", "elsewhere"}) == ([], [])


def test_the_ledger_tells_when_by_whom_and_from_which_commit_a_revision_ran() -> None:
    facts = {"account": "ann", "host": "build1", "git_commit": "abc123+"}
    noted = [{"revision": "r1", "source_hash": "h", "started": "2026-01-02T03:04:05+00:00"}]
    entry = run("upgrade") | facts | {"revisions": noted}
    ledger = ledger_of(to_text([entry, run("upgrade", "r2"), run("stamp", "r3")]), ONE)
    assert ledger.origins == {
        "r1": "on 2026-01-02 by ann on build1 from commit abc123",
        "r2": "",
    }
