"""The sources of revisions are read without being run: see migrations_ops/revisions/source.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.child.protocol.events import OperationAsked, StatementRan
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.source import (
    find_syntax_error,
    has_downgrade,
    list_operations,
    read_upgrades,
)


def revision_of(script: Path) -> Revision:
    return Revision("one", (), (), (), str(script), "")


def script_of(folder: Path, source: str) -> Path:
    script = folder / "one.py"
    script.write_text(source, encoding="utf-8")
    return script


def test_upgrades_are_read_as_the_child_reports_them(tmp_path: Path) -> None:
    script = tmp_path / "one.py"
    script.write_text(
        """
from alembic import op
import sqlalchemy as sa

NAME = "computed"

def upgrade():
    op.drop_table("old")
    op.drop_column("users", column_name="age")
    op.drop_index(op.f("ix_users_age"), table_name="users")
    op.execute("DELETE FROM logs")
    op.get_bind().execute(sa.text("DROP TABLE more"))
    op.drop_table(NAME)
    with op.batch_alter_table("posts", schema=None) as batch_op:
        batch_op.drop_constraint("fk_posts", type_="foreignkey")
        batch_op.drop_column("title")
        batch_op.alter_column("body", new_column_name="text")
        batch_op.alter_column("kind", nullable=False)

def downgrade():
    op.drop_table("kept")
""",
        encoding="utf-8",
    )
    events = read_upgrades([revision_of(script)])
    operations = [each for each in events if isinstance(each, OperationAsked)]
    assert [(each.kind, each.table, each.name) for each in operations] == [
        ("drop_table", "old", ""),
        ("drop_column", "users", "age"),
        ("drop_index", "users", "ix_users_age"),
        ("drop_table", "", ""),
        ("drop_constraint", "posts", "fk_posts"),
        ("drop_column", "posts", "title"),
        ("alter_column", "posts", "body"),
        ("rename_column", "posts", "body"),
        ("alter_column", "posts", "kind"),
    ]
    assert [operations[number].to for number in (5, 7)] == [None, "text"]
    assert [operations[number].changes for number in (6, 8)] == [(), ("nullable",)]
    assert [each.sql for each in events if isinstance(each, StatementRan)] == [
        "DELETE FROM logs",
        "DROP TABLE more",
    ]
    assert operations[4].type == "foreignkey"


def test_a_revision_without_a_script_declares_nothing() -> None:
    assert read_upgrades([Revision("one", (), (), (), "", "")]) == []


@pytest.mark.parametrize(
    ("source", "has_one"),
    [
        ("def upgrade():\n    op.drop_table('a')\n", False),
        ("def downgrade():\n    pass\n", False),
        ("def downgrade():\n    'No way back.'\n    raise NotImplementedError\n", False),
        ("def downgrade():\n    ...\n", False),
        ("def downgrade():\n    op.drop_table('a')\n", True),
        ("def downgrade():\n    'Back.'\n    op.drop_table('a')\n", True),
    ],
)
def test_a_downgrade_that_only_passes_or_raises_is_none(
    tmp_path: Path, source: str, has_one: bool
) -> None:
    assert has_downgrade(revision_of(script_of(tmp_path, source))) == has_one


@pytest.mark.parametrize(
    ("source", "line"),
    [("a = 1\nb = (\n", 2), ("a = 1\nreturn a\n", 2), ("a = '\0'\n", 1), ("a = 1\n", 0)],
)
def test_what_python_would_not_import_is_found(tmp_path: Path, source: str, line: int) -> None:
    found = find_syntax_error(revision_of(script_of(tmp_path, source)))
    assert (found[1] if found else 0) == line


def test_the_operations_of_an_upgrade_are_listed_in_their_order(tmp_path: Path) -> None:
    source = """
def upgrade():
    op.create_table("loans", sa.Column("id", sa.Integer()))
    with op.batch_alter_table("posts") as batch_op:
        batch_op.drop_column("title")
    print("no operation")

def downgrade():
    op.drop_table("loans")
"""
    assert list_operations(script_of(tmp_path, source)) == [
        "create_table loans",
        "batch_alter_table posts",
        "drop_column title",
    ]
