"""What fails in the middle leaves nothing, or says what it leaves; and applications go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.on_servers.support import (
    COLUMN,
    NEXT,
    content,
    here_of,
    in_production,
    is_asleep,
    is_postgres,
    kill_child,
    sleeping,
    version,
)
from tests.servers.shops import ServerShop
from tests.support import R2, R3, wait_for

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow


def test_column_committed_before_a_failing_index_is_named(postgres_filled: ServerShop) -> None:
    shop = postgres_filled
    index = "CREATE UNIQUE INDEX CONCURRENTLY uq_parent ON children (parent_id)"
    block = f"    with op.get_context().autocommit_block():\n        op.execute({index!r})"
    fails = in_production(shop.prod_database, 'op.execute("SELECT 1 / 0")')
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{block}\n{fails}")
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert "column parents.more is new" in ran.err
    refused = shop.invoke("upgrade-prod")
    assert refused.code == 1, refused.err
    back = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert back.code == 0, back.err
    assert version(shop.prod_database) == R2


# The table of decisions has each kind of server and of environment: here one case of both.
@pytest.mark.parametrize(
    ("at_head", "served"),
    [("postgres", True), ("mariadb", False)],
    ids=["served", "not protected"],
    indirect=["at_head"],
)
def test_what_applications_wrote_is_not_put_back_unasked_when_verify_fails(
    at_head: ServerShop, served: bool
) -> None:
    if not served:
        text = (at_head.folder / "pyproject.toml").read_text(encoding="utf-8")
        at_head.configure(f"{text}protected = false\n")
    # The real production ends with a column that its copy did not get in the rehearsal.
    odd = 'op.add_column("parents", sa.Column("odd", sa.Integer))'
    at_head.add_revision(NEXT, R3, in_production(at_head.prod_database, odd))
    before = content(at_head.prod_database)
    ran = at_head.invoke("release-migration")
    assert ran.code == (4 if served else 3), ran.err
    assert "differs from the rehearsal" in ran.err
    assert ("was restored from" in ran.err) is not served
    assert (content(at_head.prod_database) == before) is not served
    if served:
        assert "prod stays upgraded" in ran.err
        command = ran.err.partition("invoke restore ")[2].partition(" (")[0].split()
        back = at_head.invoke("restore", *command)
        assert back.code == 0, back.err
        assert content(at_head.prod_database) == before


def test_killed_child_leaves_postgres_as_it_was(postgres_filled: ServerShop) -> None:
    shop = postgres_filled
    shop.add_revision(NEXT, R3, f'{COLUMN}\n    op.execute("SELECT pg_sleep(60)")')
    before = content(shop.dev_database)
    running = shop.start("release-migration")
    wait_for(lambda: is_asleep(shop))
    kill_child(running.pid)
    _, err = running.communicate(timeout=90)
    assert running.returncode == 3, err
    assert "Traceback" not in err
    assert content(shop.dev_database) == before


def asleep_in_production(shop: ServerShop) -> Path:
    """Add a revision that sleeps in the real production alone, until this file is removed."""
    mark, prod = shop.write("asleep", ""), shop.prod_database
    shop.add_revision(
        NEXT,
        R3,
        f"{COLUMN}\n    from pathlib import Path\n"
        f"    here = op.get_bind().scalar(sa.text({here_of(prod)!r}))\n"
        f"    if here == {prod.name!r} and Path({str(mark)!r}).exists():\n"
        f"    {sleeping(120, prod)}",
    )
    return mark


def killed_under_production(shop: ServerShop) -> tuple[int, str]:
    """Kill the server while the upgrade of production sleeps; returns how the release ended."""
    prod = shop.prod_database
    running = shop.start("release-migration")
    # Not a query like "%sleep%": the last look at them, whose session ends, is one of those too.
    asleep = (
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        f" AND state = 'active' AND datname = '{prod.name}'"
        if is_postgres(prod)
        else "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"
        f" AND db = '{prod.name}'"
    )
    wait_for(lambda: prod.server.execute(asleep), 90)
    prod.server.kill()
    _, err = running.communicate(timeout=90)
    prod.server.start()
    assert "does not answer" in err
    assert "invoke restore" not in err
    return running.returncode, err


def test_server_that_dies_under_prod_is_reported_and_no_restore_is_advised(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    mark, before = asleep_in_production(shop), content(shop.prod_database)
    code, err = killed_under_production(shop)
    assert code == 3, err
    assert content(shop.prod_database) == before
    mark.unlink()
    again = shop.invoke("release-migration")
    assert again.code == 0, again.err


def test_mariadb_that_dies_under_prod_tells_afterwards_that_half_stands_there(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    asleep_in_production(shop)
    code, err = killed_under_production(shop)
    assert code == 4, err
    rows = shop.invoke("status-all", "--json").json["environments"]
    assert rows[1]["state"] == "dirty"
    again = shop.invoke("release-migration")
    assert again.code == 1, again.err
    assert "half applied" in again.err
