"""What an env.py needs is read from its source, and nothing of it is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.revisions.env_py import setting_for

GENERIC = """
config = context.config
connectable = engine_from_config(config.get_section("alembic"), prefix="sqlalchemy.")
"""


@pytest.mark.parametrize(
    ("source", "setting"),
    [
        (GENERIC, "ini_url = true"),
        ("url = context.config.get_main_option('sqlalchemy.url')", "ini_url = true"),
        ("import sqlalchemy.ext.asyncio as a; a.async_engine_from_config({})", "ini_url = true"),
        ("url = os.environ['DATABASE_URL']", 'variables = { DATABASE_URL = "{url}" }'),
        ("url = os.getenv('APP_DB_URI', 'x')", 'variables = { APP_DB_URI = "{url}" }'),
        ("url = environ.get('DSN')", 'variables = { DSN = "{url}" }'),
        # The variable wins: the ini's is replaced by it.
        (f"config.set_main_option('a', os.environ['DB_URL'])\n{GENERIC}",
         'variables = { DB_URL = "{url}" }'),
        # The selector holds no address.
        (f"stage = os.environ.get('STAGE')\n{GENERIC}", "ini_url = true"),
        ("from app.settings import url", ""),
        ("os.environ[name]", ""),
        ("def broken(:", ""),
        ("\0", ""),
    ],
)  # fmt: skip
def test_the_setting_that_hands_env_py_its_url(tmp_path: Path, source: str, setting: str) -> None:
    file = tmp_path / "env.py"
    file.write_text(source)
    assert setting_for(file) == setting


def test_an_env_py_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert setting_for(tmp_path / "env.py") == ""
