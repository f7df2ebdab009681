"""Status tells where each environment stands, and never touches one."""

from __future__ import annotations

import pytest

from tests.support import R1, R3, Sandbox, dump, query


def states(ran_json: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {row["name"]: row["state"] for row in ran_json["environments"]}


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("UPDATE alembic_version SET version_num = 'r3cccccccccc'", "at head"),
        ("UPDATE alembic_version SET version_num = 'r2bbbbbbbbbb'", "behind"),
        ("UPDATE alembic_version SET version_num = 'fffffffffff0'", "ahead"),
        ("DROP TABLE alembic_version", "unversioned"),
        ("DELETE FROM alembic_version", "unversioned"),
    ],
)
def test_each_state_has_its_name(filled: Sandbox, change: str, state: str) -> None:
    query(filled.dev, change)
    before = dump(filled.dev)
    ran = filled.invoke("status-all", "--json")
    assert ran.code == 0
    assert states(ran.json) == {"dev": state, "prod": "behind"}
    assert dump(filled.dev) == before


def test_missing_empty_and_unreadable_databases_have_a_row(shop: Sandbox) -> None:
    shop.dev.write_bytes(b"")
    assert states(shop.invoke("status-all", "--json").json) == {"dev": "empty", "prod": "missing"}
    shop.dev.write_bytes(b"this is no database, whatever its name says" * 50)
    ran = shop.invoke("status-all")
    assert ran.code == 0
    assert "is no SQLite database" in ran.out
    assert not shop.prod.exists()


def test_diverged_is_distinguished_from_behind(filled: Sandbox) -> None:
    filled.add_revision("r3side000000", R1, "    pass")
    query(filled.dev, "UPDATE alembic_version SET version_num = 'r3side000000'")
    filled.configure(
        (filled.folder / "pyproject.toml")
        .read_text()
        .replace('db.dev.sqlite3"', f'db.dev.sqlite3"\ntarget = "{R3}"')
    )
    assert states(filled.invoke("status-all", "--json").json)["dev"] == "diverged"


def test_leftovers_make_it_dirty(filled: Sandbox) -> None:
    query(filled.prod, "CREATE TABLE _alembic_tmp_parents (id INTEGER)")
    rows = filled.invoke("status-all", "--json").json["environments"]
    assert [row["dirty"] for row in rows] == [False, True]


def test_the_selector_of_the_shell_is_warned_of(filled: Sandbox) -> None:
    ran = filled.invoke("status-all", EXEC_ENV="dev")
    assert "EXEC_ENV=dev in this shell: an env.py that reads it goes to dev" in ran.out
    selector = filled.invoke("status-all", "--json", EXEC_ENV="dev").json["selector"]
    assert selector["shell_value"] == "dev"


@pytest.mark.slow
def test_check_fails_unless_all_are_at_head(filled: Sandbox) -> None:
    assert filled.invoke("status-all", "--check").code == 1
    assert filled.invoke("release-migration").code == 0
    assert filled.invoke("status-all", "--check").code == 0


def test_two_heads_are_reported_and_still_give_a_status(filled: Sandbox) -> None:
    filled.add_revision("r3other00000", "r2bbbbbbbbbb", "    pass")
    ran = filled.invoke("status-all", "--json")
    assert ran.code == 0
    assert states(ran.json) == {"dev": "behind", "prod": "behind"}
    assert "2 heads" in ran.json["environments"][0]["trouble"]


def test_one_of_two_heads_is_behind_and_both_are_at_head(filled: Sandbox) -> None:
    filled.add_revision("r3other00000", "r2bbbbbbbbbb", "    pass")
    query(filled.dev, "UPDATE alembic_version SET version_num = 'r3other00000'")
    query(filled.prod, f"UPDATE alembic_version SET version_num = '{R3}'")
    query(filled.prod, "INSERT INTO alembic_version VALUES ('r3other00000')")
    dev, prod = filled.invoke("status-all", "--json").json["environments"]
    assert (dev["state"], dev["pending"]) == ("behind", [R3])
    assert dev["trouble"] == (
        f"it is at r3other00000, and its target 'head' may mean any of {R3}, r3other00000"
    )
    assert (prod["state"], "trouble" in prod) == ("at head", False)
    ran = filled.invoke("upgrade-dev", "--to", "heads")
    assert ran.code == 0, ran.err
    assert filled.invoke("status-all", "--check").code == 0
