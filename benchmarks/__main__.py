"""``python -m benchmarks``: measure, and print the table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.backups import MEGABYTES, backups
from benchmarks.cases import BENCHMARKS
from benchmarks.measure import CommandFailed, Comparison, Result, measure
from benchmarks.servers import SERVERS, on_server
from benchmarks.table import table

_KNOWN = (*BENCHMARKS, *SERVERS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for; the exit code is 1 if a command failed, never for a slow one."""
    options = _parse(arguments)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        for name in options.only:
            place = Path(folder) / name
            place.mkdir()
            _say(name, "preparing")
            try:
                with ExitStack() as stack:
                    comparisons = _comparisons(name, place, options.megabytes, stack)
                    results += measure(comparisons, options.runs, partial(_say, name))
            except CommandFailed as failed:
                print(failed, file=sys.stderr)
                return 1
    print(table(results))
    return 0


def _comparisons(name: str, place: Path, megabytes: int, stack: ExitStack) -> list[Comparison]:
    if name in SERVERS:
        return on_server(SERVERS[name], place, megabytes, stack)
    return backups(place, megabytes) if name == "backup" else BENCHMARKS[name](place)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the tasks beside the same steps typed by hand.",
    )
    parser.add_argument(
        "--runs", type=_count, default=7, help="measured runs of each (default: %(default)s)"
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=list(BENCHMARKS),
        metavar="NAME,...",
        help=f"some of: {', '.join(_KNOWN)} (default: all that need no server)",
    )
    parser.add_argument(
        "--megabytes",
        type=_count,
        default=MEGABYTES,
        help="the size of the database of backup, and of those on servers (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in _KNOWN:
            known = ", ".join(_KNOWN)
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {known}")
    return list(dict.fromkeys(names))


def _say(name: str, what: str) -> None:
    print(f"{name}: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
