"""Many rounds on servers: each worker has a server of its own, which its rounds may kill."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.chaos.playing import Round
from tests.chaos.servers.rounds import Draw, play
from tests.chaos.servers.world import make_arena


def play_all(engine: str, folder: Path, draws: list[Draw], workers: int) -> Iterator[Round]:
    """Play each of them, and hand out what came of it."""
    waiting: SimpleQueue[tuple[Draw, Future[Round]]] = SimpleQueue()
    promised = [Future[Round]() for _ in draws]
    for each in zip(draws, promised, strict=True):
        waiting.put(each)
    with ThreadPoolExecutor(workers) as pool:
        working = [pool.submit(_work, engine, folder, number, waiting) for number in range(workers)]
        every: list[Future[Any]] = [*promised, *working]
        for done in as_completed(every):
            found = done.result()  # raises what kept a worker from its rounds
            if isinstance(found, Round):
                yield found


def _work(
    engine: str, folder: Path, number: int, waiting: SimpleQueue[tuple[Draw, Future[Round]]]
) -> None:
    arena = make_arena(engine, folder / f"templates-{number}")
    try:
        while True:
            try:
                draw, promised = waiting.get_nowait()
            except Empty:
                return
            try:
                promised.set_result(play(arena, folder / str(draw.seed), draw))
            except BaseException as error:
                promised.set_exception(error)
    finally:
        arena.close()
