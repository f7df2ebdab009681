"""What a database has run is compared with the scripts as they are now."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.small import Scripts, make_small, tables, upgrade_by_application
from tests.support import Ran, Sandbox, query


@pytest.fixture
def small(tmp_path: Path) -> tuple[Sandbox, Scripts]:
    return make_small(tmp_path / "small")


def advice_of(ran: Ran) -> str:
    """The last line of a refusal: what to do next."""
    return ran.err.rstrip().splitlines()[-1]


# -- a revision that was put before one that ran --------------------------------------------------


@pytest.fixture
def spliced(small: tuple[Sandbox, Scripts]) -> tuple[Sandbox, Scripts]:
    """r1 and r3 are released; then r2 is put between them."""
    project, scripts = small
    scripts.table("r1", None)
    scripts.table("r3", "r1")
    assert project.invoke("release-migration").code == 0
    scripts.table("r2", "r1")
    scripts.table("r3", "r2")
    return project, scripts


def test_a_revision_put_before_one_that_ran_is_named_by_verify_and_stops_a_release(
    spliced: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = spliced
    scripts.table("r4", "r3")
    for call in (["verify"], ["verify", "--env", "prod"], ["release-migration"], ["upgrade-dev"]):
        ran = project.invoke(*call)
        assert ran.code == 1, ran.out
        assert "r2 comes before r3" in ran.err
        assert "never ran there" in ran.err
        assert "downgrade" not in ran.err
    # The consent to the edit does not hide the hole.
    ran = project.invoke("release-migration", "--allow", "edited-revision:r3")
    assert ran.code == 1
    assert "r2 comes before r3" in ran.err
    assert tables(project.folder / "prod.db") == {"t_r1", "t_r3"}


def test_a_revision_put_before_one_that_ran_runs_where_the_refusal_says(
    spliced: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = spliced
    scripts.table("r4", "r3")
    sentence = advice_of(project.invoke("release-migration"))
    versions = project.folder / "alembic/versions"
    assert f'write down_revision = "r1" in {versions / "r3.py"}' in sentence
    assert f'and down_revision = "r4" in {versions / "r2.py"}' in sentence
    scripts.table("r3", "r1")
    scripts.table("r2", "r4")
    ran = project.invoke("release-migration", "verify", "--env", "prod")
    assert ran.code == 0, ran.err
    for name in ("dev.db", "prod.db"):
        assert tables(project.folder / name) == {"t_r1", "t_r2", "t_r3", "t_r4"}


def test_what_a_person_did_by_hand_is_allowed_by_the_words_that_verify_prints(
    spliced: tuple[Sandbox, Scripts],
) -> None:
    project, _ = spliced
    for name in ("dev.db", "prod.db"):
        query(project.folder / name, "CREATE TABLE t_r2 (id INTEGER NOT NULL PRIMARY KEY)")
    sentence = advice_of(project.invoke("verify"))
    assert "--allow" not in sentence
    words = sentence.partition("allow = ")[2].partition(" under")[0]
    text = (project.folder / "pyproject.toml").read_text()
    project.configure(text.replace("ini_url = true\n", f"ini_url = true\nallow = {words}\n"))
    ran = project.invoke("verify", "verify", "--env", "prod", "release-migration")
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_what_was_there_before_the_ledger_began_is_not_named(
    small: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = small
    scripts.table("r1", None)
    scripts.table("r2", "r1")
    for name in ("dev.db", "prod.db"):
        upgrade_by_application(project, name)
    scripts.table("r3", "r2")
    ran = project.invoke("release-migration", "verify", "--env", "prod")
    assert ran.code == 0, ran.err
    # By something that keeps no ledger, between two releases.
    scripts.table("r4", "r3")
    for name in ("dev.db", "prod.db"):
        query(project.folder / name, "CREATE TABLE t_r4 (id INTEGER NOT NULL PRIMARY KEY)")
        query(project.folder / name, "UPDATE alembic_version SET version_num = 'r4'")
    scripts.table("r5", "r4")
    ran = project.invoke("release-migration", "verify", "--env", "prod")
    assert ran.code == 0, ran.err
    # And yet a hole among what was there before is one.
    scripts.table("r1b", "r1")
    scripts.table("r2", "r1b")
    ran = project.invoke("verify")
    assert ran.code == 1
    assert "r1b comes before r2" in ran.err


# -- heads of other branches ----------------------------------------------------------------------


def test_heads_of_other_branches_are_none_of_the_business_of_a_target(tmp_path: Path) -> None:
    project, scripts = make_small(tmp_path / "small", more='target = "gxy@head"')
    scripts.table("g1", None, branch_labels="gxy")
    scripts.table("t1", None, branch_labels="tool")
    for name in ("dev.db", "prod.db"):
        upgrade_by_application(project, name, "heads")
    scripts.table("g2", "g1")
    scripts.table("t2", "t1")
    status = project.invoke("status-all", "--json").json["environments"]
    assert [(each["state"], each["pending"]) for each in status] == [("behind", ["g2"])] * 2
    ran = project.invoke("release-migration", "verify", "--env", "prod", "status-all", "--check")
    assert ran.code == 0, ran.err
    for name in ("dev.db", "prod.db"):
        rows = query(project.folder / name, "SELECT version_num FROM alembic_version ORDER BY 1")
        assert rows == [("g2",), ("t1",)]
    again = project.invoke("release-migration", "--json")
    assert again.json["outcome"] == "nothing to do"


@pytest.mark.slow
def test_a_branch_that_was_chosen_by_hand_can_be_left_and_joined(
    small: tuple[Sandbox, Scripts],
) -> None:
    """The configured target, head, means both branches; each command here names its own."""
    project, scripts = small
    scripts.table("r1", None)
    scripts.table("a1", "r1", branch_labels="la")
    scripts.table("b1", "r1", branch_labels="lb")
    refused = project.invoke("upgrade-prod", "--to", "la@head")
    assert refused.code == 1
    assert advice_of(refused).strip() == "Type: invoke release-migration --to a1"
    ran = project.invoke("release-migration", "--to", "a1")
    assert ran.code == 0, ran.err
    assert "it is at a1, and its target 'head' may mean any of a1, b1" in ran.out
    ran = project.invoke("downgrade", "--env", "prod", "--to", "r1", "--yes")
    assert ran.code == 0, ran.err
    project.write(
        "alembic/script.py.mako",
        "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n"
        "def upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n",
    )
    refused = project.invoke("release-migration")
    sentence = advice_of(refused)
    call = shlex.split(sentence.partition("To merge them: invoke ")[2].partition(";")[0])
    ran = project.invoke(*call)
    assert ran.code == 0, ran.err
    ran = project.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert tables(project.folder / "prod.db") == {"t_r1", "t_a1", "t_b1"}


# -- what is an edit ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_comment_is_no_edit(small: tuple[Sandbox, Scripts]) -> None:
    project, scripts = small
    scripts.table("r1", None)
    assert project.invoke("release-migration").code == 0
    new = scripts.table("r2", "r1")
    assert project.invoke("upgrade-dev", "verify").code == 0
    for file in (project.folder / "alembic/versions/r1.py", new):
        text = file.read_text().replace("\n\n\n", "\n\n").replace('"""', '"""Reviewed: ', 1)
        file.write_text(f"# consent: the table is new\n{text}")
    ran = project.invoke("verify", "upgrade-prod", "verify", "--env", "prod")
    assert ran.code == 0, ran.err
    new.write_text(new.read_text().replace("t_r2", "t_other"))
    assert "revision r2 was edited" in project.invoke("verify").err


# -- what the database has and the scripts do not -----------------------------------------------


def test_a_merge_that_was_applied_and_deleted_is_not_made_again(
    small: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = small
    scripts.table("r1", None)
    scripts.table("a", "r1")
    scripts.table("b", "r1")
    merge = scripts.revision("m", ("a", "b"))
    assert project.invoke("release-migration").code == 0
    merge.unlink()
    ran = project.invoke("release-migration")
    assert ran.code == 1
    assert "the scripts do not have m" in ran.err
    assert "Fetch the scripts that belong to this database: m ran on " in advice_of(ran)
    assert "heads --fix" not in ran.err


@pytest.mark.slow
def test_after_a_squash_the_stamp_that_is_printed_leads_on(small: tuple[Sandbox, Scripts]) -> None:
    project, scripts = small
    first = scripts.table("r1", None)
    second = scripts.table("r2", "r1")
    assert project.invoke("release-migration").code == 0
    first.unlink()
    second.unlink()
    table = 'op.create_table("t_{}", sa.Column("id", sa.Integer, primary_key=True))'
    scripts.revision("s1", None, f"{table.format('r1')}; {table.format('r2')}")
    ran = project.invoke("release-migration")
    assert ran.code == 1
    assert "r2 ran on " in advice_of(ran)
    assert "after a squash: invoke stamp --env dev --to s1" in advice_of(ran)
    assert project.invoke("stamp", "--env", "dev", "--to", "s1").code == 0
    assert project.invoke("stamp", "--env", "prod", "--to", "s1", "--yes").code == 0
    ran = project.invoke("release-migration", "verify", "--env", "prod")
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_a_version_row_that_is_there_twice_is_named_and_stamped_away(
    small: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = small
    scripts.table("r1", None)
    assert project.invoke("release-migration").code == 0
    dev = project.folder / "dev.db"
    query(dev, "DROP TABLE alembic_version")
    query(dev, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    query(dev, "INSERT INTO alembic_version VALUES ('r1'), ('r1')")
    scripts.table("r2", "r1")
    ran = project.invoke("verify")
    assert ran.code == 1
    assert "the row r1 more than once" in ran.err
    assert "invoke stamp --env dev --to r1" in advice_of(ran)
    assert project.invoke("stamp", "--env", "dev", "--to", "r1").code == 0
    assert query(dev, "SELECT version_num FROM alembic_version") == [("r1",)]
    ran = project.invoke("release-migration")
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_an_older_checkout_names_the_newest_backup_that_it_knows(
    small: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = small
    scripts.table("r1", None)
    assert project.invoke("release-migration").code == 0
    newer = [scripts.table("r2", "r1"), scripts.table("r3", "r2")]
    assert project.invoke("release-migration", "--to", "r2").code == 0
    assert project.invoke("release-migration").code == 0
    for script in newer:
        script.unlink()
    ran = project.invoke("verify")
    assert ran.code == 1
    command = advice_of(ran).rpartition("invoke ")[2]
    assert command.startswith("restore --env dev --backup db.dev_")
    ran = project.invoke(*command.split(), "verify")
    assert ran.code == 0, ran.err
    assert tables(project.folder / "dev.db") == {"t_r1"}
