"""Imports point one way, down the layers, and each library stays in its room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "migrations_ops"

# From the top down; a module may import those below it, and its neighbours in the same room.
LAYERS = (
    ("tasks",),
    ("desk",),
    ("console", "interrupts"),
    ("operations", "moves", "door", "resolving"),
    ("runs",),
    ("release",),
    ("recovery",),
    ("rehearsal",),
    ("upgrade",),
    ("settling",),
    ("comparing", "half_applied", "unlike"),
    ("restore", "checks", "presence", "obstacles"),
    ("work",),
    ("gate",),
    ("room",),
    ("losses", "changes", "status", "codes"),
    ("said", "renames", "names", "facts", "writes", "phrases", "harmless"),
    ("retention",),
    ("records",),
    ("unfinished",),
    ("backups", "locks", "doubts"),
    ("run_words",),
    ("project", "alembic_steps", "commands", "interpreters"),
    ("databases",),
    ("scripts", "scripts_cache", "scripts_parse", "scripts_place", "scripts_tree", "sources"),
    ("revisions", "revision_graph", "revision_targets", "revision_errors", "stated_history"),
    ("url_files",),
    ("provenance",),
    ("process", "keeper"),
    ("process_env",),
    ("settings", "settings_table"),
    ("environments",),
    ("render", "differing"),
    ("results", "files", "partial_files"),
    ("errors", "words", "streams", "patience", "__init__"),
)
HEIGHT = {name: -number for number, names in enumerate(LAYERS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(module: Path) -> Iterator[str]:
    """Everything that a module imports, at its top or inside of functions."""
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_rooms(module: Path) -> set[str]:
    names = (name.split(".") for name in imports(module))
    found = {parts[1] for parts in names if parts[0] == "migrations_ops" and len(parts) > 1}
    return found & (set(HEIGHT) | {"child"})


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(module: Path) -> None:
    here = room(module)
    if here == "child":
        assert own_rooms(module) == set(), "the child shares no module with the parent"
        return
    assert here in HEIGHT, f"give {here} a place in LAYERS"
    # settings resolves URLs through url_files, and project asks alembic_steps for scripts that
    # must be executed: both only inside of a function.
    allowed = {("settings", "url_files")}
    too_high = {
        name
        for name in own_rooms(module)
        if name != "child" and HEIGHT[name] > HEIGHT[here] and (here, name) not in allowed
    }
    assert not too_high


# What parent and child say alike to a server: constants and pure functions.
SHARED = (
    "migrations_ops.child.protocol.identity",
    "migrations_ops.child.protocol.ledger",
    "migrations_ops.child.protocol.named_databases",
)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_parent_shares_words_alone_with_the_child(module: Path) -> None:
    if room(module) == "child":
        return
    taken = {name for name in imports(module) if name.startswith("migrations_ops.child")}
    assert {name for name in taken if not name.startswith(SHARED)} == set()


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("invoke", {"tasks"}),
        ("alembic", {"child"}),
        ("sqlalchemy", {"child"}),
        ("subprocess", {"process", "url_files", "interpreters", "keeper"}),
        ("sqlite3", {"databases", "child", "desk"}),
    ],
)
def test_a_library_stays_in_its_room(library: str, rooms: set[str]) -> None:
    users = {
        room(module)
        for module in MODULES
        for name in imports(module)
        if name.split(".")[0] == library
    }
    assert users <= rooms


def test_the_package_of_the_migrations_does_not_shadow_alembic() -> None:
    assert not list((PACKAGE.parent / "alembic").rglob("__init__.py"))
