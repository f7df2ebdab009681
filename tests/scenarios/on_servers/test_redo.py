"""``--redo`` on servers: what dev ran in another form is taken back there, and runs again."""

from __future__ import annotations

import shlex

import pytest

from tests.scenarios.on_servers.support import NEXT, content, copies, version
from tests.servers.shops import ServerShop
from tests.support import R3

# Three whole releases a case.
pytestmark = pytest.mark.slow

TABLE = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True))'
UNIQUE = 'op.create_index("ix_children", "children", ["parent_id"], unique=True)'
PLAIN = 'op.create_index("ix_children", "children", ["parent_id"])'
# How dev goes back: by the downgrade; or by its backup, since that leaves something. One that
# fails: tests/scenarios/test_redo.py.
DOWN = {
    "downgrade": ['op.drop_index("ix_children", "children")', 'op.drop_table("notes")'],
    "incomplete downgrade": ['op.drop_table("notes")'],
}


def write(shop: ServerShop, up: str, down: list[str]) -> None:
    lines = "\n".join(f"    {each}" for each in down)
    shop.write(
        f"alembic/versions/{NEXT}.py",
        f'"""notes"""\nimport sqlalchemy as sa\nfrom alembic import op\n\nrevision = "{NEXT}"\n'
        f'down_revision = "{R3}"\n\n\ndef upgrade() -> None:\n    {TABLE}\n    {up}\n\n\n'
        f"def downgrade() -> None:\n{lines}\n",
    )


@pytest.mark.parametrize(
    ("at_head", "back"),
    [("postgres", "incomplete downgrade"), ("mariadb", "downgrade")],
    indirect=["at_head"],
)
def test_what_failed_in_the_rehearsal_is_mended_and_run_again(
    at_head: ServerShop, back: str
) -> None:
    at_head.prod_database.execute("UPDATE children SET parent_id = 1 WHERE id = 2")
    rows = content(at_head.dev_database)["parents"]
    assert at_head.invoke("verify").code == 0
    write(at_head, UNIQUE, DOWN[back])
    failed = at_head.invoke("release-migration")
    assert failed.code == 1, failed.err
    assert version(at_head.dev_database) == NEXT
    write(at_head, PLAIN, DOWN[back])
    refused = at_head.invoke("release-migration")
    assert refused.code == 1, refused.err
    sentence = refused.err.rstrip().splitlines()[-1]
    call = shlex.split(sentence.partition("run it as it is now: invoke ")[2].partition(";")[0])
    assert call == ["release-migration", "--redo"], refused.err
    plan = at_head.invoke(*call, "--plan")
    assert plan.code == 0, plan.err
    assert "downgrade" in plan.out
    ran = at_head.invoke(*call, "verify", "verify", "--env", "prod")
    assert ran.code == 0, ran.err
    assert ("restore" in ran.err) is (back != "downgrade"), ran.err
    assert content(at_head.dev_database)["parents"] == rows
    for database in (at_head.dev_database, at_head.prod_database):
        assert version(database) == NEXT
        assert content(database)["notes"] == []
    assert copies(at_head) == set()
