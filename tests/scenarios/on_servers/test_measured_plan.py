"""``plan`` on a server: which tables others could not read or write, and for how long."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.scenarios.on_servers.support import (
    COLUMN,
    HEAD,
    NEXT,
    content,
    copies,
    is_postgres,
    require_no_secret,
)
from tests.scenarios.test_json_schemas import validate
from tests.servers.databases import ServerDatabase
from tests.servers.mariadb import PASSWORD
from tests.servers.shops import ServerShop

pytestmark = pytest.mark.slow


def test_a_plan_shows_which_tables_are_blocked(filled: ServerShop) -> None:
    filled.add_revision(NEXT, HEAD, COLUMN)
    before = content(filled.prod_database)
    ran = filled.invoke("plan", "--json", "--allow", "drift")
    assert ran.code == 0, ran.err
    validate(ran.json, "measured-plan")
    shown = filled.invoke("plan", "--allow", "drift")
    if is_postgres(filled.prod_database):
        found = {each["table"]: each for each in ran.json["blocked"]}
        assert found["public.parents"]["reads"] > 0
        assert "reads and writes of public.parents for " in shown.out
    else:
        # The column is added at once: nobody waits for longer than that.
        assert ran.json["blocked"] == []
        [locks] = [
            statement["locks"]
            for revision in ran.json["revisions"]
            for statement in revision["statements"]
            if "ADD COLUMN" in statement["sql"] and revision["revision"] == NEXT
        ]
        assert [(each["table"], each["mode"]) for each in locks] == [
            ("parents", "SHARED_UPGRADABLE")
        ]
    assert content(filled.prod_database) == before
    assert copies(filled) == set()
    require_no_secret(filled, ran, shown)


# What has to run outside of a transaction; and what has a semicolon in it.
CONCURRENTLY = """\
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY by_parent ON children (parent_id)")
    op.execute("UPDATE parents SET note = '100% \\\\ ; it''s' WHERE id = 1")"""
TRIGGER = """\
    op.execute("CREATE TRIGGER t BEFORE INSERT ON parents FOR EACH ROW"
               " BEGIN SET @a = 1; SET @b = 2; END")
    op.execute("UPDATE parents SET note = '100% \\\\\\\\ ; it''s' WHERE id = 1")"""


def test_the_script_of_a_plan_runs_in_the_servers_own_shell(filled: ServerShop) -> None:
    on_postgres = is_postgres(filled.prod_database)
    filled.add_revision(NEXT, HEAD, CONCURRENTLY if on_postgres else TRIGGER)
    ran = filled.invoke("plan", "--output", "plan.sql", "--allow", "drift")
    assert ran.code == 0, ran.err
    script = filled.folder / "plan.sql"
    require_no_secret(filled, ran)
    shell_runs(filled.prod_database, script.read_text(encoding="utf-8"))
    shown = filled.invoke("verify", "--env", "prod")
    assert shown.code == 0, shown.err
    note = filled.prod_database.execute("SELECT note FROM parents WHERE id = 1")
    assert note == [("100% \\ ; it's",)]
    # What a release would do to the other one leads to the same.
    assert filled.invoke("upgrade-dev", "--allow", "drift").code == 0
    assert content(filled.dev_database) == content(filled.prod_database)


def shell_runs(database: ServerDatabase, script: str) -> None:
    """The server's own shell runs a script without an error."""
    server = database.server
    if is_postgres(database):
        argv = ["psql", "-X", "-q", "-d", database.url("postgresql")]
    else:
        argv = ["mariadb", f"--host={server.host}", f"--port={server.port}", "--user=root"]
        argv += [database.name]
    done = subprocess.run(
        [server.bin / argv[0], *argv[1:]],
        input=script,
        env=os.environ | {"MYSQL_PWD": PASSWORD},
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_column_with_values_goes_where_its_revision_allows_it(filled: ServerShop) -> None:
    comment = "# migrations-ops: allow dropped-column:parents.name -- nobody reads it"
    script = filled.add_revision(NEXT, HEAD, '    op.drop_column("parents", "name")')
    before = content(filled.prod_database)
    stopped = filled.invoke("plan", "--json", "--allow", "drift")
    assert stopped.code == 1
    [gone] = stopped.json["destroyed"]
    assert (gone["name"], gone["revision"], gone["stops"]) == ("parents.name", NEXT, True)
    assert gone["rows"] > 0
    assert f"with its {gone['rows']} values" in stopped.json["error"]["what"]
    assert comment.replace("nobody reads it", "REASON") in stopped.json["error"]["next"]
    assert content(filled.prod_database) == before
    script.write_text(f"{script.read_text(encoding='utf-8')}\n{comment}\n", encoding="utf-8")
    ran = filled.invoke("plan", "--allow", "drift")
    assert ran.code == 0, ran.err
    told = f"parents.name ({gone['rows']} values); allowed in alembic/versions/{script.name}"
    assert told in " ".join(ran.out.split())  # it is folded
    require_no_secret(filled, stopped, ran)
