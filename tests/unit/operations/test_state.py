"""The state of a database, from what a read of it found and from its scripts."""

from __future__ import annotations

import pytest

from migrations_ops.model.inspection import Inspection
from migrations_ops.model.status import State
from migrations_ops.operations.state import _kind, _resolved
from migrations_ops.revisions.errors import SeveralHeads
from migrations_ops.revisions.history import History, Revision


def history(**parents: tuple[str, ...]) -> History:
    return History.of(Revision(name, down, (), (), "", "") for name, down in parents.items())


OTHER = {"version_other": ("o1",)}
CHAIN = history(r1=(), r2=("r1",))


@pytest.mark.parametrize(
    ("inspection", "kind"),
    [
        (Inspection(exists=False), "missing"),
        (Inspection(exists=True), "empty"),
        (Inspection(exists=True, tables=1), "unversioned"),
        # The tables may be another project's, unless the ledger says that this one was there.
        (Inspection(exists=True, tables=1, other_versions=OTHER), "empty"),
        (Inspection(exists=True, tables=1, other_versions=OTHER, environment="dev"), "unversioned"),
        (Inspection(exists=True, revisions=("r1",)), "behind"),
        (Inspection(exists=True, revisions=("r2",)), "at head"),
        (Inspection(exists=True, revisions=("gone",)), "ahead"),
        (Inspection(exists=True, revisions=("r1",), begun={"r2": "upgrade"}), "dirty"),
        (Inspection(exists=True, trouble="no answer"), "unreachable"),
    ],
)
def test_an_inspection_and_the_scripts_make_a_state(inspection: Inspection, kind: State) -> None:
    assert _kind(CHAIN, inspection, ("r2",), "head")[0] == kind


def test_heads_of_other_branches_stay_as_they_are() -> None:
    branches = history(g1=(), g2=("g1",), t1=())
    inspection = Inspection(exists=True, revisions=("g1", "t1"))
    assert _kind(branches, inspection, ("g2",), "g@head")[0] == "behind"


def test_several_heads_mean_nothing_where_a_merge_of_them_may_have_been_deleted() -> None:
    branches = history(r1=(), a=("r1",), b=("r1",))
    assert _resolved(branches, Inspection(exists=True, revisions=("merge",)), "head", ()) == ()
    with pytest.raises(SeveralHeads):
        _resolved(branches, Inspection(exists=True, revisions=("r1",)), "head", ("r1",))
