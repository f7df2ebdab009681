"""The sources of revisions are read without being run: see migrations_ops/revisions/source.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.analysis.reader import read_declared
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


def test_the_expression_of_another_type_is_read(tmp_path: Path) -> None:
    """As the statement that SQLAlchemy makes of it: it may compute the values."""
    using = "CASE kind WHEN 'x' THEN 1 ELSE 0 END"
    source = f"""def upgrade():
    op.alter_column("posts", "kind", type_=sa.Integer(), postgresql_using="{using}")
"""
    [asked, ran] = read_upgrades([revision_of(script_of(tmp_path, source))])
    assert asked == OperationAsked(
        "alter_column", "posts", "kind", changes=("type",), revision="one"
    )
    assert ran == StatementRan(f'ALTER TABLE "posts" ALTER "kind" TYPE text USING {using}', "one")
    facts = dict.fromkeys(("table posts", "column posts.kind"), "")
    declared = read_declared([asked, ran], facts, facts, "postgresql")
    assert declared.values_changed("posts", "kind") is None


EXPRESSIONS = """
import sqlalchemy as sa
from sqlalchemy.sql import table, column

posts = table("posts", column("id"))

class User(Base):
    __tablename__ = "users"

def upgrade():
    logs: sa.Table = sa.Table("logs", sa.MetaData(), schema="audit")
    connection, session = op.get_bind(), Session()
    {}
"""


@pytest.mark.parametrize(
    ("code", "statements"),
    [
        ("op.execute(posts.update().where(posts.c.id == 1).values(title=1, body=2))",
         ['UPDATE "posts" SET "title" = 1, "body" = 1']),
        ("op.execute(posts.update().values({'title': 1, posts.c.body: 2}).where(x))",
         ['UPDATE "posts" SET "title" = 1, "body" = 1']),
        ("connection.execute(sa.update(logs).values(at=None))",
         ['UPDATE "audit"."logs" SET "at" = 1']),
        ("connection.execute(sa.delete(posts).where(posts.c.id == 1)); op.execute(logs.delete())",
         ['DELETE FROM "posts"', 'DELETE FROM "audit"."logs"']),
        ("connection.execute(sa.insert(User).values(name=1))",
         ['INSERT INTO "users" ("name") VALUES (1)']),
        ("connection.execute(posts.insert(), [{}])", ['INSERT INTO "posts" VALUES (1)']),
        ("op.execute(posts.insert().from_select(['id', 'title'], query))",
         ['INSERT INTO "posts" ("id", "title") VALUES (1)']),
        ("op.bulk_insert(posts, rows)", ['INSERT INTO "posts" VALUES (1)']),
        ("session.query(User).filter(User.id == 1).update({User.name: 1, 'age': 2})",
         ['UPDATE "users" SET "name" = 1, "age" = 1']),
        ("session.query(User).delete()", ['DELETE FROM "users"']),
        ("op.execute(User.__table__.update().values(name=1))", ['UPDATE "users" SET "name" = 1']),
        ("op.execute(sa.update(sa.table('tags')).values(**given))", []),
        # No tables: a dictionary, a list, a function that is called like one.
        ("settings.update(title=1); names.insert(0, 'posts'); update(1); delete(posts_of(1))", []),
    ],
)  # fmt: skip
def test_expressions_are_read_as_the_statements_that_they_make(
    tmp_path: Path, code: str, statements: list[str]
) -> None:
    script = tmp_path / "one.py"
    script.write_text(EXPRESSIONS.replace("{}", code, 1), encoding="utf-8")
    events = read_upgrades([revision_of(script)])
    found = [each.sql for each in events if isinstance(each, StatementRan)]
    assert [each for each in found if " " in each] == statements


def test_constraints_that_are_created_are_read(tmp_path: Path) -> None:
    script = tmp_path / "one.py"
    script.write_text(
        """
def upgrade():
    op.create_primary_key("pk", "posts", ["id", "title"])
    op.create_foreign_key("fk", source_table="posts", referent_table="u", local_cols=["u_id"])
    with op.batch_alter_table("users") as batch_op:
        batch_op.create_unique_constraint(op.f("uq"), ["name"])
""",
        encoding="utf-8",
    )
    found = read_upgrades([revision_of(script)])
    assert {each.revision for each in found} == {"one"}
    assert [each._replace(revision="") for each in found] == [
        OperationAsked("create_constraint", "posts", "pk", type="primary", columns=("id", "title")),
        OperationAsked("create_constraint", "posts", "fk", type="foreignkey", columns=("u_id",)),
        OperationAsked(
            "create_constraint", "users", "uq", batch=1, type="unique", columns=("name",)
        ),
    ]


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
