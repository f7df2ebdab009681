"""A short run of the chaos harness: ``python -m tests.chaos --rounds N`` is for long ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.rounds import Draw, play
from tests.chaos.world import make_templates

ROUNDS = (
    (17, "release", "everything"),
    (23, "fails in prod", "none"),
    (10, "restore", "parent"),
    (4, "release", "full file"),
    (5, "two releases", "none"),
)


# One test, since its templates take longer than a round.
@pytest.mark.skipif(os.name != "posix", reason="shoots with POSIX signals")
def test_rounds_under_fire_lose_nothing_and_the_next_release_mends_them(tmp_path: Path) -> None:
    templates = make_templates(tmp_path / "templates")
    bad = []
    for seed, act, shot in ROUNDS:
        played = play(templates, tmp_path / str(seed), Draw.of(seed, act, shot))
        bad += [f"{played.draw}: {problem}" for problem in played.problems]
    assert not bad, "\n".join(bad)
