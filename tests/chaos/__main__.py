"""``python -m tests.chaos --rounds N``: many rounds, and what came of them in figures.

On SQLite, or on real servers: ``--engine postgresql`` or ``--engine mariadb``.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests import support
from tests.chaos.acts import ACTS
from tests.chaos.playing import Round
from tests.chaos.rounds import Draw, play
from tests.chaos.servers import many
from tests.chaos.servers import rounds as on_servers
from tests.chaos.servers.shots import SHOTS as SHOTS_ON_SERVERS
from tests.chaos.servers.world import ENGINES
from tests.chaos.shots import SHOTS
from tests.chaos.world import make_templates


def main() -> int:
    """Play the rounds; the exit code is 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=("sqlite", *ENGINES), default="sqlite")
    parser.add_argument("--act", choices=ACTS, help="always this command")
    shots = dict.fromkeys([*SHOTS, *SHOTS_ON_SERVERS])
    parser.add_argument("--shot", choices=shots, help="always this disturbance")
    parser.add_argument("--timeout", type=float, default=support.TIMEOUT, help="of each command")
    parser.add_argument(
        "--one-by-one",
        action="store_true",
        help="each round leaves one page more on a full disk, or fails the next call",
    )
    options = parser.parse_args()
    if hasattr(signal, "SIGHUP"):  # ignored under nohup, and then by all that is started here
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    support.TIMEOUT = options.timeout
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o711)  # another user comes as far as what tasks write
    seeds = range(options.seed, options.seed + options.rounds)
    played = []
    for each in _play_all(folder, seeds, options):
        played.append(each)
        _tell(each, options)
    _sum_up(played)
    bad = sum(bool(each.problems) for each in played)
    print(f"{len(played)} rounds, {bad} with problems (first seed {options.seed})")
    if not bad:
        shutil.rmtree(folder)
    return 1 if bad else 0


def _play_all(folder: Path, seeds: range, options: argparse.Namespace) -> Iterator[Round]:
    if options.engine != "sqlite":
        drawn = [on_servers.Draw.of(seed, options.act, options.shot) for seed in seeds]
        if options.one_by_one:
            drawn = [each.numbered(number) for number, each in enumerate(drawn, 1)]
        yield from many.play_all(options.engine, folder, drawn, options.workers)
        return
    draws = [Draw.of(seed, options.act, options.shot) for seed in seeds]
    if options.one_by_one:
        draws = [each.numbered(number) for number, each in enumerate(draws, 1)]
    templates = make_templates(folder / "templates")
    with ThreadPoolExecutor(options.workers) as pool:
        waiting = [pool.submit(play, templates, folder / str(draw.seed), draw) for draw in draws]
        for done in as_completed(waiting):
            yield done.result()


def _tell(each: Round, options: argparse.Namespace) -> None:
    print(f"seed {each.draw.seed}: {each.draw}; exit {_codes(each)}", flush=True)
    for problem in each.problems:
        print(f"    PROBLEM {problem}", flush=True)
    if each.problems:
        named = [
            f" --{name} {getattr(options, name)!r}"
            for name in ("engine", "act", "shot")
            if getattr(options, name)
        ]
        again = f"python -m tests.chaos --rounds 1 --seed {each.draw.seed}{''.join(named)}"
        print(f"    kept in {each.folder}; once more: {again}", flush=True)


def _sum_up(played: list[Round]) -> None:
    _table("commands", [(each.draw.act, each) for each in played])
    _table("shots", [(each.draw.shot, each) for each in played])
    print()


def _table(title: str, played: list[tuple[str, Round]]) -> None:
    """How often each was drawn, how many were bad, and how often it ended with which code."""
    print(f"\n{title}")
    exits = Counter((name, _codes(each)) for name, each in played)
    bad = Counter(name for name, each in played if each.problems)
    for name, total in sorted(Counter(name for name, _ in played).items()):
        codes = ", ".join(
            f"{count} x {code}" for (of, code), count in sorted(exits.items()) if of == name
        )
        print(f"{total:5}  {name:<24} {bad[name]:3} bad   exit {codes}")


def _codes(each: Round) -> str:
    return "+".join(str(code) for code in each.exits)


if __name__ == "__main__":
    raise SystemExit(main())
