"""require both names, drop the full name

Revision ID: 3b9f8cce1200
Revises: aad5b64aea63
Create Date: 2026-03-10 20:11:16.085530
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "3b9f8cce1200"
down_revision: str | Sequence[str] | None = "aad5b64aea63"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Rebuilds `members`, which loans and reservations refer to."""
    # Members who joined between the two releases have the full name alone, if it was the old
    # application that wrote them.
    op.execute(
        """
        UPDATE members SET
            given_name = trim(rtrim(trim(name), replace(name, ' ', ''))),
            family_name = substr(
                trim(name), length(rtrim(trim(name), replace(name, ' ', ''))) + 1
            )
        WHERE given_name IS NULL OR family_name IS NULL
        """
    )
    with op.batch_alter_table("members") as batch_op:
        batch_op.alter_column("given_name", existing_type=sa.String(length=80), nullable=False)
        batch_op.alter_column("family_name", existing_type=sa.String(length=80), nullable=False)
        # migrations-ops: allow dropped-column:members.name -- the two names have all of it
        batch_op.drop_column("name")


def downgrade() -> None:
    """Puts the full name together again, in its old place."""
    with op.batch_alter_table("members", recreate="always") as batch_op:
        batch_op.add_column(
            sa.Column("name", sa.String(length=160), nullable=True), insert_after="id"
        )
    op.execute("UPDATE members SET name = trim(given_name || ' ' || family_name)")
    with op.batch_alter_table("members") as batch_op:
        batch_op.alter_column("name", existing_type=sa.String(length=160), nullable=False)
        batch_op.alter_column("family_name", existing_type=sa.String(length=80), nullable=True)
        batch_op.alter_column("given_name", existing_type=sa.String(length=80), nullable=True)
