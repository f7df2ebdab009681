"""The other version tables of a database are counted, and those that are elsewhere are named."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrations_ops.model.inspection import Inspection, versions_in_words
from migrations_ops.operations.other_versions import find_other_versions
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.project import Project


def find(
    others: Mapping[str, tuple[str, ...]], *configured: str, complete: bool = True
) -> list[tuple[str, str]]:
    """:param configured: the version tables of the environments of this database.
    :param complete: whether the scripts could be read.
    """
    database = object()
    environments = [
        SimpleNamespace(name="prod", version_table=each, version_table_schema=None)
        for each in configured or ("alembic_version",)
    ]
    project: Any = SimpleNamespace(
        settings=SimpleNamespace(path=environments),
        knows_url=lambda _: True,
        database=lambda _: database,
    )
    state: Any = SimpleNamespace(
        environment=environments[0],
        database=database,
        history=SimpleNamespace(revisions={"r1": None, "r2": None}, complete=complete),
        inspection=Inspection(exists=True, revisions=("r2",), other_versions=others),
    )
    found = find_other_versions(cast(Project, project), cast(DatabaseState, state))
    return [(each.severity, each.message.rpartition(": ")[2]) for each in found]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({}, []),
        ({"version_other": ("o1",)}, [("note", "version_other at o1")]),
        # Of the same scripts by its revision, or by its name in another schema.
        ({"version_x": ("r1",)}, [("warning", "version_x at r1")]),
        ({"tenant.alembic_version": ()}, [("warning", "tenant.alembic_version at no revision")]),
        ({"tenant.alembic_version": ("r2",)}, [("note", "tenant.alembic_version at r2")]),
        # Another project, in a schema of its own.
        ({"b.alembic_version": ("b1",)}, [("note", "b.alembic_version at b1")]),
        (
            {f"t{n}.alembic_version": ("r2" if n < 6 else "r1",) for n in range(50)},
            [("warning", "44 at r1")],
        ),
    ],
)
def test_other_version_tables_are_named(
    others: dict[str, tuple[str, ...]], expected: list[tuple[str, str]]
) -> None:
    assert find(others) == expected


def test_where_the_scripts_cannot_be_read_the_name_tells() -> None:
    at_b1: dict[str, tuple[str, ...]] = {"b.alembic_version": ("b1",), "b.version_other": ("b2",)}
    assert find(at_b1, complete=False) == [("warning", "b.alembic_version at b1")]


def test_the_version_tables_of_other_environments_are_no_news() -> None:
    assert find({"version_other": ("r1",)}, "alembic_version", "version_other") == []


def test_many_are_counted_by_their_revisions() -> None:
    many = {f"t{n}": (f"r{min(n, 7)}",) for n in range(10)}
    assert versions_in_words(many) == "3 at r7, 1 at r0, 1 at r1, 1 at r2, 1 at r3, 3 at others"
    assert versions_in_words({"a": ("x", "y"), "b": ()}) == "a at x and y, b at no revision"
