"""What a task says where a flag is missing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.cli.console import require_env, split_arguments
from migrations_ops.model.errors import ConfigurationError


def test_an_example_names_an_environment_of_the_project() -> None:
    path = [SimpleNamespace(name="laptop"), SimpleNamespace(name="live")]
    project = SimpleNamespace(settings=SimpleNamespace(path=path))
    console: Any = SimpleNamespace(project=lambda: project)
    assert require_env(console, "live", "downgrade") == "live"
    with pytest.raises(ConfigurationError) as caught:
        require_env(console, None, "downgrade", " --to -1")
    assert caught.value.next == "For example, type: invoke downgrade --env laptop --to -1"


def test_arguments_that_cannot_be_split_say_what_to_do() -> None:
    assert split_arguments("history -v") == ["history", "-v"]
    with pytest.raises(ConfigurationError) as caught:
        split_arguments('heads "')
    assert caught.value.next
