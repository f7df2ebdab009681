"""What is said of a command line that cannot be parsed: pure functions over Invoke's words."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.toml_table import nearest

_UNKNOWN = re.compile(r"No idea what (['\"])(.*)\1 is!", re.DOTALL)
_NO_VALUE = re.compile(r"Flag <Argument: (\S+?)(?: \(\w+\))?> needed value")
_JSON = re.compile(r"--json|-[jy]*j[jy]*")


@dataclass(frozen=True)
class Usage:
    """Where the parser stopped: in the flags of ``task``, or before any where that is empty."""

    tasks: Collection[str]
    task: str = ""
    flags: Collection[str] = ()


def usage_error(message: str, usage: Usage) -> ConfigurationError:
    """The error for what Invoke's parser refused."""
    if found := _UNKNOWN.fullmatch(message):
        # Invoke has it as Python writes it.
        return _unknown(found[2].replace("\\\\", "\\"), usage)
    if found := _NO_VALUE.match(message):
        flag = f"--{found[1].replace('_', '-')}"
        return ConfigurationError(f"{flag} needs a value.", next=_help(usage.task))
    return ConfigurationError(message, next=_help(usage.task))


def _unknown(word: str, usage: Usage) -> ConfigurationError:
    subject = usage.task or "migrations-ops"
    if word.startswith("-"):
        what = f"{subject} has no flag {word}{nearest(word, sorted(usage.flags))}"
        return ConfigurationError(what, next=_help(usage.task))
    if f"upgrade-{word}" in usage.tasks and "--env" in usage.flags:
        return ConfigurationError(
            f"{word!r} is an environment, and no task.",
            next=f"Type: invoke {usage.task} --env {word}",
        )
    what = f"There is no task {word!r}{nearest(word, sorted(usage.tasks))}"
    return ConfigurationError(what, next="Type: invoke --list")


def _help(task: str) -> str:
    return f"Type: invoke --help {task}" if task else "Type: invoke --help"


def asks_for_json(arguments: Collection[str]) -> bool:
    """Whether a document is expected, also where the arguments cannot be parsed."""
    return any(_JSON.fullmatch(argument) for argument in arguments)
