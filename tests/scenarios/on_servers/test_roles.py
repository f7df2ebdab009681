"""The role of a release: owner of the schema, no superuser. What it lacks is said beforehand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.scenarios.on_servers.support import content, copies
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer
from tests.servers.shops import ServerShop
from tests.support import R3

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow

WORD = "word-of-release"


def as_role(shop: ServerShop, user: str, more: str = "", password: str = WORD) -> None:
    """Let both environments log in as this role."""
    urls = {
        name: database.server.url(database.name, user=user, password=password)
        for name, database in (("dev", shop.dev_database), ("prod", shop.prod_database))
    }
    shop.point(urls, more)


def owned_by(shop: ServerShop, user: str) -> None:
    """Both databases, with all that is in them, belong to a role."""
    server = shop.prod_database.server
    for database in (shop.dev_database, shop.prod_database):
        server.execute(f"ALTER DATABASE {database.name} OWNER TO {user}")
        database.execute(
            "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE"
            " schemaname = 'public' LOOP EXECUTE format('ALTER TABLE %I OWNER TO"
            f" {user}', r.tablename); END LOOP; END $$"
        )


def test_documented_role_releases_on_postgres(postgres_filled: ServerShop) -> None:
    shop = postgres_filled
    shop.prod_database.server.create_role("release", WORD, "CREATEDB")
    owned_by(shop, "release")
    as_role(shop, "release")
    ran = shop.invoke("release-migration")
    assert ran.code == 0, ran.err
    before = content(shop.prod_database)
    shop.prod_database.execute("DELETE FROM children")
    assert shop.invoke("backup").code == 0
    back = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert back.code == 0, back.err
    assert set(content(shop.prod_database)) == set(before)
    assert WORD not in ran.out + ran.err + back.err


def test_role_that_may_make_no_copies_is_shown_the_grant_before_the_release(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    server = shop.prod_database.server
    server.create_role("poor", WORD)
    owned_by(shop, "poor")
    as_role(shop, "poor")
    before = content(shop.dev_database)
    ran = shop.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert "ALTER ROLE poor CREATEDB" in ran.err
    assert content(shop.dev_database) == before
    doctor = shop.invoke("doctor")
    assert "[no-copies]" in doctor.out


def test_role_that_does_not_own_the_database_is_reported_before_the_release(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    server = shop.prod_database.server
    server.create_role("guest", WORD, "CREATEDB")
    owned_by(shop, "guest")
    server.execute(f"ALTER DATABASE {shop.prod_database.name} OWNER TO postgres")
    shop.prod_database.execute("GRANT ALL ON SCHEMA public TO guest")
    as_role(shop, "guest")
    ran = shop.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert "--allow no-restore" in ran.err
    allowed = shop.invoke("release-migration", "--allow", "no-restore")
    assert allowed.code == 0, allowed.err


def test_copies_are_made_on_another_server_where_that_is_configured(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    other = PostgresServer()
    try:
        urls = {"dev": shop.dev_database.url(), "prod": shop.prod_database.url()}
        shop.point(urls)
        scratch = other.url("postgres")
        pyproject = shop.folder / "pyproject.toml"
        text = pyproject.read_text(encoding="utf-8")
        pyproject.write_text(f'{text}scratch_url = "{scratch}"\n', encoding="utf-8")
        newest = "SELECT max(oid) FROM pg_database"
        other.execute("CREATE DATABASE first_one")
        before = other.execute(newest)
        ran = shop.invoke("release-migration")
        assert ran.code == 0, ran.err
        other.execute("CREATE DATABASE last_one")
        # Each new database takes the next number: more than one was used up in between.
        assert int(other.execute(newest)[0][0]) - int(before[0][0]) > 10
        assert not {each for each in other.databases() if each.startswith("migrations_ops")}
        assert copies(shop) == set()
    finally:
        other.close()


def test_pooler_is_refused_with_the_reason(
    postgres_filled: ServerShop, pgbouncer: PgBouncer
) -> None:
    shop = postgres_filled
    shop.point(
        {
            "dev": pgbouncer.url(shop.dev_database.name),
            "prod": pgbouncer.url(shop.prod_database.name),
        }
    )
    ran = shop.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert "PgBouncer" in ran.err


def test_role_that_may_make_no_copies_is_shown_the_grant_on_mariadb(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    server = shop.prod_database.server
    server.create_role("release", WORD)
    for database in (shop.dev_database, shop.prod_database):
        server.execute(f"GRANT ALL PRIVILEGES ON {database.name}.* TO 'release'@'%'")
    as_role(shop, "release")
    ran = shop.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert r"GRANT ALL PRIVILEGES ON `migrations\_ops\_%`.*" in ran.err


def test_documented_statements_make_the_role_on_mariadb(mariadb_filled: ServerShop) -> None:
    """As docs/servers.md has them, but for the names of the databases and the password."""
    shop = mariadb_filled
    server = shop.prod_database.server
    page = Path(__file__).parents[3] / "docs" / "servers.md"
    sql = [
        statement.strip()
        for block in re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for statement in block.split(";")
        if "`release`" in statement
    ]
    assert len(sql) == 5
    for statement in sql:
        for database in (shop.dev_database, shop.prod_database):
            given = statement.replace("'...'", f"'{WORD}'").replace("shop.*", f"{database.name}.*")
            server.execute(given.replace("CREATE USER", "CREATE USER IF NOT EXISTS"))
    shop.prod_database.execute("CREATE FUNCTION f() RETURNS INT RETURN 1")
    as_role(shop, "release")
    done = shop.invoke("release-migration")
    assert done.code == 0, done.err
    assert shop.prod_database.execute("SELECT version_num FROM alembic_version") == [(R3,)]
    back = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert back.code == 0, back.err


def test_trigger_that_would_write_to_production_from_a_copy_is_refused(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    name = shop.prod_database.name
    shop.prod_database.execute(
        "CREATE TRIGGER counts AFTER INSERT ON children FOR EACH ROW"
        f" UPDATE {name}.parents SET name = 'counted' WHERE id = NEW.parent_id"
    )
    before = content(shop.prod_database)
    ran = shop.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert "names its own database" in ran.err
    assert content(shop.prod_database) == before
