"""``python -m tests.chaos --rounds N``: many rounds, and what came of them in figures."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.rounds import play
from tests.chaos.world import make_template


def main() -> int:
    """Play the rounds; the exit code is 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    template = make_template(folder / "template")
    seeds = [options.seed + number for number in range(options.rounds)]
    counts: Counter[tuple[str, int]] = Counter()
    bad = 0
    with ThreadPoolExecutor(options.workers) as pool:
        rounds = pool.map(lambda seed: play(template, folder / str(seed), seed), seeds)
        for seed, played in zip(seeds, rounds, strict=True):
            counts[played.shot, played.exit] += 1
            for problem in played.problems:
                print(f"seed {seed} ({played.shot} after {played.delay:.2f} s): {problem}")
            bad += bool(played.problems)
    for (shot, code), count in sorted(counts.items()):
        print(f"{count:5}  {shot:<10} exit {code}")
    print(f"{options.rounds} rounds, {bad} with problems (first seed {options.seed})")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
