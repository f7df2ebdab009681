"""``python -m benchmarks``: measure, and print the table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.backups import MEGABYTES, backups
from benchmarks.cases import BENCHMARKS
from benchmarks.measure import CommandFailed, Result, measure
from benchmarks.table import table


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
                comparisons = (
                    backups(place, options.megabytes)
                    if name == "backup"
                    else BENCHMARKS[name](place)
                )
                results += measure(comparisons, options.runs, partial(_say, name))
            except CommandFailed as failed:
                print(failed, file=sys.stderr)
                return 1
    print(table(results))
    return 0


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
        help=f"some of: {', '.join(BENCHMARKS)} (default: all)",
    )
    parser.add_argument(
        "--megabytes",
        type=_count,
        default=MEGABYTES,
        help="the size of the database of backup (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in BENCHMARKS:
            known = ", ".join(BENCHMARKS)
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {known}")
    return list(dict.fromkeys(names))


def _say(name: str, what: str) -> None:
    print(f"{name}: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
