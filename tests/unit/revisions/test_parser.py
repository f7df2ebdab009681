"""One script, read without running it, held against what Alembic gets from running it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrations_ops.model.errors import ExitCode
from migrations_ops.revisions.errors import UnreadableScript
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import ComputedRevision
from tests.scripts_support import by_alembic, by_us, made_by_alembic, only, put


def test_a_script_of_alembics_template(tmp_path: Path) -> None:
    file = put(tmp_path, "ae1_add_users.py", made_by_alembic("ae1", message="add users\nand roles"))
    assert only(tmp_path).revisions == {
        "ae1": Revision("ae1", (), (), (), str(file.resolve()), "add users")
    }


NAMED = 'revision = "ae1"\ndown_revision = None\n'

READABLE = {
    "bare": NAMED,
    "single quotes": "revision = 'ae1'\ndown_revision = None",
    "no newline at the end": "down_revision = None\nrevision = 'ae1'",
    "no spaces": "revision='ae1'\ndown_revision=None\n",
    "annotated": 'revision: str = "ae1"\ndown_revision: str | None = None\n',
    "quoted annotation": 'revision: "str" = "ae1"\ndown_revision: "str | None" = None\n',
    "annotation alone": "revision: str\nbranch_labels: str\n" + NAMED,
    "comments": 'revision = "ae1"  # this = "one"\ndown_revision = None  # none\n# end',
    "a hash in the text": 'revision = "a#e1"\ndown_revision = None\n',
    "labels": NAMED + 'branch_labels = ("blue", "green")\n',
    "one label": NAMED + 'branch_labels = "blue"\n',
    "a list": NAMED + "branch_labels = ['blue', 'green']\ndepends_on = []\n",
    "a set": NAMED + "branch_labels = {'blue', 'green'}\n",
    "several lines": NAMED + 'branch_labels = (\n    "blue",\n    "green",\n)\n',
    "several lines with comments": NAMED
    + 'branch_labels = (\n    "blue",  # one\n    "green",\n)\n',
    "brackets without a tuple": "revision = ('ae1')\ndown_revision = (None)\n",
    "a tuple of none": "revision = 'ae1'\ndown_revision = (None,)\n",
    "empty tuples": NAMED + "depends_on = ()\nbranch_labels = ()\n",
    "a backslash": "revision = \\\n    'ae1'\ndown_revision = None\n",
    "an escape": "revision = '\\x61e1'\ndown_revision = None\n",
    "text in two pieces": "revision = 'a' 'e1'\ndown_revision = None\n",
    "old prefix": "revision = u'ae1'\ndown_revision = None\n",
    "a chain": "revision = up_revision = 'ae1'\ndown_revision = None\n",
    "set twice": "revision = 'old'\n" + NAMED,
    "set again at the end": "revision = 'old'\n" + NAMED.replace("=", "=  ") + "\ndef f(): pass\n"
    "revision = 'ae2'\n",
    "two on a line": "revision = 'ae1'; down_revision = None\n",
    "imports in brackets": f"from os import (\n    path,\n    sep,\n)\n{NAMED}",
    "star import before": f"from os.path import *\n{NAMED}depends_on = branch_labels = None\n",
    "an unknown line before": f"import os\nHERE = os.curdir\n{NAMED}",
    "a condition beside it": f"{NAMED}if True:\n    other = 'x'\n",
    "other names": f"my_revision = 'no'\nrevision_id = 'no'\n{NAMED}",
    "docstring": f'"""add users\n\nand more"""\n{NAMED}',
    "docstring that lies": f'"""add users\n\nrevision = "no"\ndown_revision = "no"\n"""\n{NAMED}',
    "docstring that lies in single quotes": f"'''add\nrevision = 'no'\n'''\n{NAMED}",
    "docstring with quotes": f'""""a" is "b\\""""\n{NAMED}',
    "docstring on one line": f"'add users'\n{NAMED}",
    "raw docstring": f'r"""add \\users"""\n{NAMED}',
    "docstring after comments": f'# licence\n\n# more\n"""add users"""\n{NAMED}',
    "empty docstring": f'""""""\n{NAMED}',
    "no docstring but text": f'x = """\nrevision = "no"\n"""\n{NAMED}',
    "text after": f'{NAMED}SQL = """\nrevision = "no"\n"""\n',
    "text inside a call": f'{NAMED}dict(\nrevision="no"\n)\n',
    "a call first": f'dict(\nrevision="no"\n)\n{NAMED}',
    "inside a function": f'{NAMED}def f():\n    revision = "no"\n    return revision\n',
    "only inside before": f'def f():\n    revision = "no"\n{NAMED}',
    "inside a class": f'{NAMED}class C:\n    revision = "no"\n',
    "in a comprehension": f"{NAMED}x = [revision for revision in 'ab']\n",
    "as a column": f"{NAMED}def upgrade():\n    f('revision', x.revision, revision='no')\n",
    "used": f"{NAMED}def upgrade():\n    print(revision)\n",
    "tabs and blanks": "revision\t=\t'ae1'   \n  \n\t\ndown_revision  =  None\n",
    "form feed": f"\f\n{NAMED}",
    "windows": NAMED.replace("\n", "\r\n"),
    "windows with docstring": f'"""add users\n\nmore\n"""\n{NAMED}'.replace("\n", "\r\n"),
    "old mac": NAMED.replace("\n", "\r"),
    "byte order mark": "\ufeff" + NAMED,
    "coding": f"# -*- coding: utf-8 -*-\n# \u00e9\n{NAMED}",
    "invalid escape": f"{NAMED}x = '\\d'\n",
    "not ascii": f'"""\u00e9t\u00e9"""\n{NAMED}',
}


@pytest.mark.parametrize("source", READABLE.values(), ids=READABLE.keys())
def test_a_script_is_read_as_alembic_reads_it(tmp_path: Path, source: str) -> None:
    put(tmp_path, "x.py", source)
    assert by_us(only(tmp_path)) == by_alembic(tmp_path)


def test_a_script_in_another_encoding(tmp_path: Path) -> None:
    source = f'# coding: latin-1\n"""\u00e9t\u00e9"""\n{NAMED}'
    put(tmp_path, "x.py", source.encode("latin-1"))
    assert by_us(only(tmp_path)) == by_alembic(tmp_path)


PIECES = (
    "revision = 'ae1'\n",
    "down_revision = None\n",
    "revision: str = 'ae2'\n",
    "down_revision = ()\n",
    "branch_labels = ('blue',)\n",
    "branch_labels = (\n'blue'\n, 'green')\n",
    "depends_on = None # 'x'\n",
    '"""doc\nrevision = "d1"\n"""\n',
    "'''\nrevision = 'd2'\n'''\n",
    "x = '''\nrevision = 'd3'\n'''\n",
    "dict(\nrevision='d4'\n)\n",
    "import os\n",
    "from os import (\npath\n)\n",
    "\n",
    "# revision = 'c1'\n",
    "def f():\n    revision = 'f1'\n",
    "if True:\n    x = 1\n",
    "if True:\n    revision = 'i1'\n",
    "if False:\n    revision = 'i2'\n",
    "for revision in 'r': pass\n",
    "x = 1; revision = 's1'\n",
    "revision, down_revision = 't1', None\n",
    "def g():\n    global revision\n    revision = 'g1'\ng()\n",
    "class revision: pass\nrevision = 'k1'\n",
    "globals()['revision'] = 'y1'\n",
    "exec('revision = \"e1\"')\n",
    "from os import sep as branch_labels\n",
    "from os.path import *\n",
    "revision += 'x'\n",
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7))
def test_whatever_is_read_is_what_running_the_script_gives(pieces: list[str]) -> None:
    """A script may be called computed, or broken; read wrongly it may not be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put(folder, "x.py", "".join(pieces))
        try:
            ours = by_us(only(folder))
        except (ComputedRevision, UnreadableScript):
            return
        assert ours == by_alembic(folder)


COMPUTED = {
    "f-string": "N = 1\nrevision = f'ae{N}'\ndown_revision = None\n",
    "sum": "revision = 'a' + 'e1'\ndown_revision = None\n",
    "from another": "down_revision = None\nREV = 'ae1'\nrevision = REV\n",
    "file name": "import os\nrevision = os.path.basename(__file__)[:3]\ndown_revision = None\n",
    "condition": "revision = 'ae1'\nif True:\n    down_revision = None\n",
    "try": f"try:\n    revision = 'x'\nexcept ImportError:\n    pass\n{NAMED}",
    "unpacked": "revision, down_revision = 'ae1', None\n",
    "added to": f"{NAMED}revision += 'x'\n",
    "deleted": f"{NAMED}del revision\n",
    "walrus": f"{NAMED}print(revision := 'x')\n",
    "loop": f"{NAMED}for revision in 'ab': pass\n",
    "with": f"{NAMED}with open(__file__) as revision: pass\n",
    "except": f"{NAMED}try:\n    1 / 0\nexcept Exception as revision:\n    pass\n",
    "match": f"{NAMED}match 1:\n    case revision: pass\n",
    "match rest": f"{NAMED}match {{}}:\n    case {{**revision}}: pass\n",
    "function": f"{NAMED}def revision(): pass\n",
    "class": f"{NAMED}class revision: pass\n",
    "import": f"{NAMED}import revision\n",
    "import before": f"from os import path as revision\n{NAMED}",
    "import as": f"{NAMED}import os as revision\n",
    "star import": f"{NAMED}from os.path import *\n",
    "star import before, labels open": f"from os.path import *\n{NAMED}",
    "global": f"{NAMED}def f():\n    global revision\n    revision = 'x'\nf()\n",
    "globals": f"{NAMED}globals()['revision'] = 'x'\n",
    "globals in a function": f"{NAMED}def f():\n    globals()['revision'] = 'x'\nf()\n",
    "exec": f"{NAMED}exec('revision = 1')\n",
    "module getattr": f"{NAMED}def __getattr__(name): return None\n",
}


@pytest.mark.parametrize("source", COMPUTED.values(), ids=COMPUTED.keys())
def test_a_script_that_has_to_run_is_left_to_alembic(tmp_path: Path, source: str) -> None:
    file = put(tmp_path, "x.py", source)
    with pytest.raises(ComputedRevision) as caught:
        only(tmp_path)
    assert caught.value.file == str(file.resolve())
    assert "computes its" in str(caught.value)


UNREADABLE = {
    "syntax error": (f"{NAMED}\nrevision = = 'x'\n", "line 4: invalid syntax"),
    "not utf-8": (f"{NAMED}x = '\u00e9'\n".encode("latin-1"), "utf-8"),
    "null byte": (f"{NAMED}\0".encode(), "null bytes"),
    "unknown coding": (f"# coding: klingon\n{NAMED}", "klingon"),
    "no revision": ("HELPER = 1\n", "declares no revision"),
    "empty": ("", "declares no revision"),
    "no down_revision": ("revision = 'ae1'\n", "declares no down_revision"),
    "a number": ("revision = 1\ndown_revision = None\n", "declares the revision 1"),
    "empty text": ("revision = ''\ndown_revision = None\n", "declares the revision ''"),
    "a number below": ("revision = 'ae1'\ndown_revision = 3\n", "down_revision as 3"),
    "none among others": ("revision = 'ae1'\ndown_revision = ('a', None)\n", "names no revisions"),
}


@pytest.mark.parametrize(("source", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_script_that_alembic_would_not_load_is_refused(
    tmp_path: Path, source: str | bytes, reason: str
) -> None:
    file = put(tmp_path, "x.py", source)
    with pytest.raises(UnreadableScript) as caught:
        only(tmp_path)
    assert str(file.resolve()) in str(caught.value)
    assert reason in str(caught.value)
    assert caught.value.exit_code == ExitCode.REFUSED


def test_before_alembic_0_2_the_file_name_was_the_revision(tmp_path: Path) -> None:
    put(tmp_path, "1a2b3c.py", "down_revision = None\n")
    assert by_us(only(tmp_path)) == by_alembic(tmp_path)
    assert list(only(tmp_path).revisions) == ["1a2b3c"]
