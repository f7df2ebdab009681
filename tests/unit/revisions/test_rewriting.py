"""Only ``down_revision`` changes, and Alembic reads what was meant."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.revisions.errors import HistoryError
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.parser import parse
from migrations_ops.revisions.rewriting import with_parents
from tests.scripts_support import as_tuple, made_by_alembic

FILE = "versions/a.py"


def rewritten(source: str | bytes, *parents: str) -> str:
    content = source if isinstance(source, bytes) else source.encode()
    changed = with_parents(content, parse(content, FILE, "a.py"), parents)
    return changed.decode("utf-8", "surrogateescape")


def script(value: str) -> str:
    return f"# -*- c -*-\nrevision = 'own'\n{value}\nupgrade = 1\n"


@pytest.mark.parametrize(
    ("value", "parents", "expected"),
    [
        ("down_revision = 'a'", ("n",), "down_revision = 'n'"),
        ('down_revision = "a"  # first', ("n",), 'down_revision = "n"  # first'),
        ("down_revision=u'a'", ("n",), "down_revision=u'n'"),
        ('down_revision = """a"""', ("n",), 'down_revision = """n"""'),
        ("down_revision = ('a')", ("n",), "down_revision = ('n')"),
        ("down_revision = 'a' 'b'", ("n",), "down_revision = 'n'"),
        ("down_revision = None", ("n",), "down_revision = 'n'"),
        (
            "down_revision: Union[str, None] = None",
            ("n",),
            "down_revision: Union[str, None] = 'n'",
        ),
        (
            'down_revision: "str | None" = ("a",)  # é',
            ("n",),
            'down_revision: "str | None" = ("n",)  # é',
        ),
        (
            "é = 'é'; down_revision = 'a'; ü = 1",
            ("n",),
            "é = 'é'; down_revision = 'n'; ü = 1",
        ),
        (
            "down_revision = (\n    'a',  # one\n    \"b\",  # two\n)",
            ("a", "n"),
            "down_revision = (\n    'a',  # one\n    \"n\",  # two\n)",
        ),
        ("down_revision = ['a', 'b']", ("n", "b"), "down_revision = ['n', 'b']"),
        ("down_revision = 'a', 'b'", ("n",), "down_revision = 'n'"),
        ("down_revision = ('a', 'b')", ("n",), "down_revision = 'n'"),
        ("down_revision = 'a'", ("n", "m"), "down_revision = ('n', 'm')"),
        ("down_revision = 'a'", ("it's",), 'down_revision = "it\'s"'),
    ],
)
def test_the_value_changes_and_nothing_else(
    value: str, parents: tuple[str, ...], expected: str
) -> None:
    assert rewritten(script(value), *parents) == script(expected)


@pytest.mark.parametrize(
    "value",
    [
        "down_revision = x = 'a'",
        "down_revision = 'a'\ndown_revision = 'a'",
        "down_revision = (\n    'a',\n    # two\n    'b',\n)",
    ],
)
def test_what_cannot_be_changed_safely_is_refused(value: str) -> None:
    with pytest.raises(HistoryError, match="not written in a way that can be changed") as caught:
        rewritten(script(value), "n")
    assert 'by hand: down_revision = "n"' in caught.value.next


def test_a_name_that_the_encoding_of_a_file_lacks_is_refused() -> None:
    source = "# coding: latin-1\nrevision = 'é'\ndown_revision = 'a'\n".encode("latin-1")
    with pytest.raises(HistoryError):
        rewritten(source, "日")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_line_ends_and_encoding_stay(end: str, encoding: str) -> None:
    head = "# coding: latin-1\n" if encoding == "latin-1" else ""
    text = f'{head}"""é\n\nRevises: a\n\n"""\nx = "é"\nrevision = "own"\ndown_revision = "a"\n'
    text = text.replace("\n", end)
    changed = with_parents(
        text.encode(encoding), Revision("own", ("a",), (), (), FILE, "é"), ("n",)
    )
    assert changed == (
        text.replace("Revises: a", "Revises: n").replace('= "a"', '= "n"').encode(encoding)
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Revises: a", "Revises: n"),
        ("Revises:  a  ", "Revises:  n  "),
        ("  Revises: a", "  Revises: n"),
        # Of another revision, or a sentence: it stays.
        ("Revises: ab", "Revises: ab"),
        ("Revises: a, b", "Revises: a, b"),
        ("It Revises: a", "It Revises: a"),
    ],
)
def test_the_docstring_says_the_same_if_it_did_before(line: str, expected: str) -> None:
    before = f"'''t\n{line}\n'''\nrevision = 'own'\ndown_revision = '{{}}'\n"
    after = f"'''t\n{expected}\n'''\nrevision = 'own'\ndown_revision = '{{}}'\n"
    assert rewritten(before.format("a"), "n") == after.format("n")


@pytest.mark.parametrize("blank", [" ", ""])
def test_the_docstring_of_a_root_gets_its_parent(blank: str) -> None:
    text = f'"""t\n\nRevises:{blank}\n"""\nrevision = "own"\ndown_revision = None\n'
    assert "Revises: n\n" in rewritten(text, "n")


IDS = st.text(st.sampled_from("abcdef0123456789_é"), min_size=1, max_size=12)
PARENTS = st.lists(IDS, max_size=3, unique=True).map(tuple)
NEW = st.lists(IDS, min_size=1, max_size=3, unique=True).map(tuple)
JUNK = st.sampled_from(
    ["", "# é down_revision = 'x'", "x = '''\ndown_revision = 1\n'''", "import re", "é: int = 2"]
)


@st.composite
def sources(draw: st.DrawFn) -> tuple[str, str, str, tuple[str, ...]]:
    """A script in one of the forms that people write: what comes before the parents, the parents as
    they are written there, what comes after them, and the parents."""
    parents: tuple[str, ...] = draw(PARENTS)
    quote = draw(st.sampled_from("'\""))
    texts = [f"{quote}{each}{quote}" for each in parents]
    blanks = draw(st.sampled_from([", ", ",\n    ", ",  # one\n    "]))
    is_single = len(texts) == 1 and draw(st.booleans())
    inner = blanks.join(texts) + ("," if len(texts) == 1 else "")
    value = texts[0] if is_single else f"({inner})" if texts else "None"
    note = draw(st.sampled_from(["", ": Union[str, None]", ": 'str | None'"]))
    doc = draw(st.sampled_from(["", f'"""é\n\nRevises: {", ".join(parents)}\n"""\n', "'t'\n"]))
    lines = ["from typing import Union", draw(JUNK), "revision = 'own'", draw(JUNK)]
    before = doc + "\n".join([*lines, f"down_revision{note} = "])
    after = "\n".join(["", draw(JUNK), "branch_labels = depends_on = None", ""])
    end = draw(st.sampled_from(["\n", "\r\n"]))
    before, value, after = (each.replace("\n", end) for each in (before, value, after))
    return before, value, after, parents


def alembic_reads(folder: Path, parents: Sequence[str]) -> tuple[str, ...]:
    for each in parents:
        (folder / f"{each}_.py").write_text(made_by_alembic(each), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripts = ScriptDirectory(str(folder), version_locations=[str(folder)])
        own = scripts.get_revision("own")
    assert own is not None
    return as_tuple(own.down_revision)


@given(sources(), NEW)
def test_the_parents_change_and_nothing_else_and_alembic_reads_them(
    made: tuple[str, str, str, tuple[str, ...]], new: tuple[str, ...]
) -> None:
    before, value, after, old = made
    source = (before + value + after).encode()
    known = parse(source, FILE, "a.py")
    try:
        changed = with_parents(source, known, new)
    except HistoryError:
        assert "# one" in value  # a comment within the value would be lost
        return
    was, now = (f"Revises: {', '.join(each)}" for each in (old, new))
    expected = before.replace(was, now, 1) if "Revises:" in before else before
    assert changed.decode().startswith(expected)
    assert changed.decode().endswith(after)
    assert ast.literal_eval(changed.decode()[len(expected) : -len(after)]) in (new, *new)
    with TemporaryDirectory() as folder:
        (Path(folder) / "own.py").write_bytes(changed)
        assert alembic_reads(Path(folder), new) == new
    if len(old) == len(new):
        assert with_parents(changed, known._replace(down=new), old) == source
