"""parents"""
import sqlalchemy as sa
from alembic import op

revision = "r1aaaaaaaaaa"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "parents",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text),
    )


def downgrade() -> None:
    op.drop_table("parents")
