"""split the members' names

Revision ID: aad5b64aea63
Revises: 778af1fde598
Create Date: 2026-01-27 18:20:51.447093
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "aad5b64aea63"
down_revision: str | Sequence[str] | None = "778af1fde598"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Adds the given and the family name, and fills them from the full name."""
    op.add_column("members", sa.Column("given_name", sa.String(length=80), nullable=True))
    op.add_column("members", sa.Column("family_name", sa.String(length=80), nullable=True))
    # One statement for all rows. rtrim() takes away every letter that the name contains, from
    # the right, so it stops after the last space: what is left is the given names. A name
    # without a space is a family name alone.
    op.execute(
        """
        UPDATE members SET
            given_name = trim(rtrim(trim(name), replace(name, ' ', ''))),
            family_name = substr(
                trim(name), length(rtrim(trim(name), replace(name, ' ', ''))) + 1
            )
        """
    )


def downgrade() -> None:
    """Drops the two columns; the full name is still there."""
    with op.batch_alter_table("members") as batch_op:
        batch_op.drop_column("family_name")
        batch_op.drop_column("given_name")
