"""The proof of destination on SQLite, whose files have many names, and are made by opening them."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import indent

from tests.contract.child.engines import cases, on
from tests.contract.child.env_ways import connects, listens
from tests.contract.child.project import R1, R2, USUAL, ChildProject, Ran
from tests.contract.child.steps import revision_of, write_env
from tests.support import R2 as BEFORE
from tests.support import R3 as HEAD
from tests.support import Sandbox, dump, query

PROD = "prod = os.environ['PROD']\n"
OTHER, FRESH = "the database of prod", "fresh.db"
# Endings of env.py that go where they should not, and what the refusal names.
ASTRAY = {
    "the other environment by a link": (
        f"{PROD}os.symlink(prod, 'link.db')\nurl = 'sqlite:///link.db'{USUAL}",
        OTHER,
    ),
    "the other environment by a URI": (
        f"{PROD}url = f'sqlite:///file:{{prod}}?mode=rw&uri=true'{USUAL}",
        OTHER,
    ),
    "the other environment by a Connection": (
        f"{PROD}import sqlite3\n"
        + connects("create_engine('sqlite://', creator=lambda: sqlite3.Connection(prod))"),
        OTHER,
    ),
    "the other environment, and swallows that": (
        f"{PROD}url = 'sqlite:///' + prod\n"
        f"try:{indent(USUAL, '    ')}except BaseException:\n    pass\n",
        OTHER,
    ),
    "a fresh file in the working directory": (f"url = 'sqlite:///fresh.db'{USUAL}", FRESH),
    "a fresh file with a header": (
        "url = 'sqlite:///fresh.db'\n"
        + listens("connect", "driver, record", "driver.execute('PRAGMA journal_mode=WAL')")
        + connects("engine"),
        FRESH,
    ),
    "memory": (f"url = 'sqlite://'{USUAL}", "in memory"),
    "a temporary file": (f"url = 'sqlite:///file:?uri=true'{USUAL}", "in memory"),
}


def run_beside(project: ChildProject) -> tuple[Ran, ChildProject]:
    """Upgrade beside another environment, which must stay as it is."""
    prod = project.beside()
    before = prod.everything()
    others = {"prod": prod.identity}
    ran = project.run(variables={"PROD": prod.database.name}, others=others)
    assert prod.everything() == before
    return ran, prod


@cases("given", {"sqlite": ASTRAY})
def test_env_that_goes_astray_is_refused_before_anything_is_written(
    project: ChildProject, given: tuple[str, str]
) -> None:
    ending, named = given
    project.write_env(ending)
    project.add_revision(R2, R1, project.engine.work)
    before, files = project.everything(), set(os.listdir(project.folder))
    ran, prod = run_beside(project)
    assert named in ran.refused
    assert project.everything() == before
    left = set(os.listdir(project.folder)) - files - {Path(prod.database.name).name}
    assert left <= {"alembic.ini", "child.log", "link.db"}


def test_refused_upgrade_ends_with_1_and_makes_no_database(shop: Sandbox) -> None:
    write_env(shop, "url = 'sqlite:///fresh.db'\n" + connects())
    ran = shop.invoke("upgrade-dev", "--json")
    assert ran.code == 1, ran.err
    assert ran.json["outcome"] == "refused"
    assert FRESH in ran.json["error"]["what"]
    assert "Traceback" not in ran.err
    assert not shop.dev.exists()
    assert not (shop.folder / FRESH).exists()


# What makes a file that is not ours to remove, and where env.py then goes.
KEPT = {
    "filled before": ("CREATE TABLE kept (id)", ""),
    "empty": ("", ""),
    "filled by env.py": (
        "",
        "__import__('sqlite3').connect({!r}).execute('CREATE TABLE kept (id)')\n",
    ),
}


@cases("given", {"sqlite": KEPT})
def test_file_that_was_there_before_is_left_alone(
    project: ChildProject, given: tuple[str, str]
) -> None:
    sql, fills = given
    file = project.folder / "kept.db"
    if not fills:
        file.touch()
    if sql:
        query(file, sql)
    project.write_env(f"{fills.format('kept.db')}url = 'sqlite:///kept.db'{USUAL}")
    assert "kept.db" in project.run().refused
    tables = query(file, "SELECT name FROM sqlite_master")
    assert tables == ([("kept",)] if sql or fills else [])


@cases(
    "ending",
    {
        "sqlite": {
            "a link": f"os.symlink(file, 'link.db')\nurl = 'sqlite:///link.db'{USUAL}",
            "a URI": f"url = f'sqlite:///file:{{file}}?uri=true'{USUAL}",
            "a relative path": f"url = 'sqlite:///' + os.path.relpath(file){USUAL}",
            "beside a file of its own": (
                f"__import__('sqlite3').connect('own.db').execute('CREATE TABLE c (id)'){USUAL}"
            ),
        }
    },
)
def test_intended_database_is_known_by_any_of_its_names(project: ChildProject, ending: str) -> None:
    project.write_env(f"file = url.partition(':///')[2]\n{ending}")
    project.add_revision(R2, R1, project.engine.work)
    ran = project.run()
    assert (ran.refused, ran.failure, project.revision()) == ("", "", R2)


# -- what a revision reaches by itself ---------------------------------------------------------

CHANGES = "UPDATE shops SET name = 7"
BY_CONNECT = f"    import sqlite3\n    sqlite3.connect({{prod!r}}).executescript('{CHANGES}')"
BY_ENGINE = (
    "    with sa.create_engine('sqlite:///' + {prod!r}).begin() as other:\n"
    f"        other.execute(sa.text('{CHANGES}'))"
)
BY_CONNECTION = BY_CONNECT.replace("connect(", "Connection(")
THERE = f"    op.execute('{CHANGES.replace('shops', 'other.shops')}')"
BY_ATTACH = f"    op.execute(\"ATTACH '{{prod}}' AS other\")\n{THERE}"
BY_PARAMETER = (
    "    op.get_bind().execute(sa.text('ATTACH :file AS other'), {{'file': {prod!r}}})\n" + THERE
)
REACHING = {
    "connect": (BY_CONNECT, OTHER),
    "engine": (BY_ENGINE, OTHER),
    "ATTACH": (BY_ATTACH, OTHER),
    "ATTACH with a parameter": (BY_PARAMETER, "must be a literal in the statement"),
}


@cases("given", {"sqlite": REACHING})
def test_revision_cannot_reach_another_environment(
    project: ChildProject, given: tuple[str, str]
) -> None:
    body, refusal = given
    prod = project.beside()
    before = project.everything()
    project.add_revision(R2, R1, body.format(prod=prod.database.name))
    ran = project.run(others={"prod": prod.identity})
    assert refusal in ran.refused + ran.failure
    assert project.everything() == prod.everything() == before


@on("sqlite")
def test_revision_may_attach_a_file_of_its_own(project: ChildProject) -> None:
    query(project.folder / "names.db", "CREATE TABLE names (id, name)")
    project.add_revision(
        R2,
        R1,
        "    op.execute(\"ATTACH 'names.db' AS names\")\n"
        '    op.execute("UPDATE shops SET name = (SELECT count(*) FROM names.names)")',
    )
    assert project.run().failure == ""
    assert project.names() == ["0"] * 3


# What a rehearsed revision may try in order to reach its own database by its real name; it must
# arrive at the copy, or be refused.
LED = {
    "connect": BY_CONNECT,
    "connect from dbapi2": (
        "    from sqlite3.dbapi2 import connect\n"
        "    connect('file:{prod}?mode=rw', uri=True)"
        f".executescript('{CHANGES}')"
    ),
    "engine": BY_ENGINE,
}
REFUSED = {"Connection": BY_CONNECTION, "ATTACH": BY_ATTACH}


@cases(
    "given",
    {
        "sqlite": {
            **{way: (code, True) for way, code in LED.items()},
            **{way: (code, False) for way, code in REFUSED.items()},
        }
    },
)
def test_rehearsal_keeps_every_connection_off_the_real_database(
    project: ChildProject, given: tuple[str, bool]
) -> None:
    body, arrives = given
    before = project.everything()
    # By env.py: while a revision is at work, the copy cannot be written by another connection.
    if arrives:
        code = "\n".join(line[4:] for line in body.format(prod=project.database.name).splitlines())
        project.write_env(f"import sqlalchemy as sa\n{code}\n{USUAL}")
        project.add_revision(R2, R1, "    pass")
    else:
        project.add_revision(R2, R1, body.format(prod=project.database.name))
    scratch = project.beside()
    ran = project.rehearse(scratch)
    assert project.everything() == before
    scratch_is_changed = scratch.names() == ["7"] * 3
    assert (ran.failure, scratch_is_changed) == ("", arrives)
    assert ("this is the rehearsal" in ran.refused) is not arrives


def test_revision_that_writes_into_the_real_file_is_stopped_by_the_rehearsal(
    filled: Sandbox,
) -> None:
    """End to end: dev lets it pass, since its own code only acts in production."""
    filled.add_revision(
        "r4",
        HEAD,
        "    import os, sqlite3\n"
        '    if os.environ["EXEC_ENV"] == "prod":\n'
        f"        sqlite3.Connection({str(filled.prod)!r}).execute('DROP TABLE children')",
    )
    before = dump(filled.prod)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert ran.json["steps"][-1]["name"] == "rehearse"
    assert dump(filled.prod) == before
    assert (revision_of(filled.dev), revision_of(filled.prod)) == ("r4", BEFORE)
