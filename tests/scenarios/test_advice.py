"""What a refusal tells to type is typed as it is printed, and works."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.journal.record import RECORD, UnderWay, walk_records, write_record
from migrations_ops.journal.unfinished import find_lost, require_readable_records
from migrations_ops.model.errors import Refused
from migrations_ops.model.serialisation import Unreadable
from migrations_ops.operations.preflight.state import require_changeable, require_own
from migrations_ops.operations.state import read_state
from migrations_ops.project.project import Project
from tests.records import task_record
from tests.support import R2, R3, Ran, Sandbox, dump, query

# Each advice is typed as it is printed: several tasks a case.
pytestmark = pytest.mark.slow

VERSION = "SELECT version_num FROM alembic_version"


def advice_of(ran: Ran) -> str:
    """The last line of a refusal: what to do next."""
    return ran.err.rstrip().splitlines()[-1]


def typed(sentence: str, task: str) -> list[str]:
    """The arguments of the call of that task, as a shell reads them."""
    call = sentence.partition(f"invoke {task}")[2].partition(";")[0]
    return [task, *shlex.split(call)]


def row(sandbox: Sandbox, name: str) -> dict[str, Any]:
    rows = sandbox.invoke("status-all", "--json").json["environments"]
    return next(each for each in rows if each["name"] == name)


def copy_over(sandbox: Sandbox, source: Path, target: Path) -> None:
    """Somebody puts a copy of one environment in the place of another."""
    target.unlink()
    query(source, "VACUUM INTO ?", str(target))


# -- what is allowed --------------------------------------------------------------------------


def test_all_that_would_be_lost_is_allowed_by_the_words_that_are_printed(filled: Sandbox) -> None:
    for name in ("no gaps", "it's", 'say "no"', "cost $5"):
        quoted = name.replace('"', '""')
        query(
            filled.prod,
            f'CREATE TRIGGER "{quoted}" AFTER DELETE ON parents BEGIN SELECT 1; END',
        )
    ran = filled.invoke("release-migration")
    assert ran.code == 1, ran.err
    flags = shlex.split(advice_of(ran).partition("allow it: ")[2])
    assert flags.count("--allow") == 4
    again = filled.invoke("release-migration", *flags)
    assert again.code == 0, again.err


def test_a_code_that_no_finding_has_is_refused_with_the_nearest(filled: Sandbox) -> None:
    before = dump(filled.dev)
    for task in ("release-migration", "upgrade-dev"):
        ran = filled.invoke(task, "--allow", "lost-tabel:parents")
        assert ran.code == 2
        assert "Did you mean lost-table?" in ran.err
    assert dump(filled.dev) == before


@pytest.mark.parametrize("call", [("backup", "--env", ""), ("release-migration", "--to", "")])
def test_a_flag_made_of_a_variable_that_is_not_set_is_refused(
    filled: Sandbox, call: tuple[str, ...]
) -> None:
    ran = filled.invoke(*call)
    assert ran.code == 2
    assert f"{call[1]} is empty" in ran.err
    assert not (filled.folder / "data/repom/backups").exists()


# -- edited revisions -------------------------------------------------------------------------


def test_an_edited_revision_is_to_be_undone_before_anything_is_taken_back(
    filled: Sandbox,
) -> None:
    assert filled.invoke("release-migration").code == 0
    file = filled.folder / "alembic/versions/r3_note.py"
    file.write_text(file.read_text() + "\nanother = True\n")
    filled.add_revision("r4dddddddddd", R3, "    pass")
    ran = filled.invoke("release-migration")
    assert ran.code == 1
    sentence = advice_of(ran)
    # prod has run it, too, and --redo never takes prod back.
    order = [sentence.index(each) for each in ("Undo the edit", "--allow", "invoke downgrade")]
    assert order == sorted(order)
    flags = shlex.split(sentence.partition("allow it: ")[2].partition(";")[0])
    assert flags == ["--allow", f"edited-revision:{R3}"]
    assert filled.invoke("release-migration", *flags).code == 0


# -- copies of other environments -------------------------------------------------------------


def test_a_wrong_copy_over_production_is_answered_with_its_backup(filled: Sandbox) -> None:
    assert filled.invoke("release-migration").code == 0
    assert filled.invoke("backup").code == 0
    before = dump(filled.prod)
    copy_over(filled, filled.dev, filled.prod)
    check = filled.invoke("status-all", "--check")
    assert check.code == 1
    assert "Not at head" not in check.err
    for call in (typed(advice_of(check), "verify"), ["upgrade-prod"], ["alembic", "--env", "prod"]):
        more = ["--args", "current"] if call[0] == "alembic" else []
        ran = filled.invoke(*call, *more)
        assert ran.code == 1, (call, ran.err)
        assert advice_of(ran).index("invoke restore") < advice_of(ran).index("invoke adopt"), call
    back = filled.invoke(*typed(advice_of(ran), "restore"))
    assert back.code == 0, back.err
    assert dump(filled.prod) == before


def test_a_wrong_copy_over_dev_is_adopted_first_of_all(filled: Sandbox) -> None:
    assert filled.invoke("release-migration").code == 0
    copy_over(filled, filled.prod, filled.dev)
    project = Project.read(filled.folder)
    with pytest.raises(Refused) as refused:
        require_own(read_state(project, project.settings.path[0]))
    assert refused.value.next.index("adopt") < refused.value.next.index("restore")
    assert filled.invoke(*typed(refused.value.next, "adopt")).code == 0
    assert filled.invoke("verify").code == 0


# -- what was interrupted ----------------------------------------------------------------------


def interrupted(sandbox: Sandbox, text: str | None = None) -> Path:
    """A record whose task is dead; as if it had committed a part of an upgrade of dev."""
    releases, name = sandbox.folder / "data/repom/releases", "20260101_000000"
    (releases / ".unfinished").mkdir(parents=True)
    (releases / ".unfinished" / name).touch()
    step = UnderWay("upgrade", "dev", "")
    record = task_record(
        name, None, task="upgrade-dev", from_=(R2,), to=(R3,), committed=("dev",), under_way=step
    )
    write_record(releases, record)
    if text is not None:
        (releases / name / RECORD).write_text(text)
    return releases / name / RECORD


def test_without_a_backup_the_way_out_keeps_the_database(filled: Sandbox) -> None:
    interrupted(filled)
    ran = filled.invoke("upgrade-dev")
    assert ran.code == 4, ran.err
    assert "delete" not in advice_of(ran)
    kept = filled.invoke(*typed(advice_of(ran), "backup"))
    assert kept.code == 0, kept.err
    name = Path(kept.out.strip()).name
    back = filled.invoke(*typed(advice_of(ran).replace("NAME", name), "restore"))
    assert back.code == 0, back.err
    assert filled.invoke("upgrade-dev").code == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"outcome": null}', '{"id": 1, "steps": {}}'])
def test_a_record_that_cannot_be_read_stops_what_would_go_on(filled: Sandbox, text: str) -> None:
    file = interrupted(filled, text)
    releases = file.parent.parent
    lost = Unreadable(file)
    assert find_lost(releases) == [lost]
    assert list(walk_records(releases)) == [lost]
    with pytest.raises(Refused) as refused:
        require_readable_records(releases)
    mark = Path(refused.value.next.partition("delete ")[2].partition(" and try")[0])
    mark.unlink()
    require_readable_records(releases)


def test_a_record_that_cannot_be_read_is_reported_and_touches_nothing(filled: Sandbox) -> None:
    file = interrupted(filled, "{")
    before = dump(filled.dev)
    ran = filled.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert str(file) in ran.err
    assert dump(filled.dev) == before
    assert f"The record {file} cannot be read" in filled.invoke("releases").err
    shown = filled.invoke("releases", "--show", file.parent.name)
    assert (shown.code, f"The record {file} cannot be read" in shown.err) == (2, True)


# -- versions that do not fit -----------------------------------------------------------------


def test_after_a_squash_the_database_is_stamped_with_the_new_revision(filled: Sandbox) -> None:
    assert filled.invoke("release-migration").code == 0
    sql = "SELECT sql FROM sqlite_master WHERE sql NOT NULL AND type IN ('table', 'index')"
    made = [each for (each,) in query(filled.dev, sql) if "alembic_version" not in each]
    shutil.rmtree(filled.folder / "alembic/versions")
    body = "\n".join(f"    op.execute({each!r})" for each in made)
    file = filled.add_revision("s1ssssssssss", "", body)
    file.write_text(file.read_text().replace('down_revision = ""', "down_revision = None"))
    rows = query(filled.dev, "SELECT * FROM children")
    for name in ("dev", "prod"):
        ran = filled.invoke("stamp", "--env", name, "--yes")
        assert ran.code == 0, ran.err
        verified = filled.invoke("verify", "--env", name, "--json")
        assert verified.code == 0, verified.err
        assert "missing-revision" not in verified.out
    assert query(filled.dev, VERSION) == [("s1ssssssssss",)]
    assert query(filled.dev, "SELECT * FROM children") == rows
    assert filled.invoke("status-all", "--check").code == 0


def test_rows_of_the_version_table_that_contain_each_other_are_reported_in_their_row(
    filled: Sandbox,
) -> None:
    query(filled.dev, "INSERT INTO alembic_version VALUES ('r1aaaaaaaaaa')")
    found = row(filled, "dev")
    assert found["state"] == "diverged"
    assert "names r2bbbbbbbbbb, and r1aaaaaaaaaa, which is in it" in found["trouble"]
    assert row(filled, "prod")["state"] == "behind"
    ran = filled.invoke("upgrade-dev")
    assert ran.code == 1
    assert "dev (data/repom/db.dev.sqlite3)" in ran.err
    stamped = filled.invoke(*typed(advice_of(ran), "stamp"))
    assert stamped.code == 0, stamped.err
    assert filled.invoke("upgrade-dev").code == 0


def test_a_downgrade_that_cannot_start_does_not_speak_of_an_upgrade(filled: Sandbox) -> None:
    query(filled.dev, "UPDATE alembic_version SET version_num = 'fffffffffff0'")
    project = Project.read(filled.folder)
    with pytest.raises(Refused, match="cannot be downgraded: the scripts do not have"):
        require_changeable(read_state(project, project.settings.path[0]), "downgraded")
    ran = filled.invoke("revision", "--message", "more")
    assert "invoke backups --env dev" in ran.err
    assert "upgrade-dev" not in ran.err


def test_an_emptied_version_table_is_described_by_what_the_ledger_knows(filled: Sandbox) -> None:
    assert filled.invoke("upgrade-dev").code == 0
    query(filled.dev, "DELETE FROM alembic_version")
    ran = filled.invoke("upgrade-dev")
    assert ran.code == 1
    assert f"its ledger records that {R3} ran there" in ran.err
    assert filled.invoke(*typed(advice_of(ran), "stamp")).code == 0
    assert query(filled.dev, VERSION) == [(R3,)]


@pytest.mark.parametrize("call", ["verify --env prod", "backup", "downgrade --env prod --yes"])
def test_a_missing_database_that_has_backups_is_brought_back(filled: Sandbox, call: str) -> None:
    assert filled.invoke("backup").code == 0
    before = dump(filled.prod)
    filled.prod.unlink()
    ran = filled.invoke(*call.split())
    assert ran.code == 1
    back = filled.invoke(*typed(advice_of(ran), "restore"))
    assert back.code == 0, back.err
    assert dump(filled.prod) == before


# -- what cannot be written -------------------------------------------------------------------


def test_evidence_that_cannot_be_written_is_named(filled: Sandbox) -> None:
    file = filled.folder / "data/repom/releases/evidence.json"
    file.mkdir(parents=True)
    dev = filled.invoke("upgrade-dev")
    assert dev.code == 0
    assert str(file) in dev.err
    assert "[evidence-not-written]" in dev.err
    prod = filled.invoke("upgrade-prod")
    assert prod.code == 1
    assert f"{file} is a directory" in advice_of(prod)
    file.rmdir()
    again = filled.invoke(*shlex.split(advice_of(prod).partition("invoke ")[2]))
    assert again.code == 0, again.err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of files")
def test_a_full_disk_does_not_recommend_to_stamp_uncompared(filled: Sandbox) -> None:
    ran = filled.run(
        "sh", "-c", "ulimit -f 16; exec python -m invoke stamp --env dev --to head", PATH=path()
    )
    assert ran.code in (1, 3), ran.err
    assert "invoke alembic" not in ran.err
    assert "Make sure that the disk has free space" in advice_of(ran)


def path() -> str:
    """A PATH on which ``python`` is the one that runs the tests."""
    import sys

    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


# -- scripts and configuration ----------------------------------------------------------------


def test_status_of_all_shows_every_row_even_where_something_cannot_be_read(
    filled: Sandbox,
) -> None:
    text = (filled.folder / "pyproject.toml").read_text()
    filled.configure(text.replace('"sqlite:///data/repom/db.sqlite3"', '{ variable = "PROD_URL" }'))
    ran = filled.invoke("status-all", "--json")
    assert ran.code == 2
    assert [each["state"] for each in ran.json["environments"]] == [
        "behind",
        "unreachable",
    ]
    assert "PROD_URL" in ran.json["error"]["what"]
    (filled.folder / "alembic/versions/broken.py").write_text("revision = 'a'\ndown_revision = 'b'")
    ran = filled.invoke("status-all", PROD_URL=f"sqlite:///{filled.prod.as_posix()}")
    assert ran.code == 1
    assert ran.out.count(R2) == 2, ran.out
    assert "unreachable" not in ran.out  # both databases answer: it is the scripts
