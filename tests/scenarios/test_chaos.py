"""A short run of the chaos harness: ``python -m tests.chaos --rounds N`` is for long ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.rounds import Draw, play
from tests.chaos.servers import rounds as on_servers
from tests.chaos.servers.rounds import Draw as ServerDraw
from tests.chaos.servers.world import make_arena
from tests.chaos.world import make_templates
from tests.servers.fixtures import started

# Chance needs many rounds.
pytestmark = pytest.mark.slow

ROUNDS = (
    (17, "release", "everything"),
    (23, "fails in prod", "none"),
    (10, "restore", "parent"),
    (4, "release", "full file"),
    (5, "two releases", "none"),
)


# One test, since its templates take longer than a round.
@pytest.mark.skipif(os.name != "posix", reason="shoots with POSIX signals")
def test_rounds_under_fire_lose_nothing_and_the_next_release_fixes_them(tmp_path: Path) -> None:
    templates = make_templates(tmp_path / "templates")
    bad = []
    for seed, act, shot in ROUNDS:
        played = play(templates, tmp_path / str(seed), Draw.of(seed, act, shot))
        bad += [f"{played.draw}: {problem}" for problem in played.problems]
    assert not bad, "\n".join(bad)


# A round takes as long as the commands that it types: these type few.
ON_SERVERS = (("postgresql", 3, "backup", "both"), ("mariadb", 3, "upgrade-dev", "both"))


@pytest.mark.skipif(os.name != "posix", reason="shoots with POSIX signals")
@pytest.mark.parametrize(("engine", "seed", "act", "shot"), ON_SERVERS)
def test_round_on_a_server_loses_nothing_and_the_next_release_fixes_it(
    engine: str, seed: int, act: str, shot: str, tmp_path: Path
) -> None:
    arena = started(lambda: make_arena(engine, tmp_path / "templates"))
    try:
        played = on_servers.play(arena, tmp_path / "round", ServerDraw.of(seed, act, shot))
    finally:
        arena.close()
    assert not played.problems, "\n".join([str(played.draw), *played.problems])
