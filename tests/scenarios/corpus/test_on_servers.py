"""Real projects on PostgreSQL and MariaDB, by their own drivers, from rows of an old revision."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scenarios.corpus.support import HERE, interpreter, set_up
from tests.servers.databases import Server, ServerDatabase, swept
from tests.servers.fixtures import started
from tests.servers.postgres import PostgresServer, debian_bin
from tests.support import Ran, Sandbox

# Real projects, in virtual environments of their own.
pytestmark = pytest.mark.slow

VERSION = "SELECT version_num FROM alembic_version"
# The rows, and where the project's history cannot make them the tables, of an old SQLite file.
OPTUNA_OLD = """\
import os, sys
import sqlalchemy as sa
old, new = sa.create_engine("sqlite:///" + os.environ["OLD"]), sa.create_engine(os.environ["URL"])
found = sa.MetaData()
found.reflect(old)
for table in found.tables.values():
    for column in table.c:
        column.type = column.type.as_generic()
found.tables["version_info"].c.version_info_id.autoincrement = False
found.tables["trials"].c.state.type = sa.Enum(
    "RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING", name="trialstate")
found.tables["study_directions"].c.direction.type = sa.Enum(
    "NOT_SET", "MINIMIZE", "MAXIMIZE", name="studydirection")
with old.connect() as source, new.begin() as target:
    for name, column in (("trials", "state"), ("study_directions", "direction")):
        found.tables[name].c[column].type.create(target, checkfirst=True)
    found.create_all(target)
    for table in found.sorted_tables:
        rows = [
            # What optuna 2 wrote for infinity on MySQL, whose floats have none.
            {key: 3.4028234663852886e38 if value == float("inf") else value
             for key, value in row._mapping.items()}
            for row in source.execute(sa.select(table))
        ]
        target.execute(table.delete())
        if rows:
            target.execute(table.insert(), rows)
"""
QUETZ_OLD = """\
INSERT INTO users (id, username, role) VALUES ('\\x01', 'ann', 'owner'), ('\\x02', NULL, NULL);
INSERT INTO profiles (name, avatar_url, user_id) VALUES ('Ann', 'http://example.org/a', '\\x01');
INSERT INTO channels (name, description, private) VALUES ('Main', 'naïve 文字', false);
INSERT INTO packages (name, channel_name) VALUES ('numbers', 'Main');
INSERT INTO api_keys (key, description, deleted, user_id, owner_id)
    VALUES ('k1', 'of a channel', false, '\\x02', '\\x01');
INSERT INTO package_versions (id, channel_name, package_name, package_format, platform, version,
    build_string, build_number, version_order, filename, info, uploader_id,
    time_created, time_modified)
    SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'Main', 'numbers', 'tarbz2', 'linux-64',
    '1.' || n, 'py_0', 0, n, 'numbers-1.' || n || '.tar.bz2', '{"size": 12}', '\\x02',
    now(), now() FROM generate_series(1, 50) n"""
PREFECT_OLD = """\
INSERT INTO flow (name, tags) SELECT 'flow ' || n, '["a", "naïve"]' FROM generate_series(1, 20) n;
INSERT INTO flow_run (name, flow_id, parameters)
    SELECT 'run of ' || name, id, '{"x": 1.5}' FROM flow;
INSERT INTO flow_run_notification_queue (flow_run_notification_policy_id, flow_run_state_id)
    SELECT gen_random_uuid(), gen_random_uuid() FROM generate_series(1, 5)"""


@dataclass(frozen=True)
class ServerProject(Sandbox):
    """A real project, and its two databases on a server."""

    python: Path
    dev_database: ServerDatabase
    prod_database: ServerDatabase
    driver: str

    def environment(self, **variables: str) -> dict[str, str]:
        """The server's own clients come first in PATH; the URLs are what a secret store gives."""
        found = super().environment(**variables)
        path = found.get("PATH", os.defpath)
        found["PATH"] = f"{self.dev_database.server.bin}{os.pathsep}{path}"
        found["DEV_URL"] = self.dev_database.url(self.driver)
        found["PROD_URL"] = self.prod_database.url(self.driver)
        return found

    def plain_upgrade(self, place: ServerDatabase, revision: str) -> Ran:
        """Run the project's own upgrade, as without this tool."""
        url, home = place.url(self.driver), str(self.folder / "home")
        if "asyncpg" in self.driver:
            given = {"PREFECT_API_DATABASE_CONNECTION_URL": url, "PREFECT_HOME": home}
            words = ("server", "database", "upgrade", "-y", "-r", revision)
            return self.run(
                str(self.python.parent / "prefect"), *words, cwd=None, HOME=home, **given
            )
        text = (self.folder / "alembic.ini").read_text(encoding="utf-8")
        ini = text.replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {url}\n", 1)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "plain.ini"
            file.write_text(ini, encoding="utf-8")
            argv = (str(self.python), "-m", "alembic", "-c", str(file), "upgrade", revision)
            return self.run(*argv, cwd=None, HOME=home)

    @property
    def places(self) -> tuple[ServerDatabase, ServerDatabase]:
        return self.dev_database, self.prod_database


Making = Callable[[ServerProject, ServerDatabase], None]


def sql(text: str) -> Making:
    """Rows of our own."""

    def make(project: ServerProject, place: ServerDatabase) -> None:
        for statement in text.split(";\n"):
            place.execute(statement)

    return make


def program(source: str) -> Making:
    """Rows made by a program in the project's own interpreter."""

    def make(project: ServerProject, place: ServerDatabase) -> None:
        url = place.url(project.driver)
        given = {"URL": url, "OLD": str(HERE / "optuna-2.10.1.db")}
        ran = project.run(str(project.python), "-c", source, cwd=None, **given)
        assert ran.code == 0, ran.err

    return make


def at(revision: str) -> Making:
    """An upgrade by what the project itself offers, as without this tool."""

    def make(project: ServerProject, place: ServerDatabase) -> None:
        ran = project.plain_upgrade(place, revision)
        assert ran.code == 0, ran.err

    return make


@dataclass(frozen=True)
class ServerHistory:
    """A project on a server, how its databases were made, and what its release has to end with.

    ``codes`` are the findings that a reader is shown; ``dropped`` the tables that the project has
    given up.
    """

    configuration: str
    driver: str
    start: str
    head: str
    making: tuple[Making, ...]
    codes: frozenset[str]
    dropped: frozenset[str] = frozenset()

    @property
    def package(self) -> str:
        return self.configuration.partition("-")[0]

    @property
    def server(self) -> str:
        """The fixture. quetz makes a collation of ICU, which the wheel of the tests lacks."""
        if self.driver.startswith("mysql"):
            return "mariadb"
        return "postgres_with_icu" if self.package == "quetz" else "postgres"

    def __str__(self) -> str:
        return f"{self.package} on {self.driver} from {self.start}"


OPTUNA, PYMYSQL = "optuna-on-servers", "mysql+pymysql"
QUETZ = ("quetz-on-servers", "postgresql+psycopg2")
PREFECT = ("prefect-on-servers", "postgresql+asyncpg")
# As on SQLite: another index, a downgrade that has rotted, values that are written anew.
OPTUNA_CODES = frozenset({"drift", "downgrade-fails", "changed-values"})
NOTIFICATIONS = frozenset({"flow_run_notification_policy", "flow_run_notification_queue"})
# Each project once. From nothing, optuna ends on MariaDB at v2.4.0.a, by hand as well: see below.
HISTORIES = (
    # Its old values are FLOAT, of which mariadb-dump writes six digits only.
    ServerHistory(
        OPTUNA, PYMYSQL, "v2.6.0.a", "v3.2.0.a", (program(OPTUNA_OLD),), OPTUNA_CODES,
    ),
    ServerHistory(
        *QUETZ, "a80fb051a659", "3ba25f23fb7d", (at("a80fb051a659"), sql(QUETZ_OLD)),
        frozenset({"drift", "changed-values"}),
    ),
    ServerHistory(
        *PREFECT, "7a73514ca2d6", "d4a7e1c93f52", (at("7a73514ca2d6"), sql(PREFECT_OLD)),
        frozenset({"dropped-table"}), NOTIFICATIONS,
    ),
)  # fmt: skip


@pytest.fixture(scope="session")
def postgres_with_icu() -> Iterator[PostgresServer]:
    server = started(lambda: PostgresServer(debian_bin(15)))
    yield server
    server.close()


@contextmanager
def two_databases(history: ServerHistory, server: Server, folder: Path) -> Iterator[ServerProject]:
    """The project of a history, both its databases at the start."""
    python = interpreter(history.package)
    with swept(server):
        dev, prod = (ServerDatabase(server, server.create_database()) for _ in range(2))
        set_up(history.configuration, python, folder)
        made = ServerProject(folder, python, dev, prod, history.driver)
        for place in made.places:
            for each in history.making:
                each(made, place)
        yield made


def rows(place: ServerDatabase) -> dict[str, int]:
    """How many rows each table has, Alembic's and ours apart."""
    schema = "'public'" if place.url().startswith("postgresql") else "DATABASE()"
    tables = place.execute(
        "SELECT table_name FROM information_schema.tables"
        f" WHERE table_schema = {schema} AND table_type = 'BASE TABLE'"
    )
    names = sorted(str(name) for (name,) in tables)
    quote = '"' if "public" in schema else "`"
    return {
        name: place.execute(f"SELECT count(*) FROM {quote}{name}{quote}")[0][0]
        for name in names
        if name != "alembic_version"
    }


def copies_left(server: Server) -> list[str]:
    """The throw-away databases that are left on the server."""
    return [name for name in server.databases() if name.startswith("migrations_ops_copy")]


@pytest.mark.parametrize("history", HISTORIES, ids=str)
def test_old_database_on_a_server_is_released_to_head_and_restored(
    history: ServerHistory, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(history.server)
    with two_databases(history, server, tmp_path / "project") as project:
        prod, before = project.prod_database, rows(project.prod_database)

        # The project's own scripts are not the place for a comment.
        dropped = [f"--allow=dropped-table:{name}" for name in sorted(history.dropped)]
        ran = project.invoke("release-migration", "--json", *dropped)

        assert ran.code == 0, ran.err
        assert not [each for each in ran.json["findings"] if each["severity"] == "error"]
        assert {finding["code"] for finding in ran.json["findings"]} == history.codes
        surviving = {name: count for name, count in before.items() if name not in history.dropped}
        for place in project.places:
            assert place.execute(VERSION) == [(history.head,)]
            assert surviving.items() <= rows(place).items()
        status = project.invoke("status-all", "--check", "--json")
        assert status.code == 0, status.err
        assert [row["state"] for row in status.json["environments"]] == ["at head", "at head"]
        again = project.invoke("release-migration", "--json")
        assert (again.code, again.json["outcome"]) == (0, "nothing to do"), again.err
        assert not copies_left(server)

        back = project.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")

        assert back.code == 0, back.err
        assert rows(prod) == before
        assert prod.execute(VERSION) == [(history.start,)]
        assert not copies_left(server)


def test_history_that_mariadb_breaks_half_way_is_put_back(mariadb: Server, tmp_path: Path) -> None:
    """By hand, half of v2.4.0.a stays there, and each retry fails in another place."""
    history = ServerHistory(OPTUNA, PYMYSQL, "v1.3.0.a", "", (at("v1.3.0.a"),), frozenset())
    with two_databases(history, mariadb, tmp_path / "project") as project:
        before = [rows(place) for place in project.places]

        ran = [project.invoke("release-migration", "--json") for _ in range(2)]

        for each in ran:
            assert (each.code, each.json["outcome"]) == (3, "failed, restored"), each.err
            assert each.json["error"]["what"] == (
                "The upgrade of dev failed in revision v2.4.0.a:"
                " OperationalError: Key column 'step' doesn't exist in table."
            )
        for place, old in zip(project.places, before, strict=True):
            assert rows(place) == old
            assert place.execute(VERSION) == [("v1.3.0.a",)]
        by_hand = [project.plain_upgrade(project.dev_database, "head") for _ in range(2)]
        assert "Key column 'step' doesn't exist" in by_hand[0].err
        assert "Unknown column 'studies.direction'" in by_hand[1].err
