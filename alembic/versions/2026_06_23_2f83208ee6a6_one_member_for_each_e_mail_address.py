"""one member for each e-mail address

Revision ID: 2f83208ee6a6
Revises: 5402b13a1056
Create Date: 2026-06-23 19:30:02.121945
"""

from collections.abc import Sequence

from alembic import op

revision: str = "2f83208ee6a6"
down_revision: str | Sequence[str] | None = "5402b13a1056"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Adds the constraint; two members with one address stop the migration."""
    with op.batch_alter_table("members") as batch_op:
        batch_op.create_unique_constraint(op.f("uq_members_email"), ["email"])


def downgrade() -> None:
    """Lets members share an address again."""
    with op.batch_alter_table("members") as batch_op:
        batch_op.drop_constraint(op.f("uq_members_email"), type_="unique")
