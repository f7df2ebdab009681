"""The commands in a message, as they have to be typed where the user stands.

Messages say ``invoke verify``. ``ns.add_collection(namespace(...), name="shop")`` makes that into
``invoke shop.verify``, and a project without a tasks.py into ``migrations-ops verify``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

INVOKE = "invoke"

_COMMAND = re.compile(r"\binvoke((?: +[^\s;]+)+)")


@dataclass(frozen=True)
class CommandLine:
    """How the tasks of a project are typed.

    ``prefix`` is what comes before their names, ``shop.`` for instance; ``tasks`` are the names
    without it.
    """

    program: str = INVOKE
    prefix: str = ""
    tasks: frozenset[str] = frozenset()


def as_typed(text: str, line: CommandLine) -> str:
    """The text with each of its commands as it has to be typed."""
    if line.program == INVOKE and not line.prefix:
        return text

    def command(found: re.Match[str]) -> str:
        words = found[1].split(" ")
        tasks = [number for number in range(len(words)) if _is_task(words, number, line.tasks)]
        for number in tasks:
            words[number] = line.prefix + words[number]
        is_ours = tasks or words[1].startswith("--")
        return f"{line.program if is_ours else INVOKE}{' '.join(words)}"

    return _COMMAND.sub(command, text)


def _is_task(words: list[str], number: int, tasks: frozenset[str]) -> bool:
    """Whether a word names a task; a value, the environment's name for instance, does not."""
    return words[number].rstrip(".,:)") in tasks and not words[number - 1].startswith("-")


def document_as_typed(document: Any, line: CommandLine) -> Any:
    """A document whose error, if it has one, names commands that can be typed."""
    if not isinstance(document, dict) or not document.get("error"):
        return document
    error = {
        key: as_typed(value, line) if isinstance(value, str) else value
        for key, value in document["error"].items()
    }
    return document | {"error": error}
