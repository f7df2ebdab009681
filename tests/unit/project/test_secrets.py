"""Which values of variables are secrets: as docs/configuration.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.child.protocol import redaction
from migrations_ops.child.protocol.redaction import redacted
from migrations_ops.project.environments import Environment, UrlFromVariable
from migrations_ops.project.secrets import find_secrets, keep_configured_secrets
from migrations_ops.project.settings import Settings

SECRET = {
    "DB_PASSWORD": "tiger", "PGPASSWORD": "123456", "API_KEY": "plain", "APIKEY": "plain",
    "AWS_SECRET_ACCESS_KEY": "/wJalr", "GITHUB_TOKEN": "ghp", "SENTRY_DSN": "https://a1b2@sentry/1",
    "EXTRA": "hunter2", "SETTING": "a b c 1", "OPTIONS": "-c search_path=app", "KEY_1": "word",
    "HEX": "deadbeef00", "BASE": "abc/def+1==", "BASIC_AUTH": "me",
}  # fmt: skip
SHOWN = {
    "EXEC_ENV": "prod", "MODE": "read-only", "LEVEL": "INFO", "PORT": "5432", "DAY": "2026-11-30",
    "SETTINGS": "shop.settings", "FILE": "/etc/shop.toml", "HOME": "~/shop", "DRIVE": "C:\\shop",
    "DATABASE_URL": "postgresql://me:tr0ub4dor@db/shop", "TEMPLATE_DSN": "{url}",
    "CONFIG": "conf/shop2.toml", "PGPASSFILE": "/home/me/.pgpass", "MONKEY": "banana",
    "SECRET_OF": "prod", "TENANT": "tenant1",
}  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_value_that_is_a_secret(name: str) -> None:
    assert [*find_secrets({name: SECRET[name]}, {"prod"})] == [SECRET[name]]


def test_lines_of_a_key_are_secrets_too() -> None:
    key = (
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n}\nprod\n  read-only and so on\n"
    )
    lines = key.splitlines()
    assert [*find_secrets({"PRIVATE_KEY": key}, {"prod"})] == [key, *lines[:2]]


@pytest.mark.parametrize("name", SHOWN)
def test_value_that_messages_have_to_show(name: str) -> None:
    assert [*find_secrets({name: SHOWN[name]}, {"prod", "tenant1"})] == []


def test_secrets_of_all_environments_are_hidden_and_their_words_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    dev = Environment(
        "dev01", "sqlite:///a.db", Path(), passed_variables=("TOKEN", "PGUSER", "STAGE")
    )
    prod = Environment(
        "prod", UrlFromVariable("DB_URL"), Path(), variables={"SALT": "p3pper", "SCHEMA": "shop_1"},
        version_table_schema="shop_1",
    )  # fmt: skip
    settings = Settings(
        Path("a"), Path("b"), "EXEC_ENV", Path(), Path(), 1, 0, 1.0, path=(dev, prod)
    )
    shell = {
        "TOKEN": "t0ken",
        "DB_URL": "mysql://u1:tr0ub4dor@db/s1",
        "PGUSER": "u1",
        "STAGE": "dev01",
    }
    keep_configured_secrets(settings, shell)
    shown = "dev01, prod, u1, s1 and shop_1"
    assert redacted(f"{shown}; t0ken, p3pper, tr0ub4dor") == f"{shown}; ***, ***, ***"
