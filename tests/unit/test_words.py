"""Names say what they hold in plain words: some that do not were given up, and stay away."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support import REPOSITORY

PACKAGE = REPOSITORY / "migrations_ops"
TESTS = REPOSITORY / "tests"


def words(name: str) -> set[str]:
    """``_is_writtenAs`` is made of "is", "written" and "as"."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


RETIRED = words(
    "alone_apart_course_cure_desk_door_doubts_fruitless_harmless_lasting_look_moves_noted_orders"
    "_patience_play_presence_remedy_said_settle_settles_settling_shelf_standing_told_unlike_unnoted"
    "_wish_witness"
)


# In the sentence that is the name of a test, these mean what they say; chaos is played.
RETIRED_IN_TESTS = RETIRED - words("alone_cure_look_noted_play_remedy")


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What a module gives a name to, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def test_no_name_has_a_retired_word() -> None:
    assert [
        f"{path.relative_to(REPOSITORY)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in names(ast.parse(path.read_text(encoding="utf-8")))
        if words(name) & RETIRED
    ] == []


def test_no_test_is_named_with_a_retired_word() -> None:
    assert [
        f"{path.relative_to(REPOSITORY)}: {node.name}"
        for path in sorted(TESTS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and words(node.name) & RETIRED_IN_TESTS
    ] == []


def test_names_are_split_into_their_words() -> None:
    tree = ast.parse("class ToldAll:\n def _is_told(self, the_door): self.wish = x = told")
    assert [name for _, name in names(tree) if words(name) & RETIRED] == [
        "ToldAll", "_is_told", "the_door", "wish",
    ]  # fmt: skip
    assert words("bold_retold") == {"bold", "retold"}
