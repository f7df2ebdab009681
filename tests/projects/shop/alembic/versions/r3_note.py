"""names are required, and there are notes"""
import sqlalchemy as sa
from alembic import op

revision = "r3cccccccccc"
down_revision = "r2bbbbbbbbbb"


def upgrade() -> None:
    op.execute("UPDATE parents SET name = 'nobody' WHERE name IS NULL")
    with op.batch_alter_table("parents") as batch_op:
        batch_op.alter_column("name", existing_type=sa.Text, nullable=False)
        batch_op.add_column(sa.Column("note", sa.Text))


def downgrade() -> None:
    with op.batch_alter_table("parents") as batch_op:
        batch_op.drop_column("note")
        batch_op.alter_column("name", existing_type=sa.Text, nullable=True)
