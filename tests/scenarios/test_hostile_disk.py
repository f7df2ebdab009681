"""What somebody puts beside the files of the tool is named and left alone, and every task goes on.

tests/unit/system/test_hostile_files.py has each kind of file with whatever may lie in its place.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.hostile_files import CONTENTS, PLACES
from tests.scenarios.in_process import backed_up, configure, store_of
from tests.support import Ran, Sandbox, dump, query

ID, STEM = "20200101_000000", "db_20200101_000000"
# With and without the evidence: a gate stays closed without it.
BESIDE = {
    "backups": f"{STEM}.json",
    "releases": f"{ID}/release.json",
    "releases/.unfinished": f"{ID}_2",
}
IN_PLACE = {"releases": ".scripts.json", ".": ".db.sqlite3.lock-holder"}
LOOKS = ("status-all", "backups", "releases", "doctor", "current", "history", "verify")


def put_everywhere(sandbox: Sandbox, place: str) -> list[Path]:
    """Put the same thing in the place of each file; returns where."""
    data, made = sandbox.folder / "data/repom", []
    (data / "backups").mkdir(parents=True, exist_ok=True)
    (data / "backups" / f"{STEM}.sqlite3").write_text("x")
    for files in (BESIDE, IN_PLACE):
        for folder, name in files.items():
            file = data / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            if place in PLACES:
                PLACES[place](file)
            else:
                file.write_bytes(CONTENTS[place](b'{"version": 1, "a": ["b"]}'))
            made.append(file)
    return made


def document(ran: Ran) -> Any:
    """The document of a task, which ended as it may end."""
    assert "Traceback" not in ran.err + ran.out, ran.err
    return json.loads(ran.out)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files in a folder")
@pytest.mark.parametrize(
    "place",
    [
        "a FIFO",
        # One that cannot be opened as a file, one that never ends, one that cannot be printed.
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("a folder", "a link to a device", "half a surrogate pair")
        ),
    ],
)
def test_tasks_go_on_beside_files_that_nobody_understands(filled: Sandbox, place: str) -> None:
    configure(filled, "keep = 1")
    backed_up(filled)
    made = put_everywhere(filled, place)
    before = {file: file.lstat() for file in made}
    for task in LOOKS:
        ran = filled.invoke(task, "--json")
        assert ran.code in (0, 1), ran.err
        document(ran)
    listed = filled.invoke("backups", "--env", "prod").out
    assert f"{STEM}.sqlite3 does not count as a backup of prod" in listed
    assert str(made[1]) in filled.invoke("releases").err
    assert filled.invoke("prune").code == 0
    ran = filled.invoke("release-migration", "--json")
    assert (ran.code, document(ran)["outcome"]) == (0, "released"), ran.err
    for file in made[: len(BESIDE)]:
        assert os.path.samestat(file.lstat(), before[file])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFO in a folder")
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("alembic/versions/0_hostile.py", 1),
        pytest.param("pyproject.toml", 2, marks=pytest.mark.slow),
        pytest.param("alembic.ini", 2, marks=pytest.mark.slow),
        pytest.param("data/repom/releases/evidence.json", 1, marks=pytest.mark.slow),
    ],
)
def test_a_fifo_in_the_place_of_what_a_release_needs_refuses_it(
    filled: Sandbox, name: str, code: int
) -> None:
    before = dump(filled.prod)
    file = filled.folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == code, ran.err
    error = document(ran)["error"]
    assert error["untouched"]
    assert name.rpartition("/")[2] in error["what"] or name == "pyproject.toml"
    assert dump(filled.prod) == before
    assert file.is_fifo()


# -- what is edited ---------------------------------------------------------------------------


def edit(file: Path, **changes: Any) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    for key, value in changes.items():
        found[key] = found[key] | value if isinstance(value, dict) else value
    file.write_text(json.dumps(found), encoding="utf-8")


def test_an_edited_fingerprint_does_not_fail_a_restore_that_succeeded(filled: Sandbox) -> None:
    backup = backed_up(filled)
    before = dump(filled.prod)
    edit(store_of(filled).sidecar(backup), fingerprint={"schema": {"table ghosts": "x"}})
    query(filled.prod, "INSERT INTO parents VALUES (5000, 'written')")
    ran = filled.invoke("restore", "--env", "prod", "--backup", "latest", "--yes", "--json")
    assert ran.code == 0, ran.err
    [found] = document(ran)["findings"]
    assert found["code"] == "sidecar-wrong"
    assert "column children.id" in found["message"]
    assert dump(filled.prod) == before


def test_a_clock_that_was_set_back_makes_no_older_backup_the_latest(filled: Sandbox) -> None:
    """The clock was ten years ahead, once; it has been set back since."""
    configure(filled, "keep = 2")
    first = backed_up(filled)
    store = store_of(filled)
    edit(store.sidecar(first), taken="2999-01-01T00:00:00.000Z", order=32_472_144_000_000)
    (filled.folder / "data/repom/releases/29990101_000000").mkdir()
    taken = []
    for number in range(3):
        query(filled.prod, "INSERT INTO parents VALUES (?, 'written')", 5000 + number)
        ran = filled.invoke("backup")
        assert ran.code == 0, ran.err
        assert ran.err.count("[clock-behind]") == (2 if number < 2 else 1), ran.err
        taken.append(Path(ran.out.strip()).name)
        assert store.find("latest").name == taken[-1]
        [newest] = document(filled.invoke("releases", "--last", "1", "--json"))["releases"]
        assert newest["backups"] == [taken[-1]]
        assert newest["id"].startswith("29990101_000000_")
    assert [each.name for each in store.backups()] == taken[-2:]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFO in a folder")
def test_a_template_that_alembic_would_wait_for_is_refused(filled: Sandbox) -> None:
    template = filled.folder / "alembic/script.py.mako"
    template.unlink()
    os.mkfifo(template)
    assert filled.invoke("upgrade-dev").code == 0
    ran = filled.invoke("revision", "--message", "x", "--empty", "--json")
    assert ran.code == 1, ran.err
    assert str(template) in document(ran)["error"]["what"]


def test_a_path_that_no_system_takes_is_refused_with_a_document(filled: Sandbox) -> None:
    configure(filled, f'backups = "{"x" * 5000}"')
    for task in ("status-all", "releases"):
        ran = filled.invoke(task, "--json")
        assert ran.code == 2, ran.err
        document(ran)
