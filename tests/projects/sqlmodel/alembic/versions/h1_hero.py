"""hero"""

import sqlalchemy as sa
from alembic import op

revision = "h1aaaaaaaaaa"
down_revision = None


def upgrade():
    op.create_table("hero", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("hero")
