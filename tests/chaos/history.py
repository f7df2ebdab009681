"""The revisions of the chaos project, and the small files that change how they run.

Their sources never change, so that no round edits an applied revision. What a round draws lies
beside them: ``committing`` lets two of them commit a part on their own, ``broken`` lets the last
one fail at a place.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST, LAST = "c0journal000", "c4index00000"
ROWS = 400

# At the top of each revision.
TOOLS = '''
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op

BESIDE = Path(__file__).resolve().parent.parent


def alone():
    """A part that is committed on its own, where the round wants that."""
    if (BESIDE / "committing").exists() and not op.get_context().as_sql:
        return op.get_context().autocommit_block()
    return contextlib.nullcontext()


def where():
    """Which database this is: dev, prod, or a copy of prod."""
    [file] = [row[2] for row in op.get_bind().exec_driver_sql("PRAGMA database_list")
              if row[1] == "main"]
    name = Path(file).name
    return {"db.dev.sqlite3": "dev", "db.sqlite3": "prod"}.get(name, "copy")


def linger():
    """Say that a revision is in the middle here, and stay there, for a shot that aims at it."""
    if (BESIDE / "marks").exists():
        (BESIDE / f"mark-{where()}").touch()
        time.sleep(0.03)


def fail_if_asked():
    """Break off in the middle, at the place and in the way that the round has drawn."""
    wish = BESIDE / "broken"
    if not wish.exists():
        return
    place, way = wish.read_text().split()
    if place != where():
        return
    if way == "raise":
        raise RuntimeError("broken as drawn")
    if way == "sql":
        op.execute("INSERT INTO nowhere VALUES (1)")
    if way == "exit":
        sys.exit(0)
    if way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
'''


@dataclass(frozen=True)
class Source:
    """One revision: its parent, and the two functions' bodies."""

    down: str | None
    upgrade: str
    downgrade: str

    def text(self, revision: str, tools: str = TOOLS) -> str:
        """The file, as Alembic reads it."""
        return (
            f'"""{revision}"""\n{tools}\nrevision = "{revision}"\ndown_revision = {self.down!r}\n'
            f"\n\ndef upgrade():\n{self.upgrade}\n\n\ndef downgrade():\n{self.downgrade}\n"
        )


REVISIONS = {
    FIRST: Source(
        None,
        """    op.create_table(
        "journal", sa.Column("id", sa.Integer, primary_key=True), sa.Column("token", sa.Text)
    )
    op.create_table(
        "parents", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text)
    )
    op.create_table(
        "children", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("parent_id", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["parents.id"], ondelete="CASCADE"),
    )""",
        '    raise NotImplementedError("there is nothing before it")',
    ),
    "c1rows000000": Source(
        FIRST,
        """    op.add_column("parents", sa.Column("upper_name", sa.Text))
    linger()
    bind = op.get_bind()
    for key, name in bind.execute(sa.text("SELECT id, name FROM parents")).fetchall():
        bind.execute(
            sa.text("UPDATE parents SET upper_name = :new WHERE id = :key"),
            {"new": name.upper(), "key": key},
        )""",
        """    op.drop_column("parents", "upper_name")""",
    ),
    "c2rebuild000": Source(
        "c1rows000000",
        """    with op.batch_alter_table("parents") as batch_op:
        batch_op.alter_column("name", existing_type=sa.Text, nullable=False)
        batch_op.create_check_constraint("ck_parents_id", "id > 0")
    linger()""",
        """    with op.batch_alter_table("parents") as batch_op:
        batch_op.drop_constraint("ck_parents_id", type_="check")
        batch_op.alter_column("name", existing_type=sa.Text, nullable=True)""",
    ),
    "c3block00000": Source(
        "c2rebuild000",
        """    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True))
    with alone():
        op.execute("CREATE INDEX ix_children_parent_id ON children (parent_id)")
    linger()
    op.execute("INSERT INTO notes SELECT id FROM children")
    op.add_column("notes", sa.Column("text", sa.Text))""",
        """    op.drop_table("notes")
    op.execute("DROP INDEX ix_children_parent_id")""",
    ),
    LAST: Source(
        "c3block00000",
        """    op.execute("UPDATE parents SET name = name || ' (' || id || ')' WHERE id <= 200")
    with alone():
        op.execute("CREATE INDEX ix_parents_name ON parents (name)")
    linger()
    fail_if_asked()
    op.execute("UPDATE parents SET name = name || ' (' || id || ')' WHERE id > 200")""",
        """    op.execute("UPDATE parents SET name = replace(name, ' (' || id || ')', '')")
    op.execute("DROP INDEX ix_parents_name")""",
    ),
}
ORDER = tuple(REVISIONS)
