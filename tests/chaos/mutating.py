"""Sidecars, records and evidence that hold anything, and what they held before."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrations_ops.system.reading import read_json

_ANYTHING: tuple[Any, ...] = (
    None, True, -1, 10**30, 1e999, "", "../../prod.db", "/etc/passwd", "x" * 5000, "\x1b[2J\n::e::",
    [], {}, [None], {"a": None}, ["\ud800"],
)  # fmt: skip
_BYTES = (b"", b"{", b"\xff\xfe", b"[" * 20_000, b"[1e999, NaN]", b"null", b"\0" * 64)


@dataclass(frozen=True)
class Mutated:
    """What was in the files before."""

    before: dict[Path, bytes]

    def undo(self) -> None:
        """Bring back what is still there; what was removed by its owner stays away."""
        for file, content in self.before.items():
            if file.exists():
                file.write_bytes(content)


def mutate(repom: Path, chance: random.Random) -> Mutated:
    """Replace a part of some documents, or all of it.

    What tells that a task is unfinished is made unreadable, and never edited into something else:
    whoever can do that can edit the database as well.
    """
    files = [*repom.glob("backups/*.json"), *repom.glob("releases/*/release.json")]
    files += [*repom.glob("releases/evidence.json")]
    before = {file: file.read_bytes() for file in files if chance.random() < 0.4}
    for file in before:
        file.write_bytes(_anything(file, chance))
    return Mutated(before)


def _anything(file: Path, chance: random.Random) -> bytes:
    document = read_json(file)
    is_open = file.name == "release.json" and not _is_finished(document)
    if is_open or not isinstance(document, dict) or chance.random() < 0.3:
        return chance.choice(_BYTES)
    _edit(document, chance)
    return json.dumps(document).encode()


def _is_finished(document: Any) -> bool:
    left = ("unresolved", "unfinished", "commands", "committed")
    return (
        isinstance(document, dict)
        and bool(document.get("outcome"))
        and not any(document.get(each) for each in left)
    )


def _edit(document: dict[str, Any], chance: random.Random) -> None:
    key = chance.choice(list(document))
    inside = document[key]
    if isinstance(inside, dict) and inside and chance.random() < 0.5:
        _edit(inside, chance)
    elif chance.random() < 0.3:
        del document[key]
    else:
        document[key] = chance.choice(_ANYTHING)
