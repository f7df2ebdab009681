"""children"""
import sqlalchemy as sa
from alembic import op

revision = "r2bbbbbbbbbb"
down_revision = "r1aaaaaaaaaa"


def upgrade() -> None:
    op.create_table(
        "children",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "parent_id", sa.Integer, sa.ForeignKey("parents.id", ondelete="CASCADE"),
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_table("children")
