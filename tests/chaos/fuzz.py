"""Feeds each reader of files with files that were changed at random.

``python -m tests.chaos.fuzz --inputs 1000000`` changes good files; with ``--guided``, atheris
(``pip install atheris``) changes them so that they reach new code. No part of the tests: a few
hundred inputs for each reader are in tests/unit/system/test_hostile_files.py.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.hostile_files import Kind

# An input that takes the processor for longer is reported.
_SLOW_SECONDS = 2.0
_WORDS = [
    b"[", b"]", b"{", b"}", b'"', b",", b":", b"=", b"\n", b"\0", b"%(", b"%", b"../", b"/", b"#",
    b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-1", b"9" * 30, b"9" * 5000, b"[" * 2000,
    b"\\ud800", b"\xed\xa0\x80", b"\xff", b"\xef\xbb\xbf", b"version", b"2026-01-01T00:00:00Z",
    b"9999-12-31T23:59:59.999Z", b"down_revision", b"revision = ", b"import os", b"def ", b"(",
    b"'" * 3, b"\\", b"\r", b"\t", b"ref: ", b"[a]", b"postgresql://[", b"sqlite:///", b"@", b"?",
]  # fmt: skip
_VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 2**63, 10**400, float("inf"), float("nan"), "", "\ud800", "\0", "../x",
    "/etc/passwd", "x" * 5000, [], [None], {}, {"": None}, [[[]]], "9999-12-31T23:59:59.999Z",
]  # fmt: skip


@dataclass
class Figures:
    """What came of the inputs of one kind."""

    kind: str
    inputs: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    def __str__(self) -> str:
        speed = self.inputs / max(self.seconds, 0.001)
        return (
            f"{self.kind:16} {self.inputs:8} inputs {self.refused:8} refused {self.failed:4} failed"
            f" {speed:8.0f}/s  slowest {self.slowest:.3f} s"
        )


def changed(draw: random.Random, good: bytes) -> bytes:
    """A file that was changed in one to four places."""
    if draw.random() < 0.3 and (document := _changed_document(draw, good)) is not None:
        return document
    content = bytearray(good)
    for _ in range(draw.randint(1, 4)):
        at = draw.randint(0, len(content))
        until = min(len(content), at + draw.choice([0, 0, 1, 1, 2, 8, 40, 1000]))
        part = draw.choice(
            [draw.choice(_WORDS), draw.randbytes(draw.randint(0, 8)), bytes(content[at:until]) * 2]
        )
        content[at:until] = part
    return bytes(content)


def _changed_document(draw: random.Random, good: bytes) -> bytes | None:
    """A JSON document with another value somewhere; None where it is no document."""
    try:
        document = json.loads(good)
    except ValueError:
        return None
    parents, todo = list[Any](), [document]
    while todo:
        node = todo.pop()
        if isinstance(node, dict | list) and node:
            parents.append(node)
            todo += node.values() if isinstance(node, dict) else node
    for _ in range(draw.randint(1, 3)):
        parent = draw.choice(parents)
        if not parent:
            continue
        key = draw.choice([*parent] if isinstance(parent, dict) else [*range(len(parent))])
        if draw.random() < 0.3:
            del parent[key]
        else:
            parent[key] = draw.choice(_VALUES)
    return json.dumps(document).encode()


def reader(kind: Kind, folder: Path, figures: Figures) -> Callable[[bytes], None]:
    """Reads one input after the other; what is no error of ours is raised."""
    from migrations_ops.model.errors import OpsError

    file = kind.prepare(folder)

    def read(content: bytes) -> None:
        # What a reader may remove is there again.
        if not file.parent.is_dir():
            kind.prepare(folder)
        file.write_bytes(kind.wrap(content))
        began = time.thread_time()
        figures.inputs += 1
        try:
            kind.read(folder)
        except OpsError:
            figures.refused += 1
        taken = time.thread_time() - began
        figures.seconds += taken
        figures.slowest = max(figures.slowest, taken)
        if taken > _SLOW_SECONDS:
            raise TimeoutError(f"it took {taken:.1f} s")

    return read


def at_random(kind: Kind, inputs: int, seed: int, failures: Path) -> Figures:
    """Read that many changed files, and keep those that failed."""
    draw, figures = random.Random(seed), Figures(kind.name)
    with tempfile.TemporaryDirectory() as folder:
        read = reader(kind, Path(folder), figures)
        for number in range(inputs):
            content = changed(draw, kind.good)
            try:
                read(content)
            except Exception as error:
                figures.failed += 1
                failures.mkdir(parents=True, exist_ok=True)
                (failures / f"{kind.name}.{number}").write_bytes(content)
                print(f"{kind.name}: {type(error).__name__}: {error}"[:300], file=sys.stderr)
    return figures


def guided(name: str, inputs: int, failures: Path) -> None:
    """Let atheris read that many files; it ends the process, with an error if one failed."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["migrations_ops"]):
        kinds = importlib.import_module("tests.hostile_files").KINDS
    kind = next(each for each in kinds if each.name == name)
    folder = Path(tempfile.mkdtemp())
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "good").write_bytes(kind.good)
    words = folder / "words"
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in _WORDS]
    words.write_text("\n".join(lines))
    failures.mkdir(parents=True, exist_ok=True)
    options = [f"-runs={inputs}", "-max_len=8192", f"-dict={words}", "-print_final_stats=1"]
    options += [f"-artifact_prefix={failures}/", "-timeout=10", "-verbosity=1"]
    (folder / "project").mkdir()
    read = reader(kind, folder / "project", Figures(name))
    atheris.Setup([sys.argv[0], *options, str(corpus)], read)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true", help="by atheris")
    parser.add_argument("--kind", help="only this kind of file")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    given = parser.parse_args()
    if given.guided and given.kind:
        guided(given.kind, given.inputs, given.failures)
        return 0
    kinds: list[Kind] = importlib.import_module("tests.hostile_files").KINDS
    kinds = [each for each in kinds if given.kind in (None, each.name)]
    failed = 0
    for kind in kinds:
        share = given.inputs // len(kinds)
        if given.guided:
            argv = [sys.executable, "-m", "tests.chaos.fuzz", "--guided", "--kind", kind.name]
            argv += ["--inputs", str(share), "--failures", str(given.failures)]
            ended = subprocess.run(argv, check=False, capture_output=True, text=True)
            failed += ended.returncode != 0
            wanted = ("stat::number_of_executed", "stat::average_exec", "cov: ", "Error", "SUMMARY")
            lines = [each for each in ended.stderr.splitlines() if any(w in each for w in wanted)]
            print(kind.name, ended.returncode, *lines[-5:], sep="\n  ", flush=True)
        else:
            figures = at_random(kind, share, given.seed, given.failures)
            failed += figures.failed
            print(figures, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
