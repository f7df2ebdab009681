"""A measured plan is put together from what the child has reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.child.protocol.events import StatementMeasured, TableRewritten
from migrations_ops.model.measured_plan import MeasuredRevision, MeasuredStatement
from migrations_ops.model.outcome import RevisionRun
from migrations_ops.operations.plan.measured import measured_revisions
from migrations_ops.revisions.history import Revision

ROOT = Path("/srv/shop")


def revision(name: str, file: str) -> Revision:
    return Revision(name, (), (), (), file, f"about {name}")


def test_each_pending_revision_has_its_own_statements() -> None:
    pending = [revision("a", "/srv/shop/v/a.py"), revision("b", "/elsewhere/b.py")]
    made = StatementMeasured("a", "CREATE TABLE t (x int)", 1, 0.1, None)
    failed = StatementMeasured("b", "UPDATE nowhere SET x = 1", 0, 0.2, None)
    found = measured_revisions(
        pending,
        {"a": "source", "b": "source"},
        ROOT,
        [RevisionRun("a", 0.3, 1)],
        [made, failed, TableRewritten("a", "t"), TableRewritten("a", "t")],
    )
    assert found == (
        MeasuredRevision(
            "a", "about a", "v/a.py", "source", 0.3,
            (MeasuredStatement("CREATE TABLE t (x int)", 1, 0.1, None),), ("t",),
        ),
        MeasuredRevision(
            "b", "about b", str(Path("/elsewhere/b.py")), "source", None,
            (MeasuredStatement("UPDATE nowhere SET x = 1", 0, 0.2, None),), (),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("ALTER TABLE _alembic_tmp_loans RENAME TO loans", "loans"),
        ('ALTER TABLE "_alembic_tmp_my loans" RENAME TO "my loans"', "my loans"),
        ("ALTER TABLE other RENAME TO loans", None),
    ],
)
def test_a_batch_writes_its_table_anew(sql: str, table: str | None) -> None:
    measured = [StatementMeasured("a", sql, 1, 0.1, None)]
    [found] = measured_revisions([revision("a", "a.py")], {}, ROOT, [], measured)
    assert found.rewritten == ((table,) if table else ())
