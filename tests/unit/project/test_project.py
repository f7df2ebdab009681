"""What a project reads from its configuration is resolved once, and its passwords are hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrations_ops.child.protocol import redaction
from migrations_ops.project import project as module
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from tests.support import Sandbox


@pytest.mark.parametrize("key", ["url", "inspect_url", "scratch_url"])
def test_password_of_each_url_is_hidden(
    shop: Sandbox, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    opened: list[Any] = []
    monkeypatch.setattr(module, "open_database", lambda *urls: opened.append(urls))
    url, password = f"postgresql://me:tr0ub4dor-{key}@db/shop", f"tr0ub4dor-{key}"
    urls: dict[str, Any] = {"url": "postgresql://me@db/shop", key: url}
    environment = Environment("prod", directory=Path(), **urls)
    project = Project.read(shop.folder)
    project.database(environment)
    assert any(url in urls for urls in opened)
    assert password not in redaction.redacted(f"cannot connect with {password}")
