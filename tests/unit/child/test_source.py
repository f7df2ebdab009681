"""A comment is no edit of a script, and its code hashes alike under every version of Python."""

from __future__ import annotations

import pytest

from migrations_ops.child.protocol.source import code_hash

SCRIPT = """# a comment
'''What it is for.'''
from alembic import op

revision = "r1"


def upgrade():
    '''Upgrade.'''
    op.execute("UPDATE t SET a = 1")  # all of them
"""
EVERYTHING = '''# c
"""doc"""
from __future__ import annotations
import sqlalchemy as sa
revision: str = "r1"
x = u"a" "b"
def upgrade(a, /, b=1, *c, d: int = 2, **e) -> None:
    """Up."""
    f"{a!r:>{b}} {{x}} {b=} {c['k']}" "tail" f"{d:}" f'{e:%H"%M}'
    op.execute("\\u00e9\\U0001F600 \\x00" + b"\\xff".decode("latin1"))
    with open("x") as y, open("z"): pass
    match a:
        case {"k": None, **rest}: return 1.5e10 + 2j
        case [1, *_] | A(x=2): ...
    try: pass
    except (ValueError, TypeError) as error: raise
    lambda *a: (yield)
    [i async for i in j if i]
    x[1:2, ..., None] = -1 ** 2
    if (n := 3) < 4 <= 5 and not 6: del n
    print(*a, **{"b": 1, **c})
class A(B, metaclass=C):
    """D."""
    z: int
async def g(): await h
'''


def test_the_hash_is_the_same_under_every_version_of_python() -> None:
    """What 3.10, 3.11, 3.12 and 3.13 have all made of it."""
    assert code_hash(EVERYTHING.encode())[:16] == "9bf56a9644af063d"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# -*- another -*-"),
        ("# a comment\n", ""),
        ("What it is for.", "Something else.\n\nCreate Date: yesterday\n"),
        ("'''Upgrade.'''", "# nothing"),
        ("  # all of them", ""),
        ("\n\n\ndef", "\n\ndef"),
        ('"UPDATE t SET a = 1"', "\n        'UPDATE t '\n        'SET a = 1',\n    "),
        ("\n", "\r\n"),
    ],
)
def test_what_python_does_not_run_is_no_edit(old: str, new: str) -> None:
    assert old in SCRIPT
    assert code_hash(SCRIPT.replace(old, new).encode()) == code_hash(SCRIPT.encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a = 1", "a = 2"),
        ("a = 1", "a  = 1"),
        ('"UPDATE', 'b"UPDATE'),
        ('"r1"', '"r2"'),
        ("op.execute", "op.get_bind().execute"),
        ("    op", "    if True:\n        op"),
        ("upgrade", "downgrade"),
        # A script that reads its docstrings runs them.
        ("op.execute(", "op.execute(upgrade.__doc__ or "),
    ],
)
def test_what_python_runs_is_an_edit(old: str, new: str) -> None:
    assert old in SCRIPT
    assert code_hash(SCRIPT.replace(old, new, 1).encode()) != code_hash(SCRIPT.encode())


def test_docstrings_count_where_the_script_reads_them() -> None:
    script = SCRIPT.replace("op.execute(", "op.execute(upgrade.__doc__ or ")
    changed = script.replace("'''Upgrade.'''", "'''DROP TABLE t'''")
    assert code_hash(script.encode()) != code_hash(changed.encode())


@pytest.mark.parametrize("source", [b"def", b"x = '\xff'", b"\0", b"("])
def test_what_cannot_be_parsed_has_none(source: bytes) -> None:
    assert code_hash(source) == ""
