"""The first revision of a project whose databases do not exist on their server yet."""

from __future__ import annotations

import shlex

import pytest

from tests.servers.shops import ServerShop

pytestmark = pytest.mark.slow  # a release a case


# By one of the two ways that are printed each.
@pytest.mark.parametrize(
    ("empty", "by_hand"), [("postgres", False), ("mariadb", True)], indirect=["empty"]
)
def test_what_is_printed_leads_to_the_first_revision(empty: ServerShop, by_hand: bool) -> None:
    for file in (empty.folder / "alembic/versions").glob("*.py"):
        file.unlink()
    server = empty.dev_database.server
    for database in (empty.dev_database, empty.prod_database):
        server.drop_database(database.name)
    refused = empty.invoke("revision", "--message", "begin")
    assert refused.code == 1, refused.err
    assert "which does not exist yet" in refused.err
    sentence = refused.err.rstrip().splitlines()[-1]
    assert server.databases().isdisjoint({empty.dev_database.name, empty.prod_database.name})
    if by_hand:
        call = shlex.split(sentence.partition("invoke ")[2])
    else:
        server.execute(sentence.partition("there: ")[2].partition(";")[0])
        call = ["revision", "--message", "begin"]
    ran = empty.invoke(*call)
    assert ran.code == 0, ran.err
    ran = empty.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert server.databases() >= {empty.dev_database.name, empty.prod_database.name}


def test_doctor_tries_env_py_where_the_database_is_not_there_yet(empty: ServerShop) -> None:
    server = empty.dev_database.server
    server.drop_database(empty.dev_database.name)
    before = server.databases()

    def found() -> list[str]:
        findings = empty.invoke("doctor", "--json").json["findings"]
        # The tests may have their folders in memory, which is worth a note of doctor's.
        others = ("state", "backups-not-kept")
        return [each["message"] for each in findings if each["code"] not in others]

    assert found() == [
        "dev: env.py was not tried with a throw-away database: it takes no URL, and its database"
        " does not exist yet"
    ]
    pyproject = empty.folder / "pyproject.toml"
    url = "\n[tool.migrations_ops.environments.dev]\n"
    text = pyproject.read_text()
    assert url in text
    pyproject.write_text(text.replace(url, f'{url}variables = {{ SHOP_URL = "{{url}}" }}\n'))
    assert "does not exist" in found()[0] or "Unknown database" in found()[0]
    env = empty.folder / "alembic/env.py"
    env.write_text(env.read_text().replace("url = ", 'url = os.environ.get("SHOP_URL") or ', 1))
    assert found() == []
    assert server.databases() == before
