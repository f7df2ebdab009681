"""What an env.py needs is read from its source, and nothing of it is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.revisions.env_py import EnvPy, read_env_py, setting_for

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


@pytest.mark.parametrize(
    ("source", "found"),
    [
        # The likeliest first.
        ("g('REDIS_URL'); g('APP_DB'); g('DATABASE_URL')",
         EnvPy(addresses=("DATABASE_URL", "REDIS_URL", "APP_DB"))),
        # What holds a part of it holds no URL.
        ("g('DB_HOST'); g('POSTGRES_DB'); g('MYSQL_PASSWORD'); g('SMTP_HOST')",
         EnvPy(parts=("DB_HOST", "POSTGRES_DB", "MYSQL_PASSWORD"))),
        ("config = Config('.env'); url = config('APP_DSN')", EnvPy(addresses=("APP_DSN",))),
        ("print('NO_URL_AT_ALL', 'DATABASE_URL')", EnvPy(addresses=("NO_URL_AT_ALL",))),
        ("stage = os.environ.get('APP_ENV')", EnvPy(selectors=("APP_ENV",))),
        ("x = context.get_x_argument(as_dictionary=True); x.get('db_url'); x['tenant']; y['z']",
         EnvPy(x=("db_url", "tenant"))),
        ("context.get_x_argument(as_dictionary=True)['db']", EnvPy(x=("db",))),
        # It reads the ini, but puts its own URL there first.
        (f"{GENERIC}\nconfig.set_main_option('sqlalchemy.url', settings.url)", EnvPy()),
        (f"{GENERIC}\noptions['sqlalchemy.url'] = settings.url", EnvPy()),
        (f"{GENERIC}\nconfig.set_main_option('script_location', x)", EnvPy(reads_ini=True)),
        ("from flask import current_app", EnvPy(is_flask=True)),
        ("e = create_async_engine(url)", EnvPy(is_async=True)),
        ("db_names = config.get_main_option('databases', '')",
         EnvPy(has_several_databases=True)),
        ("for name in bind_names: pass", EnvPy(has_several_databases=True)),
        ("context.configure(version_table='v', url=url)", EnvPy(version_table="v")),
        ("class S(BaseSettings):\n  db_url: str\n  name: str\n", EnvPy(addresses=("DB_URL",))),
        ("class S(Base):\n  db_url: str\n", EnvPy()),
        ("class S(AppSettings):\n  url: str = Field(validation_alias='PG_DSN')\n"
         "  class Config:\n    env_prefix = 'app_'\n", EnvPy(addresses=("PG_DSN", "APP_URL"))),
        ("class S(BaseSettings):\n  model_config = SettingsConfigDict(env_prefix='A_')\n  dsn: str",
         EnvPy(addresses=("A_DSN",))),
        ("class Url(str):\n  pass\nclass S(BaseSettings):\n  db_url: Url\n",
         EnvPy(addresses=("DB_URL",))),
        # A class of its own is no URL: pydantic would read JSON from such a variable.
        ("class D(BaseModel):\n  url: str\n  host: str\n"
         "class S(BaseSettings):\n  db: D = Field(alias='DB')\n  db_url: str\n",
         EnvPy(addresses=("DB_URL",))),
        ("class D(BaseModel):\n  url: str\n  host: str\n  pool: int\n"
         "class S(BaseSettings):\n  db: D | None\n"
         "  model_config = SettingsConfigDict(env_nested_delimiter='__', env_prefix='A_')\n",
         EnvPy(addresses=("A_DB__URL",), parts=("A_DB__HOST",))),
    ],
)  # fmt: skip
def test_what_an_env_py_tells(tmp_path: Path, source: str, found: EnvPy) -> None:
    file = tmp_path / "env.py"
    file.write_text(source)
    assert read_env_py(file) == found


def test_the_modules_that_it_imports_are_read_as_well(tmp_path: Path) -> None:
    for name, text in {
        "migrations/env.py": "from app.core.config import settings\nimport os, nowhere",
        "src/app/core/__init__.py": "g('CORE_URL')",
        "src/app/core/config.py": "from ..paths import x\nfrom . import other\ng('CONFIG_DB_URL')",
        "src/app/core/other.py": "from app.core import config\ng('OTHER_URL')",
        "src/app/paths.py": "broken(",
        "src/app/unrelated.py": "g('UNRELATED_URL')",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = read_env_py(tmp_path / "migrations/env.py", [tmp_path, tmp_path / "src"])
    assert found == EnvPy(imported=("CONFIG_DB_URL", "CORE_URL", "OTHER_URL"))
    setting = setting_for(tmp_path / "migrations/env.py", [tmp_path / "src"])
    assert setting == 'variables = { CONFIG_DB_URL = "{url}" }'
