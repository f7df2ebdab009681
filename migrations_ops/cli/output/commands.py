"""The commands in a message, as they have to be typed where this project's tasks have a prefix.

``ns.add_collection(namespace(...), name="shop")`` makes ``verify`` into ``shop.verify``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

_COMMAND = re.compile(r"\binvoke((?: +[^\s;]+)+)")


def with_prefix(text: str, prefix: str, tasks: Collection[str]) -> str:
    """The text with the prefix before each task that one of its commands names.

    :param prefix: ``shop.``; empty for none.
    :param tasks: the names of the tasks without it.
    """
    if not prefix:
        return text

    def command(found: re.Match[str]) -> str:
        words = found[1].split(" ")
        for number, word in enumerate(words):
            name = word.rstrip(".,:)")
            # A value, the environment's name for instance, is no task.
            if name in tasks and not words[number - 1].startswith("-"):
                words[number] = prefix + word
        return f"invoke{' '.join(words)}"

    return _COMMAND.sub(command, text)


def document_with_prefix(document: Any, prefix: str, tasks: Collection[str]) -> Any:
    """A document whose error, if it has one, names commands that can be typed."""
    if not prefix or not isinstance(document, dict) or not document.get("error"):
        return document
    error = {
        key: with_prefix(value, prefix, tasks) if isinstance(value, str) else value
        for key, value in document["error"].items()
    }
    return document | {"error": error}
