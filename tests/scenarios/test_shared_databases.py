"""Several Alembic projects in one database, each with its own version table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small import Scripts, configure, make_small, tables
from tests.support import Sandbox, dump, query

NAMES = ("dev-a", "dev-b", "prod-a", "prod-b")


def keys(part: str) -> str:
    return f'section = "{part}"\nversion_table = "version_{part}"'


def states(project: Sandbox) -> dict[str, str]:
    rows = project.invoke("status-all", "--json").json["environments"]
    return {each["name"]: each["state"] for each in rows}


@pytest.fixture
def sections(tmp_path: Path) -> tuple[Sandbox, Scripts, Scripts]:
    """Two sections of one ini, whose environments share dev.db and prod.db."""
    project, _ = make_small(tmp_path / "small")
    parts = [Scripts(project, f"scripts_{each}", f"version_{each}") for each in "ab"]
    project.write(
        "alembic.ini",
        "".join(f"[{each}]\nscript_location = %(here)s/scripts_{each}\n" for each in "ab"),
    )
    for part in parts:
        part.write()
    environments = [(name, f"{name[:-2]}.db", keys(name[-1])) for name in NAMES]
    configure(project, environments)
    return project, parts[0], parts[1]


@pytest.mark.slow
def test_each_section_has_a_path_of_its_own(sections: tuple[Sandbox, Scripts, Scripts]) -> None:
    project, one, two = sections
    one.table("a1", None)
    two.table("b1", None)
    ran = project.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert set(states(project).values()) == {"at head"}
    one.table("a2", "a1")
    two.table("b2", "b1")
    assert set(states(project).values()) == {"behind"}
    # One side alone, and what passed dev-a opens prod-a, and nothing else.
    assert project.invoke("upgrade-prod-a").code == 1
    ran = project.invoke("upgrade-dev-a", "verify", "--env", "dev-a", "upgrade-prod-a")
    assert ran.code == 0, ran.err
    assert project.invoke("upgrade-prod-b").code == 1
    ran = project.invoke("release-migration", *("verify", "--env", "prod-b"), "verify")
    assert ran.code == 0, ran.err
    for file in ("dev.db", "prod.db"):
        assert tables(project.folder / file) == {"t_a1", "t_a2", "t_b1", "t_b2"}
    assert project.invoke("downgrade", "--env", "dev-b", "--to", "b1").code == 0
    assert states(project) == dict.fromkeys(NAMES, "at head") | {"dev-b": "behind"}


def test_a_failure_of_the_second_section_leaves_the_first_as_it_was(
    sections: tuple[Sandbox, Scripts, Scripts],
) -> None:
    """The database did not exist when the release began: a failure must not remove it."""
    project, one, two = sections
    one.table("a1", None)
    two.revision("b1", None, 'op.execute("SELECT * FROM nowhere")')
    ran = project.invoke("release-migration")
    assert ran.code == 3, ran.err
    assert tables(project.folder / "dev.db") == {"t_a1"}
    assert states(project)["dev-a"] == "at head"
    assert states(project)["dev-b"] == "empty"


def test_one_version_table_for_two_sections_is_refused(
    sections: tuple[Sandbox, Scripts, Scripts],
) -> None:
    project, *_ = sections
    text = (project.folder / "pyproject.toml").read_text()
    project.configure(text.replace("version_b", "version_a"))
    ran = project.invoke("release-migration")
    assert ran.code == 2
    assert "would share the table version_a" in ran.err


@pytest.mark.slow
def test_two_projects_of_one_database_do_not_know_of_each_other(tmp_path: Path) -> None:
    sides = []
    for each in "ab":
        project, scripts = make_small(tmp_path / each)
        scripts = Scripts(project, version_table=f"version_{each}")
        scripts.write()
        more = f'version_table = "version_{each}"'
        files = [(f"{name}{each}", f"../{name}.db", more) for name in ("dev", "prod")]
        configure(project, files)
        sides.append((project, scripts))
    for number in (1, 2):
        for (project, scripts), each in zip(sides, "ab", strict=True):
            scripts.table(f"{each}{number}", f"{each}1" if number > 1 else None)
            ran = project.invoke("release-migration")
            assert ran.code == 0, ran.err
    assert tables(tmp_path / "prod.db") == {"t_a1", "t_a2", "t_b1", "t_b2"}
    # Each still recognises what is edited on its own side.
    project, scripts = sides[0]
    scripts.revision("a2", "a1", "pass")
    assert "revision a2 was edited" in project.invoke("verify").err
    assert sides[1][0].invoke("verify").code == 0


def test_a_database_with_tables_of_nobody_is_still_unversioned(tmp_path: Path) -> None:
    project, scripts = make_small(tmp_path / "small")
    scripts.table("r1", None)
    query(project.folder / "dev.db", "CREATE TABLE version_num (version_num TEXT)")
    query(project.folder / "dev.db", "CREATE TABLE other (id INTEGER)")
    before = dump(project.folder / "dev.db")
    ran = project.invoke("release-migration")
    assert ran.code == 1
    assert "has tables but no version" in ran.err
    assert dump(project.folder / "dev.db") == before
