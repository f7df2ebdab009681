"""Real projects on PostgreSQL and MariaDB, by their own drivers, from rows of an old revision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.corpus.support import interpreter, set_up
from tests.servers.databases import Server, ServerDatabase, swept
from tests.support import Sandbox

VERSION = "SELECT version_num FROM alembic_version"
# What optuna's revisions read: trials whose number is an attribute, and values beyond a float's.
OPTUNA_OLD = """\
INSERT INTO studies VALUES (1, 'old', 'MINIMIZE');
INSERT INTO trials (trial_id, study_id, state, value) VALUES
    (1, 1, 'COMPLETE', 0.25), (2, 1, 'COMPLETE', 1.5), (3, 1, 'FAIL', NULL);
INSERT INTO trial_params VALUES (1, 1, 'x', 0.5,
    '{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO trial_system_attributes VALUES (1, 1, '_number', '0'), (2, 2, '_number', '1'),
    (3, 3, '_number', '2'), (4, 1, 'kept', '{}');
INSERT INTO trial_values VALUES (1, 1, 0, 0.75), (2, 2, 0, NULL);
INSERT INTO version_info VALUES (1, 1, '0.9.0')"""
# The application's own API, on a database that is one revision behind its models.
OPTUNA_API = """\
import os, optuna
storage = optuna.storages.RDBStorage(
    os.environ["URL"], skip_compatibility_check=True, skip_table_creation=True)
study = optuna.create_study(storage=storage, study_name="made by the application")
for number in range(30):
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    trial.set_user_attr("note", "naïve 文字 %d" % number)
    trial.report(float("inf") if number == 3 else number / 7, 1)
    study.tell(trial, float("inf") if number == 4 else trial.params["x"])
print(len(study.trials))
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
    SELECT 'run of ' || name, id, '{"x": 1.5}' FROM flow"""


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

    @property
    def places(self) -> tuple[ServerDatabase, ServerDatabase]:
        return self.dev_database, self.prod_database


@dataclass(frozen=True)
class ServerHistory:
    """A project on a server, where its databases start, and what its release has to end with.

    ``start`` is the old revision at which ``rows`` are put in; None for two empty databases.
    ``fewer`` are tables in which rows go on purpose, with what is left. ``codes`` are the findings
    that a reader is shown.
    """

    configuration: str
    driver: str
    head: str
    start: str | None
    rows: str
    codes: frozenset[str]
    fewer: tuple[tuple[str, int | None], ...] = ()

    @property
    def package(self) -> str:
        return self.configuration.partition("-")[0]

    def __str__(self) -> str:
        return f"{self.package}, {self.driver}, {self.start or 'empty'}"


OPTUNA = "optuna-on-servers"
PSYCOPG2, PYMYSQL = "postgresql+psycopg2", "mysql+pymysql"
QUETZ, PREFECT = ("quetz-on-servers", PSYCOPG2), ("prefect-on-servers", "postgresql+asyncpg")
HISTORIES = (
    ServerHistory(OPTUNA, PSYCOPG2, "v3.2.0.a", None, "", frozenset()),
    ServerHistory(OPTUNA, PSYCOPG2, "v3.2.0.a", "v0.9.0.a", OPTUNA_OLD, frozenset(),
                  (("trial_system_attributes", 1),)),
    ServerHistory(OPTUNA, PSYCOPG2, "v3.2.0.a", "v3.0.0.d", OPTUNA_API, frozenset()),
    ServerHistory(OPTUNA, PYMYSQL, "v3.2.0.a", None, "", frozenset()),
    ServerHistory(OPTUNA, PYMYSQL, "v3.2.0.a", "v0.9.0.a", OPTUNA_OLD, frozenset(),
                  (("trial_system_attributes", 1),)),
    ServerHistory(OPTUNA, PYMYSQL, "v3.2.0.a", "v3.0.0.d", OPTUNA_API, frozenset()),
    ServerHistory(*QUETZ, "3ba25f23fb7d", None, "", frozenset()),
    ServerHistory(*QUETZ, "3ba25f23fb7d", "a80fb051a659", QUETZ_OLD, frozenset()),
    ServerHistory(*PREFECT, "d4a7e1c93f52", None, "", frozenset()),
    ServerHistory(*PREFECT, "d4a7e1c93f52", "7a73514ca2d6", PREFECT_OLD, frozenset()),
)  # fmt: skip


@pytest.fixture(params=HISTORIES, ids=str)
def history(request: pytest.FixtureRequest) -> ServerHistory:
    found: ServerHistory = request.param
    return found


@pytest.fixture
def project(
    history: ServerHistory, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[ServerProject]:
    """The project of the history, both its databases at the start."""
    python = interpreter(history.package)
    kind = "postgres" if history.driver.startswith("postgresql") else "mariadb"
    server: Server = request.getfixturevalue(kind)
    with swept(server):
        places = [ServerDatabase(server, server.create_database()) for _ in range(2)]
        plain = set_up(history.configuration, python, tmp_path / history.package)
        made = ServerProject(plain.folder, python, *places, history.driver)
        if history.start is not None:
            bring_to(history.start, made)
            for place in places:
                fill(history, made, place)
        yield made


def bring_to(revision: str, project: ServerProject) -> None:
    """Both databases, by what the project itself offers, as without this tool."""
    if project.driver.endswith("asyncpg"):
        program = str(project.python.parent / "prefect")
        argv = [program, "server", "database", "upgrade", "-y", "-r", revision]
    else:
        argv = [str(project.python), "-m", "alembic", "-c", "plain.ini", "upgrade", revision]
    ini = (project.folder / "alembic.ini").read_text(encoding="utf-8")
    for place in project.places:
        url = place.url(project.driver)
        project.write("plain.ini", ini.replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {url}\n", 1))
        home = str(project.folder / "home")
        variables = {"PREFECT_API_DATABASE_CONNECTION_URL": url, "PREFECT_HOME": home}
        ran = project.run(*argv, cwd=None, HOME=home, **variables)
        assert ran.code == 0, ran.err + ran.out
    (project.folder / "plain.ini").unlink()


def fill(history: ServerHistory, project: ServerProject, place: ServerDatabase) -> None:
    if history.rows.startswith("import "):
        url = place.url(project.driver)
        ran = project.run(str(project.python), "-c", history.rows, cwd=None, URL=url)
        assert (ran.code, ran.out) == (0, "30\n"), ran.err
        return
    for statement in history.rows.split(";\n"):
        place.execute(statement)


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


def state(project: ServerProject) -> list[str]:
    ran = project.invoke("status-all", "--json")
    assert ran.code == 0, ran.err
    return [str(each["state"]) for each in ran.json["environments"]]


def test_old_database_on_a_server_is_released_to_head_and_can_be_restored(
    history: ServerHistory, project: ServerProject
) -> None:
    server = project.prod_database.server
    before = rows(project.prod_database)

    ran = project.invoke("release-migration", "--json")

    print(ran.err[-6000:])
    print(ran.out[:3000])
    assert ran.code == 0, ran.err
    print({finding["code"] for finding in ran.json["findings"]})
    for place in project.places:
        assert place.execute(VERSION) == [(history.head,)]
        after = rows(place)
        print({k: (v, after.get(k)) for k, v in before.items() if v!= after.get(k)})
    assert state(project) == ["at head", "at head"]
    again = project.invoke("release-migration", "--json")
    assert (again.code, again.json["outcome"]) == (0, "nothing to do"), again.err
    ran = project.invoke("verify", "--env", "prod")
    assert ran.code == 0, ran.err
    if history.start is not None:
        back = project.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
        assert back.code == 0, back.err
        assert rows(project.prod_database) == before
        assert project.prod_database.execute(VERSION) == [(history.start,)]
    assert not [name for name in server.databases() if name.startswith("migrations_ops_copy")]
    assert 0
