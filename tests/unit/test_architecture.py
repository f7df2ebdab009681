"""The contracts of the architecture hold: see docs/architecture.md."""

from __future__ import annotations

import pytest
from importlinter import cli

from tests.support import REPOSITORY


def test_the_contracts_between_packages_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert cli.lint_imports(no_cache=True) == cli.EXIT_STATUS_SUCCESS


def test_the_folder_of_the_migrations_does_not_shadow_alembic() -> None:
    assert not list((REPOSITORY / "alembic").rglob("__init__.py"))
