"""A printed command can be typed where the tasks of a project have a prefix."""

from __future__ import annotations

import pytest

from migrations_ops.cli.output.commands import document_with_prefix, with_prefix

TASKS = {"verify", "restore", "upgrade-dev", "upgrade-prod", "status-all"}


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Type: invoke verify", "Type: invoke a.verify"),
        ("invoke status-all; and more", "invoke a.status-all; and more"),
        ("(invoke restore --env verify --yes)", "(invoke a.restore --env verify --yes)"),
        (
            "Type: invoke upgrade-dev verify --env dev upgrade-prod.",
            "Type: invoke a.upgrade-dev a.verify --env dev a.upgrade-prod.",
        ),
        ("invoke --list", "invoke --list"),
        ("verify of dev failed", "verify of dev failed"),
    ],
)
def test_each_task_of_a_command_gets_the_prefix(text: str, typed: str) -> None:
    assert with_prefix(text, "a.", TASKS) == typed
    assert with_prefix(text, "", TASKS) == text


def test_a_document_changes_in_its_error_alone() -> None:
    document = {"id": "invoke verify", "error": {"exit": 1, "next": "invoke verify"}}
    assert document_with_prefix(document, "a.", TASKS) == {
        "id": "invoke verify",
        "error": {"exit": 1, "next": "invoke a.verify"},
    }
    assert document_with_prefix({"error": None}, "a.", TASKS) == {"error": None}
