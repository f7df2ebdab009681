"""a loan is due after it was made

Revision ID: 04896a126852
Revises: 2f83208ee6a6
Create Date: 2026-08-18 20:47:25.574301
"""

from collections.abc import Sequence

from alembic import op

revision: str = "04896a126852"
down_revision: str | Sequence[str] | None = "2f83208ee6a6"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Adds the constraint; a loan that breaks it stops the migration."""
    with op.batch_alter_table("loans") as batch_op:
        batch_op.create_check_constraint(op.f("ck_loans_due_after_lent"), "due_on >= lent_on")


def downgrade() -> None:
    """Drops the constraint."""
    with op.batch_alter_table("loans") as batch_op:
        batch_op.drop_constraint(op.f("ck_loans_due_after_lent"), type_="check")
