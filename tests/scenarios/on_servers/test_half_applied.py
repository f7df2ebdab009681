"""A revision of which MariaDB has committed a half: it is named, and there are three ways out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.scenarios.on_servers.support import (
    COLUMN,
    NEXT,
    content,
    only_in_production,
    require_no_secret,
    version,
)
from tests.servers.shops import ServerShop
from tests.support import R3


def fail_half_way(shop: ServerShop) -> Path:
    """A release whose revision adds a column and fails, in production alone."""
    file = shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    assert shop.invoke("release-migration").code == 4
    return file


def state_of_prod(shop: ServerShop) -> tuple[str, bool]:
    [_, prod] = shop.invoke("status-all", "--json").json["environments"]
    return prod["state"], prod["dirty"]


def test_half_applied_revision_makes_mariadb_prod_dirty_until_it_is_restored(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    before = content(shop.prod_database)
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert "column parents.more is new" in ran.err
    assert state_of_prod(shop) == ("dirty", True)
    again = shop.invoke("upgrade-prod")
    assert again.code == 1, again.err
    assert "half applied" in again.err
    require_no_secret(shop, ran, again)
    command = ran.err.partition("invoke restore ")[2].partition(";")[0].split()
    back = shop.invoke("restore", *command)
    assert back.code == 0, back.err
    assert content(shop.prod_database) == before


@pytest.mark.slow
def test_copy_of_what_is_half_applied_is_none_to_go_back_to(mariadb_filled: ServerShop) -> None:
    shop = mariadb_filled
    before = content(shop.prod_database)
    file = fail_half_way(shop)
    kept = shop.invoke("backup")
    assert kept.code == 0, kept.err
    assert "is suspect, and never the latest: half of r4dddddddddd is applied" in kept.err
    assert shop.invoke("resolve", "--env", "prod").code == 2
    early = shop.invoke("resolve", "--env", "prod", "--rolled-back")
    assert early.code == 1, early.err
    assert "parents.more" in early.err
    back = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert back.code == 0, back.err
    assert content(shop.prod_database) == before
    file.write_text(file.read_text().replace(only_in_production(shop.prod_database), ""))
    done = shop.invoke("release-migration", "--allow", "edited-revision")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_database_that_was_repaired_by_hand_is_clean_and_is_restored_clean(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    fail_half_way(shop)
    shop.prod_database.execute("ALTER TABLE parents DROP COLUMN more")
    done = shop.invoke("resolve", "--env", "prod", "--rolled-back")
    assert done.code == 0, done.err
    assert "rows of prod were not compared" in done.err, done.err  # a revision came between
    assert state_of_prod(shop) == ("behind", False)
    back = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert back.code == 0, back.err
    assert state_of_prod(shop) == ("behind", False)


@pytest.mark.slow
def test_rows_that_differ_after_a_repair_are_named(mariadb_at_head: ServerShop) -> None:
    shop = mariadb_at_head
    fail_half_way(shop)
    shop.prod_database.execute("ALTER TABLE parents DROP COLUMN more")
    shop.prod_database.execute("UPDATE parents SET name = 'another' LIMIT 1")
    done = shop.invoke("resolve", "--env", "prod", "--rolled-back")
    assert done.code == 0, done.err
    assert re.search(r"the rows of parents differ from db_\S+: if the failed rev", done.err), (
        done.err
    )


@pytest.mark.slow
def test_any_alembic_command_is_refused_until_the_revision_is_taken_for_applied(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    upgrade = ("alembic", "--env", "prod", "--args", "upgrade head", "--yes")
    ran = shop.invoke(*upgrade)
    assert ran.code == 4, ran.err
    assert "half of a revision is applied in prod" in ran.err
    assert "column parents.more is new" in ran.err
    before = content(shop.prod_database)
    again = shop.invoke(*upgrade)
    assert again.code == 1, again.err
    assert "is half applied" in again.err
    assert "invoke resolve --env prod" in again.err
    assert content(shop.prod_database) == before
    done = shop.invoke("resolve", "--env", "prod", "--applied")
    assert done.code == 0, done.err
    assert version(shop.prod_database) == NEXT
    assert state_of_prod(shop) == ("at head", False)


@pytest.mark.slow
def test_revisions_before_the_one_that_failed_stay_whole_on_mariadb(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    file = shop.add_revision(NEXT, R3, only_in_production(shop.prod_database))
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert f"is at {R3}" in ran.err
    assert version(shop.prod_database) == R3
    file.write_text(file.read_text().replace("UPDATE no_such_table SET id = 1", "SELECT 1"))
    again = shop.invoke("release-migration", "--allow", "edited-revision")
    assert again.code == 0, again.err
