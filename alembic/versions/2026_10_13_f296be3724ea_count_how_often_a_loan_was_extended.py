"""count how often a loan was extended

Revision ID: f296be3724ea
Revises: 04896a126852
Create Date: 2026-10-13 18:03:59.836677
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "f296be3724ea"
down_revision: str | Sequence[str] | None = "04896a126852"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Adds the counter; loans made so far start at 0."""
    op.add_column(
        "loans",
        sa.Column("extensions", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )


def downgrade() -> None:
    """Drops the counter."""
    with op.batch_alter_table("loans") as batch_op:
        batch_op.drop_column("extensions")
