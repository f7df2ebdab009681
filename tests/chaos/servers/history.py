"""The revisions of the chaos project in SQL that both servers speak.

They have the names of those on SQLite, and the same rows; see ``tests.chaos.history`` for the small
files beside them that change how they run.
"""

from __future__ import annotations

from tests.chaos.history import FIRST, LAST, TOOLS, Source

_OF_SQLITE = TOOLS[TOOLS.index("def where():") : TOOLS.index("def linger():")]
_OF_SERVERS = '''def where():
    """Which database this is: dev, prod, or a copy of prod."""
    maria = op.get_bind().dialect.name in ("mariadb", "mysql")
    name = op.get_bind().scalar(sa.text(f"SELECT {'DATABASE' if maria else 'current_database'}()"))
    return {"shop_dev": "dev", "shop_prod": "prod"}.get(name, "copy")


def concurrently():
    """How an index is made in such a part: only outside of a transaction."""
    return {"postgresql_concurrently": (BESIDE / "committing").exists()}


'''
_TOOLS = TOOLS.replace(_OF_SQLITE, _OF_SERVERS)

_SOURCES = {
    FIRST: Source(
        None,
        """    op.create_table(
        "journal", sa.Column("id", sa.Integer, primary_key=True), sa.Column("token", sa.String(60))
    )
    op.create_table(
        "parents", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(99))
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
        """    op.add_column("parents", sa.Column("upper_name", sa.String(99)))
    linger()
    op.execute("UPDATE parents SET upper_name = upper(name)")""",
        """    op.drop_column("parents", "upper_name")""",
    ),
    "c2rebuild000": Source(
        "c1rows000000",
        """    op.alter_column("parents", "name", existing_type=sa.String(99), nullable=False)
    linger()
    op.create_check_constraint("ck_parents_name", "parents", "length(name) > 0")""",
        """    op.drop_constraint("ck_parents_name", "parents", type_="check")
    op.alter_column("parents", "name", existing_type=sa.String(99), nullable=True)""",
    ),
    "c3block00000": Source(
        "c2rebuild000",
        """    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True))
    with alone():
        op.create_index("ix_children_both", "children", ["id", "parent_id"], **concurrently())
    linger()
    op.execute("INSERT INTO notes SELECT id FROM children")
    op.add_column("notes", sa.Column("text", sa.Text))""",
        """    op.drop_table("notes")
    op.drop_index("ix_children_both", "children")""",
    ),
    LAST: Source(
        "c3block00000",
        """    op.execute("UPDATE parents SET name = concat(name, ' (', id, ')') WHERE id <= 200")
    with alone():
        op.create_index("ix_parents_name", "parents", ["name"], **concurrently())
    linger()
    fail_if_asked()
    op.execute("UPDATE parents SET name = concat(name, ' (', id, ')') WHERE id > 200")""",
        """    op.execute("UPDATE parents SET name = replace(name, concat(' (', id, ')'), '')")
    op.drop_index("ix_parents_name", "parents")""",
    ),
}
REVISIONS = {name: source.text(name, _TOOLS) for name, source in _SOURCES.items()}
