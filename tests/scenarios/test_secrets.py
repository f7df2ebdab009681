"""What the configuration names as a secret is in no message, document, record or log."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.support import R3, Sandbox

TOKEN, KEY = "t0ken/with 'quotes' + %", "tr0ub4dor"
_PRINTS = """    import logging, os, subprocess, sys
    from urllib.parse import quote
    token, key = os.environ["API_TOKEN"], os.environ["SHOP_EXTRA"]
    print(token, repr(token), quote(token), key)
    sys.stdout.flush()
    os.write(2, b"half " + key[:4].encode())
    os.write(2, key[4:].encode() + b" whole\\n")
    subprocess.run([sys.executable, "-c", "import os; print(os.environ['SHOP_EXTRA'])"])
    logging.getLogger("shop").warning("%s and %s", key, os.environ["EXEC_ENV"])
    raise ValueError(f"cannot send {token} to {quote(key)}")"""


@pytest.fixture
def talkative(filled: Sandbox) -> Sandbox:
    table = f"variables = {{ API_TOKEN = {json.dumps(TOKEN)} }}\npass = ['SHOP_EXTRA']\n"
    text = (filled.folder / "pyproject.toml").read_text(encoding="utf-8")
    text = text.replace(
        "[tool.migrations_ops.environments.prod]",
        f"{table}\n[tool.migrations_ops.environments.prod]",
    )
    filled.configure(f"{text}\n{table}")
    filled.add_revision("r4dddddddddd", R3, _PRINTS)
    return filled


def test_no_secret_leaves(talkative: Sandbox) -> None:
    failed = talkative.invoke("release-migration", SHOP_EXTRA=KEY)
    assert failed.code == 3
    assert "ValueError: cannot send *** to ***" in failed.err
    document = talkative.invoke("release-migration", "--json", SHOP_EXTRA=KEY)
    assert "cannot send *** to ***" in document.json["error"]["what"]
    shown = talkative.invoke("releases", SHOP_EXTRA=KEY)
    texts = [each.out + each.err for each in (failed, document, shown)]
    releases = talkative.folder / "data/repom/releases"
    written = [each.read_text("utf-8") for each in releases.rglob("*.*") if each.is_file()]
    logs = [each.read_text("utf-8") for each in releases.rglob("*.log")]
    assert any('*** "***" *** ***\n' in each for each in logs), logs
    assert any("half *** whole\n***\n" in each for each in logs), logs
    # What is no secret, the name of an environment for instance, can be read.
    assert any("*** and dev" in each for each in logs), logs
    assert any("ValueError: cannot send *** to ***" in each for each in logs)
    for text in (*texts, *written):
        for secret in (TOKEN, KEY, repr(TOKEN)[1:-1], quote(TOKEN), quote(TOKEN, safe="")):
            assert secret not in text


@pytest.mark.parametrize(
    "url", ["tr0ub4dor", "postgresql:/me:tr0ub4dor@db/shop", "x://u:tr0ub4dor@"]
)
def test_a_url_that_is_written_wrongly_is_not_quoted(filled: Sandbox, url: str) -> None:
    text = (filled.folder / "pyproject.toml").read_text(encoding="utf-8")
    filled.configure(text.replace('"sqlite:///data/repom/db.sqlite3"', '{ variable = "SHOP_URL" }'))
    ran = filled.invoke("status-all", "--json", SHOP_URL=url)
    assert ran.code == 2
    assert "tr0ub4dor" not in ran.out + ran.err


def test_sql_with_a_secret_in_it_says_that_it_cannot_run_like_that(filled: Sandbox) -> None:
    text = (filled.folder / "pyproject.toml").read_text(encoding="utf-8")
    filled.configure(f"{text}\nvariables = {{ API_TOKEN = '{KEY}' }}\n")
    filled.add_revision("r4dddddddddd", R3, f"    op.execute(\"SELECT '{KEY}'\")")
    span = f"upgrade {R3}:r4dddddddddd --sql"
    ran = filled.invoke("alembic", "--env", "prod", "--args", span)
    assert "SELECT '***'" in ran.out
    assert "has a secret of the configuration in it" in ran.err
