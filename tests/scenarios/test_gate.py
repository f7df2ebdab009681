"""Production accepts only what has passed the environments before it, unchanged."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.backups.taking import QUIET_SECONDS
from migrations_ops.journal.evidence import FILE, Evidence
from migrations_ops.model.errors import Refused
from migrations_ops.operations.gate import require_evidence
from migrations_ops.project.project import Project
from migrations_ops.system.files import write_whole
from tests.support import R2, R3, Sandbox, dump, query

VERSION = "SELECT version_num FROM alembic_version"
CHAIN = ("backup", "upgrade-dev", "verify", "upgrade-prod", "status-all")


def typed_next(err: str) -> list[str]:
    """The command that a refusal tells to type."""
    line = next(line for line in err.splitlines() if "invoke upgrade" in line)
    return shlex.split(line.partition("invoke ")[2])


def test_production_is_refused_what_dev_has_not_passed(filled: Sandbox) -> None:
    before = dump(filled.prod)
    ran = filled.invoke("upgrade-prod", "--json")
    assert ran.code == 1, ran.err
    assert ran.json["outcome"] == "refused"
    assert f"prod accepts only what has passed dev, and {R3} has not" in ran.json["error"]["what"]
    assert "prod was not touched" in ran.json["error"]["untouched"]
    assert dump(filled.prod) == before
    # What it says to type next leads there.
    again = filled.invoke(*typed_next(ran.json["error"]["next"]))
    assert again.code == 0, again.err
    assert query(filled.prod, VERSION) == [(R3,)]


def test_the_chain_of_the_guide_goes_through(filled: Sandbox) -> None:
    time.sleep(2 * QUIET_SECONDS)  # a file that was written just before is copied once more
    ran = filled.invoke(*CHAIN)
    assert ran.code == 0, ran.err
    assert [query(file, VERSION) for file in (filled.dev, filled.prod)] == [[(R3,)], [(R3,)]]
    assert "at head" in ran.out
    backups = filled.folder / "data/repom/backups"
    assert len(list(backups.glob("db_*.sqlite3"))) == 1, "production was copied twice"


@pytest.mark.slow
def test_the_chain_stops_at_the_first_link_that_fails(filled: Sandbox) -> None:
    filled.add_revision("r4", R3, '    op.execute("SELECT * FROM nowhere")')
    before = dump(filled.prod), dump(filled.dev)
    ran = filled.invoke(*CHAIN)
    assert ran.code == 3, ran.err
    assert (dump(filled.prod), dump(filled.dev)) == before
    assert "rehearse" not in ran.err
    assert "environment" not in ran.out, "status-all ran after all"


def test_the_chain_stops_where_verify_finds_an_error(filled: Sandbox) -> None:
    """The upgrade of dev passes; then somebody leaves a mess there."""
    assert filled.invoke("upgrade-dev").code == 0
    query(filled.dev, "CREATE TABLE _alembic_tmp_parents (id INTEGER)")
    before = dump(filled.prod)
    ran = filled.invoke("verify", "upgrade-prod", "status-all")
    assert ran.code == 1, ran.err
    assert "_alembic_tmp_parents" in ran.err
    assert dump(filled.prod) == before
    assert "environment" not in ran.out


def test_a_revision_that_was_edited_after_it_passed_is_refused(filled: Sandbox) -> None:
    assert filled.invoke("upgrade-dev", "verify").code == 0
    file = filled.folder / "alembic/versions/r3_note.py"
    file.write_text(file.read_text() + "\nharmless = True\n")
    before = dump(filled.prod)
    for task in ("upgrade-prod", "release-migration"):
        ran = filled.invoke(task, "--json")
        assert ran.code == 1, ran.err
        assert R3 in ran.json["error"]["what"]
        assert dump(filled.prod) == before
    assert filled.invoke("downgrade", "--env", "dev", "--to", R2).code == 0
    again = filled.invoke("upgrade-dev", "verify", "upgrade-prod")
    assert again.code == 0, again.err


@pytest.mark.slow
def test_line_endings_are_no_edit(filled: Sandbox) -> None:
    assert filled.invoke("upgrade-dev", "verify").code == 0
    file = filled.folder / "alembic/versions/r3_note.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    ran = filled.invoke("upgrade-prod")
    assert ran.code == 0, ran.err


def test_evidence_that_was_lost_or_damaged_closes_the_gate(filled: Sandbox) -> None:
    assert filled.invoke("upgrade-dev").code == 0
    project = Project.read(filled.folder)
    prod = project.settings.environment("prod")
    pending = [project.history(prod).revisions[R3]]
    require_evidence(project, prod, pending)
    file = project.settings.releases / FILE
    for content in (b"", b"{", b'{"version": 1, "environments": {"dev": 1}}', b"\xff"):
        file.write_bytes(content)
        with pytest.raises(Refused):
            require_evidence(project, prod, pending)
    # Verify alone opens it again.
    ran = filled.invoke("verify", "upgrade-prod")
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_every_environment_before_it_has_to_have_passed(filled: Sandbox) -> None:
    text = (filled.folder / "pyproject.toml").read_text()
    prod = "[tool.migrations_ops.environments.prod]"
    staging = prod.replace("prod", "staging") + (
        '\nurl = "sqlite:///data/repom/db.staging.sqlite3"\n\n'
    )
    filled.configure(text.replace(prod, staging + prod))
    ran = filled.invoke("upgrade-dev", "upgrade-prod")
    assert ran.code == 1, ran.err
    assert "has passed staging" in ran.err
    assert query(filled.prod, VERSION) == [(R2,)]
    through = filled.invoke("upgrade-staging", "upgrade-prod")
    assert through.code == 0, through.err
    assert query(filled.prod, VERSION) == [(R3,)]


@pytest.mark.slow
def test_a_machine_without_the_secret_of_production_upgrades_dev(filled: Sandbox) -> None:
    text = (filled.folder / "pyproject.toml").read_text()
    filled.configure(text.replace('"sqlite:///data/repom/db.sqlite3"', '{ variable = "PROD_URL" }'))
    ran = filled.invoke("upgrade-dev", "verify")
    assert ran.code == 0, ran.err
    assert filled.invoke("upgrade-prod").code == 2
    url = f"sqlite:///{filled.prod.as_posix()}"
    there = filled.invoke("upgrade-prod", PROD_URL=url)
    assert there.code == 0, there.err


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"version": 1, "environments": {"dev": None}},
        {"version": 1, "environments": {"prod": {"passed": {"a": "b"}}}},
    ],
)
def test_notes_are_added_to_whatever_is_there(shop: Sandbox, document: Any) -> None:
    project = Project.read(shop.folder)
    dev, prod = project.settings.path
    revisions = list(project.history(dev).revisions.values())
    releases: Path = project.settings.releases
    releases.mkdir(parents=True)
    write_whole(releases / FILE, document)
    evidence = Evidence(releases)
    evidence.record_passed(dev, revisions[:1])
    evidence.record_passed(dev, revisions[1:2])
    assert set(evidence.passed(dev)) == {each.revision for each in revisions[:2]}
    expected = {"a": "b"} if "prod" in str(document) else {}
    assert evidence.passed(prod) == expected


@pytest.mark.slow
def test_a_stamped_revision_does_not_open_the_gate(filled: Sandbox) -> None:
    """A revision that only moves data leaves the schema as it is, so that stamp accepts it."""
    assert filled.invoke("release-migration").code == 0
    filled.add_revision("r4dddddddddd", R3, '    op.execute("DELETE FROM children")')
    assert filled.invoke("stamp", "--env", "dev").code == 0
    before = dump(filled.prod)
    ran = filled.invoke("release-migration")
    assert ran.code == 1
    assert "never ran there" in ran.err
    assert dump(filled.prod) == before


@pytest.mark.slow
def test_a_production_database_that_is_gone_is_not_made_anew_in_silence(filled: Sandbox) -> None:
    assert filled.invoke("backup").code == 0
    filled.prod.unlink()
    ran = filled.invoke("release-migration")
    assert ran.code == 1
    assert "restore --env prod --backup latest" in ran.err
    assert not filled.prod.exists()
    assert filled.invoke("release-migration", "--allow", "missing-database").code == 0


@pytest.mark.slow
def test_what_was_left_unverified_is_verified_where_it_is_before_more_is_released(
    filled: Sandbox,
) -> None:
    """A release had left prod upgraded, and the revision that fixes it is pending by now."""
    project = Project.read(filled.folder)
    evidence = Evidence(project.settings.releases)
    evidence.record_unverified(project.settings.last, [R2])
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    assert [step["name"] for step in ran.json["steps"]][:3] == ["preflight", "verify", "back up"]
    assert query(filled.prod, VERSION) == [(R3,)]
    assert not evidence.unverified(project.settings.last)


@pytest.mark.parametrize("in_the_way", ["no folder", "evidence of a newer version"])
def test_what_could_not_be_noted_does_not_begin(filled: Sandbox, in_the_way: str) -> None:
    """Without a record nothing could be recovered; without evidence prod could not follow dev."""
    releases = filled.folder / "data/repom/releases"
    if in_the_way == "no folder":
        releases.write_text("")
    else:
        releases.mkdir()
        write_whole(releases / FILE, {"version": 99})
    before = dump(filled.dev), dump(filled.prod)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert "The release could not be recorded" in ran.json["error"]["what"]
    assert (dump(filled.dev), dump(filled.prod)) == before
    assert not list((filled.folder / "data/repom").glob("backups/*"))
