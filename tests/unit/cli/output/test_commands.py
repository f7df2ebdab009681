"""A printed command can be typed as it stands, whatever comes before the tasks of a project."""

from __future__ import annotations

import pytest

from migrations_ops.cli.output.commands import CommandLine, as_typed, document_as_typed

TASKS = frozenset({"verify", "restore", "upgrade-dev", "upgrade-prod", "status-all"})
PREFIXED = CommandLine(prefix="a.", tasks=TASKS)
SCRIPT = CommandLine("migrations-ops", tasks=TASKS)


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
    assert as_typed(text, PREFIXED) == typed
    assert as_typed(text, CommandLine(tasks=TASKS)) == text


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Type: invoke verify", "Type: migrations-ops verify"),
        ("invoke status-all; and more", "migrations-ops status-all; and more"),
        ("(invoke restore --env verify --yes)", "(migrations-ops restore --env verify --yes)"),
        ("Type: invoke --list", "Type: migrations-ops --list"),
        ("Then invoke the other program.", "Then invoke the other program."),
    ],
)
def test_a_command_begins_with_the_program_that_was_typed(text: str, typed: str) -> None:
    assert as_typed(text, SCRIPT) == typed


def test_a_document_changes_in_its_error_alone() -> None:
    document = {"id": "invoke verify", "error": {"exit": 1, "next": "invoke verify"}}
    assert document_as_typed(document, PREFIXED) == {
        "id": "invoke verify",
        "error": {"exit": 1, "next": "invoke a.verify"},
    }
    assert document_as_typed({"error": None}, PREFIXED) == {"error": None}
