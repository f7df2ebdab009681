"""What MariaDB alone does: it commits unasked, and one database leads to the other by its name."""

from __future__ import annotations

import pytest

from tests.scenarios.on_servers.support import NEXT, content, copies, in_production
from tests.servers.shops import ServerShop
from tests.support import R3

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow


def test_upgrade_of_dev_does_not_come_to_production_by_its_name(mariadb_filled: ServerShop) -> None:
    shop = mariadb_filled
    name = shop.prod_database.name
    shop.add_revision(NEXT, R3, f'    op.execute("DELETE FROM {name}.children")')
    before = content(shop.dev_database), content(shop.prod_database)
    ran = shop.invoke("upgrade-dev")
    assert ran.code in (3, 4), ran.err
    assert f"names the database of prod, {name}, though dev is meant" in ran.err
    assert content(shop.prod_database) == before[1]


def test_rehearsal_that_names_the_real_database_stops_the_release(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    name = shop.prod_database.name
    shop.add_revision(
        NEXT,
        R3,
        "    import os\n"
        '    if os.environ["EXEC_ENV"] == "prod":\n'
        f'        op.execute("DELETE FROM {name}.children")',
    )
    before = content(shop.prod_database)
    ran = shop.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert f"names the real database, {name}, though this is the rehearsal on a copy" in ran.err
    assert "No statement was allowed to reach prod itself" in ran.err
    assert content(shop.prod_database) == before
    assert copies(shop) == set()


ROWS = "UPDATE parents SET name = 'changed'"
# The other ways, such as tables without transactions: tests/contract/child/test_commits.py.
COMMITTING = f'op.execute("{ROWS}"); op.execute("SET DEFAULT ROLE NONE")'


def test_rows_that_stayed_changed_are_never_taken_for_as_they_were(
    mariadb_at_head: ServerShop,
) -> None:
    shop = mariadb_at_head
    lines = (COMMITTING, 'raise RuntimeError("in production")')
    shop.add_revision(NEXT, R3, in_production(shop.prod_database, *lines))
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert "its schema is unchanged, but rows may have changed" in ran.err
    assert "invoke restore --env prod" in ran.err
    again = shop.invoke("upgrade-prod")
    assert (again.code, "half applied" in again.err) == (1, True), again.err


def test_upgrade_of_dev_does_not_come_to_production_through_what_stands_in_dev(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    prod = shop.prod_database.name
    shop.dev_database.execute(f"CREATE VIEW real_ones AS SELECT * FROM {prod}.parents")
    shop.add_revision(NEXT, R3, "    op.execute(\"UPDATE real_ones SET name = 'from dev'\")")
    before = content(shop.dev_database), content(shop.prod_database)
    ran = shop.invoke("upgrade-dev")
    assert ran.code == 1, ran.err
    assert f"the view real_ones names {prod}, the database of prod" in ran.err
    assert '--allow "names-environment:view real_ones"' in ran.err
    assert (content(shop.dev_database), content(shop.prod_database)) == before
    doctor = shop.invoke("doctor")
    assert "[names-environment]" in doctor.out + doctor.err


def test_rehearsal_does_not_write_to_another_database_through_a_trigger(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    server = shop.prod_database.server
    audit = server.create_database()
    server.execute(f"CREATE TABLE {audit}.log (name VARCHAR(100))")
    for database in (shop.dev_database, shop.prod_database):
        database.execute(
            "CREATE TRIGGER tells AFTER UPDATE ON parents FOR EACH ROW"
            f" INSERT INTO {audit}.log VALUES (NEW.name)"
        )
    shop.add_revision(NEXT, R3, "    op.execute(\"UPDATE parents SET name = 'new'\")")
    # The first environment is not rehearsed.
    assert shop.invoke("upgrade-dev").code == 0
    server.execute(f"DELETE FROM {audit}.log")
    before = content(shop.prod_database)
    ran = shop.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert f"the trigger tells writes to another database, {audit}" in ran.err
    assert content(shop.prod_database) == before
    assert server.execute(f"SELECT * FROM {audit}.log") == []
    allowed = shop.invoke("release-migration", "--allow", "names-another:trigger tells")
    assert allowed.code == 0, allowed.err


WIDE = """CREATE TABLE wide (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(40) NOT NULL DEFAULT 'x',
    at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP COMMENT 'since',
    hidden INT INVISIBLE DEFAULT 3, kept INT NOT NULL DEFAULT 4 COMMENT 'why')"""


def test_what_a_column_loses_unnamed_stops_the_release(mariadb_filled: ServerShop) -> None:
    """A statement that writes a column anew loses what it does not name, and so do operations."""
    shop = mariadb_filled
    for database in (shop.dev_database, shop.prod_database):
        database.execute(WIDE)
    shop.add_revision(
        NEXT,
        R3,
        '    op.execute("ALTER TABLE wide MODIFY a VARCHAR(60)")\n'
        '    op.alter_column("wide", "hidden", comment="h", existing_type=sa.Integer())\n'
        '    op.alter_column("wide", "at", nullable=False, existing_type=sa.TIMESTAMP())\n'
        '    op.alter_column("wide", "kept", type_=sa.BigInteger(), existing_nullable=False,\n'
        '        existing_server_default="4", existing_comment="why")',
    )
    ran = shop.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    errors = {
        f"{each['code']}:{each['where']}": each["message"]
        for each in ran.json["findings"]
        if each["severity"] == "error"
    }
    assert errors.keys() == {
        f"{code}-column:wide.{column}"
        for code in ("changed", "weakened")
        for column in ("a", "at", "hidden")
    }
    assert "would lose NOT NULL" in errors["weakened-column:wide.a"]
    assert "would lose ON UPDATE, COMMENT" in errors["weakened-column:wide.at"]
    assert "would lose INVISIBLE" in errors["weakened-column:wide.hidden"]
