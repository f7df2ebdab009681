"""Folders of scripts, read without running them, held against Alembic's own reading."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from migrations_ops.revisions.errors import DuplicateRevision, UnreadableScript
from migrations_ops.revisions.loader import (
    ComputedRevision,
    ScriptLocation,
    find_scripts,
    read_history,
    source_hash,
)
from tests.scenarios.corpus.support import interpreter
from tests.scripts_support import by_alembic, by_us, made_by_alembic, only, put


def test_files_that_alembic_passes_over(tmp_path: Path) -> None:
    put(tmp_path, "ae1_x.py", made_by_alembic("ae1"))
    for name in ("__init__.py", "__init__x.py", ".#ae1_x.py", "README", "x.pyi", "x.py~", "x.PY"):
        put(tmp_path, name, "this is no Python")
    put(tmp_path / "__pycache__", "ae1_x.cpython-311.pyc", b"")
    put(tmp_path / "deeper", "ae2_x.py", "this is no Python")
    (tmp_path / "folder.py").mkdir()
    assert by_us(only(tmp_path)) == by_alembic(tmp_path)
    assert list(only(tmp_path).revisions) == ["ae1"]


def test_hidden_scripts_count(tmp_path: Path) -> None:
    put(tmp_path, ".ae1.py", made_by_alembic("ae1"))
    assert by_us(only(tmp_path)) == by_alembic(tmp_path)


def test_folders_below_count_where_that_is_configured(tmp_path: Path) -> None:
    for number, below in enumerate((".", "b", "a/c", "a", "x__pycache__/y", "__pycache__")):
        down = f"ae{number - 1}" if number else None
        put(tmp_path / below, f"ae{number}.py", made_by_alembic(f"ae{number}", down))
    ours = only(tmp_path, recursive=True)
    assert by_us(ours) == by_alembic(tmp_path, recursive=True)
    assert list(ours.revisions) == ["ae0", "ae3", "ae2", "ae1", "ae4"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links_count_as_what_they_lead_to(tmp_path: Path) -> None:
    folder, other = tmp_path / "versions", tmp_path / "other"
    put(other, "ae1.py", made_by_alembic("ae1"))
    put(other / "below", "ae3.py", made_by_alembic("ae3", "ae1"))
    put(folder, "ae2.py", made_by_alembic("ae2", "ae1"))
    (folder / "one.py").symlink_to(other / "ae1.py")
    (folder / "again.py").symlink_to(other / "ae1.py")
    (folder / "itself.py").symlink_to("ae2.py")
    (folder / "below").symlink_to(other / "below")
    (folder / ".#lock.py").symlink_to("somebody@host.123:456")
    put(other, "stored", made_by_alembic("ae4"))
    (folder / "ae4.py").symlink_to(other / "stored")
    ours = only(folder, recursive=True)
    assert by_us(ours) == by_alembic(folder, recursive=True)
    assert set(ours.revisions) == {"ae1", "ae2"}


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ae1.py").symlink_to("gone.py")
    with pytest.raises(UnreadableScript, match=r"gone\.py|ae1\.py"):
        only(tmp_path)


def test_a_folder_that_is_missing_is_empty(tmp_path: Path) -> None:
    assert only(tmp_path / "versions").heads == ()


def test_a_folder_twice_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, "ae1.py", made_by_alembic("ae1"))
    place = ScriptLocation((tmp_path, tmp_path / "." / "..." / ".." / ".", tmp_path))
    assert list(read_history(place).revisions) == ["ae1"]


def test_one_id_in_two_files_names_both(tmp_path: Path) -> None:
    first = put(tmp_path / "one", "ae1.py", made_by_alembic("ae1"))
    second = put(tmp_path / "two", "ae1.py", made_by_alembic("ae1"))
    with pytest.raises(DuplicateRevision) as caught:
        read_history(ScriptLocation((tmp_path / "one", tmp_path / "two")))
    assert caught.value.files == (str(first.resolve()), str(second.resolve()))


def test_compiled_scripts_are_left_to_alembic(tmp_path: Path) -> None:
    source = put(tmp_path, "ae1.py", made_by_alembic("ae1"))
    compileall.compile_file(source, quiet=2)
    compileall.compile_file(source, quiet=2, legacy=True)
    assert by_us(only(tmp_path, sourceless=True)) == by_alembic(tmp_path, sourceless=True)
    source.unlink()
    assert only(tmp_path).heads == ()
    with pytest.raises(ComputedRevision, match=r"ae1\.pyc"):
        only(tmp_path, sourceless=True)
    (tmp_path / "ae1.pyc").unlink()
    with pytest.raises(ComputedRevision, match="__pycache__"):
        only(tmp_path, sourceless=True)


def test_a_compiled_package_marker_is_no_script(tmp_path: Path) -> None:
    put(tmp_path / "__pycache__", "__init__.cpython-311.pyc", b"")
    assert only(tmp_path, sourceless=True).heads == ()


# The hash of a source


def test_line_endings_do_not_change_the_hash(tmp_path: Path) -> None:
    unix = put(tmp_path, "unix.py", "a = 1\nb = 2\n")
    windows = put(tmp_path, "windows.py", "a = 1\r\nb = 2\r\n")
    mixed = put(tmp_path, "mixed.py", "a = 1\rb = 2\r\n")
    assert source_hash(unix) == sha256(b"a = 1\nb = 2\n").hexdigest()
    assert source_hash(windows) == source_hash(str(mixed)) == source_hash(unix)


def test_anything_else_changes_the_hash(tmp_path: Path) -> None:
    one = put(tmp_path, "one.py", "a = 1\n")
    hashes = {
        source_hash(put(tmp_path, "two.py", text)) for text in ("a = 2\n", "a = 1", "a = 1\n\n")
    }
    assert len(hashes | {source_hash(one)}) == 4


def test_compiled_scripts_are_hashed_byte_for_byte(tmp_path: Path) -> None:
    file = put(tmp_path, "x.pyc", b"\r\n")
    assert source_hash(file) == sha256(b"\r\n").hexdigest()


# Whole projects


def test_neither_alembic_nor_the_project_is_imported(tmp_path: Path) -> None:
    put(tmp_path, "alembic.ini", "[alembic]\nscript_location = shop:moves\n")
    put(tmp_path / "shop", "__init__.py", "1 / 0\n")
    versions = tmp_path / "shop" / "moves" / "versions"
    put(versions, "template.py", made_by_alembic("ae1"))
    put(versions, "tree.py", "x = 1\nrevision = 'ae2'\ndown_revision = 'ae1'\n1 / 0\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from migrations_ops.revisions.loader import find_scripts, read_history\n"
        "root = Path(sys.argv[1])\n"
        "place = find_scripts(root / 'alembic.ini', directory=root, find_package=root.joinpath)\n"
        "print(*(each.revision for each in read_history(place).pending()))\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    revisions, modules = done.stdout.splitlines()
    assert revisions == "ae1 ae2"
    assert not {"alembic", "sqlalchemy", "shop", "mako", "invoke", "rich"} & {*modules.split()}


PROJECTS = {
    "optuna": ("optuna:storages/_rdb/alembic", "v3.2.0.a"),
    "mailman": ("mailman.database:alembic", "8cc1f79f4459"),
    "quetz": ("quetz:migrations", "3ba25f23fb7d"),
}


@pytest.mark.parametrize(("name", "location", "head"), [(n, *p) for n, p in PROJECTS.items()])
def test_real_projects_read_as_by_alembic(
    tmp_path: Path, name: str, location: str, head: str
) -> None:
    python = interpreter(name)
    packages = next(python.parent.parent.glob("**/site-packages"))
    ini = put(tmp_path, "alembic.ini", f"[alembic]\nscript_location = {location}\n")
    place = find_scripts(ini, directory=tmp_path, find_package=packages.joinpath)
    ours = read_history(place)
    assert ours.heads == (head,)
    code = (
        "import sys; from alembic.script import ScriptDirectory\n"
        "scripts = ScriptDirectory(sys.argv[1])\n"
        "for script in reversed(list(scripts.walk_revisions())):\n"
        "    print(script.revision, script.down_revision or (), sep='|')\n"
    )
    done = subprocess.run(
        [python, "-c", code, place.folders[0].parent],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [
        f"{each.revision}|{each.down if len(each.down) != 1 else each.down[0]}"
        for each in ours.pending((), head)
    ] == done.stdout.splitlines()
