"""index loans by member and by day due

Revision ID: 5402b13a1056
Revises: 3b9f8cce1200
Create Date: 2026-05-05 17:58:40.660812
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "5402b13a1056"
down_revision: str | Sequence[str] | None = "3b9f8cce1200"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Makes a member's page and the list of overdue tools quick."""
    op.create_index(op.f("ix_loans_member_id"), "loans", ["member_id"])
    op.create_index(
        "ix_loans_due_on_open",
        "loans",
        ["due_on"],
        sqlite_where=sa.text("returned_on IS NULL"),
    )


def downgrade() -> None:
    """Drops both indexes."""
    op.drop_index("ix_loans_due_on_open", table_name="loans")
    op.drop_index(op.f("ix_loans_member_id"), table_name="loans")
