"""What revisions, tables, notes and exceptions are called acts on no terminal and no CI runner."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support import R3, Sandbox, query

# A title for the window, an erased screen, a turned direction, and a command for GitHub.
EVIL = "\x1b]0;x\x07\x1b[2J\x9b31m\u202egpj\u2028\n::error::owned\r\n##vso[task.complete]"
RAW = re.compile(
    "[^\\S \n]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
COMMAND = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)


def require_inert(*texts: str) -> None:
    for text in texts:
        assert not RAW.search(text), ascii(RAW.search(text))
        assert not COMMAND.search(text), text


@pytest.fixture
def hostile(filled: Sandbox) -> Sandbox:
    query(filled.prod, f'CREATE TABLE "{EVIL}" (id INTEGER)')
    filled.write(
        "alembic/versions/r4.py",
        f'{"::warning::one " + EVIL!r}\nrevision = "r4dddddddddd"\ndown_revision = {R3!r}\n'
        f"def upgrade():\n    print({EVIL!r})\n    raise ValueError({EVIL!r})\n"
        "def downgrade():\n    pass\n",
    )
    return filled


def test_nothing_that_others_wrote_reaches_the_terminal_raw(hostile: Sandbox) -> None:
    for tasks in (
        ("history", "backup", "--note", EVIL, "backups"),
        (
            "current",
            "release-migration",
            "--plan",
            "alembic",
            "--env",
            "dev",
            "--args",
            "history -v",
        ),
        ("release-migration",),
        ("releases",),
    ):
        ran = hostile.invoke(*tasks)
        require_inert(ran.out, ran.err)
    assert ran.code == 0
    ran = hostile.invoke("release-migration", "--json")
    assert ran.code == 3
    require_inert(ran.out, ran.err)
    assert "\\x1b]0;x" in ran.err
    assert EVIL.splitlines()[0] in ran.json["error"]["what"]
    for record in (hostile.folder / "data/repom/releases").glob("*/release.json"):
        text = Path(record).read_text(encoding="utf-8")
        require_inert(text)
        assert json.loads(text)["id"] == record.parent.name


def test_sql_for_a_program_is_as_alembic_wrote_it(filled: Sandbox) -> None:
    sql = "UPDATE t SET password = NULL\n  ::text || 'a\x1bb'"
    filled.add_revision("r4dddddddddd", R3, f"    op.execute({sql!r})")
    span = f"upgrade {R3}:r4dddddddddd --sql"
    ran = filled.invoke("alembic", "--env", "dev", "--args", span)
    assert (ran.code, ran.err) == (0, "")
    assert sql in ran.out
