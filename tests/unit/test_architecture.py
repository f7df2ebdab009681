"""The architecture holds: see docs/architecture.md."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest
from importlinter import cli

from tests.support import REPOSITORY

PAGE = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
PACKAGE = REPOSITORY / "migrations_ops"
MODULES_OF_THE_ROOT = {"__init__.py", "__main__.py", "tasks.py"}


def test_the_contracts_between_packages_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert cli.lint_imports(no_cache=True) == cli.EXIT_STATUS_SUCCESS


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("migrations_ops", cache_dir=None, exclude_type_checking_imports=True)
    imported = {each: graph.find_modules_directly_imported_by(each) for each in graph.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as circle:
        pytest.fail(" imports ".join(reversed(circle.args[1])))


def test_the_root_holds_packages_and_three_modules() -> None:
    assert {each.name for each in PACKAGE.glob("*.py")} <= MODULES_OF_THE_ROOT
    packages = {each.parent.name for each in PACKAGE.glob("*/__init__.py")}
    assert len(packages) <= 12
    assert {f"`{name}/`" for name in packages} <= set(re.findall(r"`\w+/`", PAGE))


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([\w./]+(?:\.py|\.md|\.toml|/))`", PAGE))
    missing = {
        name for name in named if not (PACKAGE / name).exists() and not (REPOSITORY / name).exists()
    }
    assert not missing


def test_text_leaves_through_one_exit() -> None:
    """What it shows is escaped there, and without secrets: see ``shown`` in cli/output/style.py."""
    writes = re.compile(r"\bprint\(|sys\.std(?:out|err)\.write|_stream\.write|\bos\.write\(")
    found = {
        (file.relative_to(PACKAGE).as_posix(), line.strip())
        for file in PACKAGE.rglob("*.py")
        if "child" not in file.relative_to(PACKAGE).parts
        for line in file.read_text(encoding="utf-8").splitlines()
        if writes.search(line) and not line.lstrip().startswith('"')
    }
    assert found == {
        ("cli/console.py", 'sys.stdout.write(line if line.endswith("\\n") else f"{line}\\n")'),
        ("cli/output/progress.py", "self._stream.write(text_)"),
        ("system/process.py", "data = data[os.write(log, data) :]"),  # a log, by RedactedStream
        ("system/signals.py", 'os.write(2, b"\\nUndoing what was begun; please wait.\\n")'),
    }


def test_the_folder_of_the_migrations_does_not_shadow_alembic() -> None:
    assert not list((REPOSITORY / "alembic").rglob("__init__.py"))
