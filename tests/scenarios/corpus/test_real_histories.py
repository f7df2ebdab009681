"""Real projects, from the database of an old release to head, by configuration alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scenarios.corpus.support import (
    HERE,
    TASKS,
    RealProject,
    content,
    interpreter,
    pragma,
    rows,
    set_up,
)
from tests.support import REPOSITORY, dump, query

# Real projects, in virtual environments of their own.
pytestmark = pytest.mark.slow

VERSION = "SELECT version_num FROM alembic_version"
MAILMAN_FILES = ("data/dev/data/mailman.db", "data/prod/data/mailman.db")


@dataclass(frozen=True)
class History:
    """One old database, and what its release has to end with.

    ``codes`` are the findings that a reader is shown on the way; ``dropped`` the tables that the
    project has given up. ``plain`` and ``variables`` are what an upgrade by hand needs; () where
    it would not come to the same content twice.
    """

    configuration: str
    package: str
    old: str
    head: str
    codes: frozenset[str]
    dropped: frozenset[str] = frozenset()
    files: tuple[str, str] = ("data/dev.db", "data/prod.db")
    plain: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    def set_up(self, folder: Path) -> RealProject:
        project = set_up(self.configuration, interpreter(self.package), folder, self.files)
        project.fill(self.old, self.old)
        return project


HISTORIES = (
    History(
        "optuna", "optuna", "optuna-2.10.1.db", "v3.2.0.a",
        # The models want another index; a downgrade of optuna's own has rotted; a revision
        # writes values anew.
        frozenset({"drift", "downgrade-fails", "changed-values"}),
        plain=("-c", "plain.ini", "upgrade", "head"),
    ),
    History(
        "quetz", "quetz", "quetz-0.4.4.db", "3ba25f23fb7d",
        frozenset({"drift"}),
        plain=("-c", "plain.ini", "upgrade", "quetz@head"),
    ),
    History(
        "quetz-own-file", "quetz", "quetz-0.4.4.db", "3ba25f23fb7d",
        frozenset({"drift"}),
        plain=("-c", "alembic.ini", "-x", "quetzConfig=quetz.prod.toml", "upgrade", "heads"),
    ),
    History(
        "mailman", "mailman", "mailman-3.3.0.db", "8cc1f79f4459",
        # A rebuild drops the checks that SQLAlchemy gave booleans until 1.4.
        frozenset({"drift", "downgrade-not-inverse", "lost-check"}),
        files=MAILMAN_FILES,
        plain=("-c", "alembic.ini", "upgrade", "head"),
        variables=(("MAILMAN_CONFIG_FILE", "prod.cfg"),),
    ),
    History(
        "prefect", "prefect", "prefect-2.13.8.db", "a3b9c7d2e5f1",
        # Its own command upgrades: nobody can tell whether others wrote meanwhile.
        frozenset({"dropped-column", "dropped-table", "rows-not-compared", "unchecked"}),
        dropped=frozenset({"flow_run_notification_policy", "flow_run_notification_queue"}),
    ),
)  # fmt: skip


@pytest.fixture
def optuna(tmp_path: Path) -> RealProject:
    return set_up("optuna", interpreter("optuna"), tmp_path / "optuna")


@pytest.fixture
def mailman(tmp_path: Path) -> RealProject:
    project = set_up("mailman", interpreter("mailman"), tmp_path / "mailman", MAILMAN_FILES)
    project.fill("mailman-3.3.0.db", "mailman-3.3.0.db")
    return project


def give_url(project: RealProject) -> None:
    """An ini with the URL in it, as plain Alembic needs one."""
    text = (project.folder / "alembic.ini").read_text(encoding="utf-8")
    url = f"[alembic]\nsqlalchemy.url = sqlite:///{project.files[1]}\n"
    project.write("plain.ini", text.replace("[alembic]\n", url, 1))


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.configuration)
def test_old_database_is_released_to_head_by_configuration_alone(
    history: History, tmp_path: Path
) -> None:
    project = history.set_up(tmp_path / "ours")
    before, old_rows = dump(project.prod), rows(project.prod)

    ran = project.invoke("release-migration", "--json")

    assert ran.code == 0, ran.err
    assert ran.json["outcome"] == "released"
    assert {finding["code"] for finding in ran.json["findings"]} == history.codes
    assert not [each for each in ran.json["findings"] if each["severity"] == "error"]
    surviving = {name: count for name, count in old_rows.items() if name not in history.dropped}
    for file in (project.dev, project.prod):
        assert query(file, VERSION) == [(history.head,)]
        assert pragma(file, "integrity_check") == [("ok",)]
        assert pragma(file, "foreign_key_check") == []
        assert surviving.items() <= rows(file).items()
    for name in ran.json["backups"]:
        assert dump(project.folder / "data/backups" / name) == before
    assert len(ran.json["backups"]) == 2
    assert project.databases() == set(history.files)

    status = project.invoke("status-all", "--check", "--json")
    assert status.code == 0, status.err
    assert [row["state"] for row in status.json["environments"]] == ["at head", "at head"]
    again = project.invoke("release-migration", "--json")
    assert (again.code, again.json["outcome"]) == (0, "nothing to do"), again.err

    if history.plain:
        by_hand = history.set_up(tmp_path / "by-hand")
        give_url(by_hand)
        ran = by_hand.plain_alembic(*history.plain, **dict(history.variables))
        assert ran.code == 0, ran.err
        assert content(project.prod) == content(by_hand.prod)


# -- optuna 2.0.0: what only production's age holds -----------------------------------------


def test_plain_alembic_leaves_the_oldest_database_broken_for_good(optuna: RealProject) -> None:
    """Why a rehearsal: with the unchanged env.py a failure is not undone, and stays."""
    optuna.fill(None, "optuna-2.0.0.db")
    give_url(optuna)
    before = rows(optuna.prod)

    first = optuna.plain_alembic("-c", "plain.ini", "upgrade", "head")

    assert first.code != 0
    assert "no such column: direction" in first.err
    assert len(rows(optuna.prod).keys() - before.keys()) == 2
    assert query(optuna.prod, VERSION) == [("v1.3.0.a",)]
    broken = dump(optuna.prod)
    retry = optuna.plain_alembic("-c", "plain.ini", "upgrade", "head")
    assert retry.code != 0
    assert dump(optuna.prod) == broken


def test_history_that_only_production_breaks_is_stopped_by_the_rehearsal(
    optuna: RealProject,
) -> None:
    optuna.fill("optuna-2.10.1.db", "optuna-2.0.0.db")
    before = dump(optuna.prod)

    ran = optuna.invoke("release-migration", "--json")

    assert ran.code == 1, ran.err
    assert ran.json["outcome"] == "refused"
    assert ran.json["error"]["what"] == (
        "The rehearsal on a copy of prod failed in revision v2.4.0.a:"
        " OperationalError: no such column: direction."
    )
    assert ran.json["error"]["untouched"] == "prod itself was not touched."
    # The place is in the revision, not in the library that raised.
    assert "v2.4.0.a.py:" in ran.json["error"]["next"]
    assert "Traceback" not in ran.err
    assert dump(optuna.prod) == before
    assert query(optuna.dev, VERSION) == [("v3.2.0.a",)]
    assert optuna.databases() == {"data/dev.db", "data/prod.db"}
    steps = [(step["name"], step["environment"]) for step in ran.json["steps"]]
    assert ("back up", "prod") in steps
    assert ("upgrade", "prod") not in steps


def test_history_that_breaks_on_dev_leaves_dev_as_it_was(optuna: RealProject) -> None:
    optuna.fill("optuna-2.0.0.db", "optuna-2.0.0.db")
    before = dump(optuna.dev)

    ran = [optuna.invoke("release-migration", "--json") for _ in range(2)]

    for each in ran:
        assert each.code == 3, each.err
        assert each.json["outcome"] == "failed, unchanged"
        assert each.json["error"]["what"] == (
            "The upgrade of dev failed in revision v2.4.0.a:"
            " OperationalError: no such column: direction."
        )
        assert dump(optuna.dev) == before
        assert dump(optuna.prod) == before
        assert {step["environment"] for step in each.json["steps"]} == {"all", "dev"}


# -- mailman: a variable decides, and a missing one makes a fresh database -------------------


def test_plain_alembic_without_the_variable_makes_a_fresh_database(mailman: RealProject) -> None:
    """Why the proof of destination: exit code 0, and nothing happened to the database meant."""
    before = dump(mailman.prod)
    for command in ("current", "stamp head"):
        ran = mailman.plain_alembic("-c", "alembic.ini", *command.split())
        assert ran.code == 0, ran.err
    assert dump(mailman.prod) == before
    assert query(mailman.folder / "var/data/mailman.db", VERSION) == [("8cc1f79f4459",)]


def test_missing_variable_is_refused_before_anything_starts(mailman: RealProject) -> None:
    old = 'variables = { MAILMAN_CONFIG_FILE = "prod.cfg" }'
    mailman.replace("migrations_ops.toml", old, 'pass = ["MAILMAN_CONFIG_FILE"]')
    before = dump(mailman.prod)
    ran = mailman.invoke("release-migration", "--json")
    assert ran.code == 2, ran.err
    assert ran.json["error"]["what"] == (
        "The variable MAILMAN_CONFIG_FILE, which prod passes on, is not set."
    )
    assert "Nothing was started." in ran.err
    assert dump(mailman.dev) == dump(mailman.prod) == before
    assert mailman.databases() == set(MAILMAN_FILES)
    assert not (mailman.folder / "data/backups").exists()
    assert not (mailman.folder / "var").exists()
    assert not list(mailman.folder.glob("data/releases/*/*.log")), "a child was started"


@pytest.mark.parametrize(
    ("new", "opened"),
    [
        ('variables = { MAILMAN_CONFIG_FILE = "dev.cfg" }', "the database of dev"),
        ('drift = "off"', "the database"),
    ],
    ids=["the file of another environment", "no variable at all"],
)
def test_application_file_that_leads_elsewhere_is_refused(
    mailman: RealProject, new: str, opened: str
) -> None:
    mailman.replace("migrations_ops.toml", 'variables = { MAILMAN_CONFIG_FILE = "prod.cfg" }', new)
    before = dump(mailman.prod)

    ran = mailman.invoke("release-migration", "--json")

    assert ran.code == 1, ran.err
    place = mailman.dev if "dev" in opened else mailman.folder / "var/data/mailman.db"
    comma = "," if "dev" in opened else ""
    assert ran.json["error"]["what"] == (
        f"The rehearsal on a copy of prod failed: env.py opened {opened}{comma} {place},"
        f" but prod is {mailman.prod}."
    )
    assert "environments.prod in migrations_ops.toml" in ran.json["error"]["next"]
    assert dump(mailman.prod) == before
    assert query(mailman.dev, VERSION) == [("8cc1f79f4459",)]
    assert mailman.databases() == set(MAILMAN_FILES)


def test_first_environment_that_leads_elsewhere_is_refused(mailman: RealProject) -> None:
    mailman.replace("migrations_ops.toml", '"dev.cfg"', '"no-such.cfg"')
    before = dump(mailman.dev)
    ran = mailman.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert "env.py opened the database" in ran.json["error"]["what"]
    assert dump(mailman.dev) == dump(mailman.prod) == before
    assert mailman.databases() == set(MAILMAN_FILES)


# -- the documentation ----------------------------------------------------------------------


def test_page_shows_the_configurations_that_these_tests_run() -> None:
    page = (REPOSITORY / "docs/real-projects.md").read_text(encoding="utf-8")
    shown = {"tasks.py": TASKS}
    for file in (HERE / "projects").rglob("*"):
        if file.is_file():
            name = file.relative_to(HERE / "projects").as_posix()
            shown[name] = file.read_text(encoding="utf-8")
    assert len(shown) > 10
    for name, text in shown.items():
        block = f"`{name}`\n\n```{name.rpartition('.')[2]}\n{text}```\n"
        assert block in page, f"docs/real-projects.md does not show {name} as it is"
