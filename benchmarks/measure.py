"""Runs the cases of a comparison in turn, A B A B, and puts their times side by side.

A machine that is busy slows both sides of a pair alike: the ratio of two neighbours holds where
the seconds of a whole series do not.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class CommandFailed(Exception):
    """A command that is measured, or prepares a measurement, did not end with 0."""


@dataclass(frozen=True)
class Command:
    """One command as somebody types it: an argv in a folder, with variables.

    ``shows`` is a part of what it prints when it does what is to be measured; ``code`` is what it
    ends with then.
    """

    argv: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str]
    shows: str = ""
    code: int = 0

    def run(self) -> None:
        """:raises CommandFailed: it ended with another code, or did something else."""
        done = subprocess.run(
            self.argv,
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode != self.code or self.shows not in done.stdout + done.stderr:
            raise CommandFailed(
                f"{' '.join(self.argv)} ended with {done.returncode}, and was to end with"
                f" {self.code} and {self.shows!r}:\n{done.stdout}{done.stderr}"
            )


@dataclass(frozen=True, eq=False)
class Case:
    """What is timed: commands, one after the other. ``prepare`` comes before each run, untimed."""

    title: str
    commands: tuple[Command, ...]
    prepare: Callable[[], None]

    def seconds(self) -> float:
        """One run."""
        self.prepare()
        if hasattr(os, "sync"):
            # What was just copied must not be flushed to disk on the time of whoever calls fsync.
            os.sync()
        begun = time.perf_counter()
        for command in self.commands:
            command.run()
        return time.perf_counter() - begun


@dataclass(frozen=True)
class Comparison:
    """Two cases, and the ratio of their times that is to be reached, if any."""

    measured: Case
    against: Case
    target: float | None = None


@dataclass(frozen=True)
class Result:
    """A comparison with the seconds of each run."""

    comparison: Comparison
    measured: Sequence[float]
    against: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """One for each pair of neighbours."""
        return [mine / other for mine, other in zip(self.measured, self.against, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)


def measure(
    comparisons: Sequence[Comparison], runs: int, say: Callable[[str], None]
) -> list[Result]:
    """Run every case of the comparisons once in each round.

    A first round is not counted: it leaves the bytecode and the warm files of the others.
    """
    cases = list(
        dict.fromkeys(case for each in comparisons for case in (each.measured, each.against))
    )
    seconds: dict[Case, list[float]] = {case: [] for case in cases}
    for number in range(runs + 1):
        say(f"run {number} of {runs}" if number else "warming up")
        for case in cases:
            taken = case.seconds()
            if number:
                seconds[case].append(taken)
    return [
        Result(each, tuple(seconds[each.measured]), tuple(seconds[each.against]))
        for each in comparisons
    ]
