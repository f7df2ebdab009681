"""The plugin reads any configuration: none may stop a bare ``alembic``."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine

from migrations_ops.child import plugin

SENSELESS = [
    "",
    "tool = 3",
    "[tool]\nmigrations_ops = 'tool.migrations_ops'",
    "environments = 3\nselector = 4",
    "[environments]\ndev = 1\nprod = []",
    "[environments.dev]\nurl = 7",
    "[environments.dev]\nurl = 'sqlite:///~nobody/'",
    '[environments.dev]\nurl = "sqlite:///\\u0000"',
    "[environments.dev]\nurl = 'postgresql://[/shop'",
    b"selector = '\xff'\n",
    None,
]


@pytest.mark.parametrize("text", SENSELESS)
def test_senseless_configuration_is_read_and_the_line_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes | None
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "migrations_ops.toml"
    if text is None:
        file.mkdir()
    else:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    config = SimpleNamespace(config_file_name=str(tmp_path / "alembic.ini"))
    configured = plugin._find_configuration(config)
    if configured is not None:
        with create_engine("sqlite:///shop.db").connect() as connection:
            assert "this reaches shop.db" in plugin._line(connection, {}, configured)
