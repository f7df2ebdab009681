"""Random histories through release, failure and restore.

``MIGRATIONS_OPS_EXAMPLES=300 python -m pytest tests/scenarios/test_random_histories.py`` plays
many, each time others; without it the same few are played each time.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, given, note, settings

from migrations_ops.operations.run import Finished
from tests.histories.drive import Played
from tests.histories.story import Story, stories

# Chance needs many rounds.
pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("MIGRATIONS_OPS_EXAMPLES", "0"))
# How the release ends whose last step fails in that place.
CODES = {"dev": 3, "copy": 1, "prod": 3}


@settings(
    max_examples=EXAMPLES or 10,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    # A failure takes a minute to shrink, and is worth it; explaining it takes several.
    phases=[Phase.generate, Phase.shrink],
)
@given(story=stories())
def test_random_history_is_released_whole_or_not_at_all_and_the_backup_brings_all_back(
    story: Story,
) -> None:
    note(str(story))
    with tempfile.TemporaryDirectory() as folder:
        played = Played(story, Path(folder) / "project")
        fingerprints = {name: played.fingerprint(name) for name in played.files}
        finished = played.release()
        note(f"{finished.result.outcome}: {finished.error}")
        event(f"{story.failure and story.failure[1:]}: {finished.result.outcome}")
        if finished.error is None:
            _is_released(story, played)
        else:
            _is_stopped(story, played, finished)
        for name in played.files:
            restored = played.restore(name)
            if restored is not None:
                assert restored.error is None, restored.error
            assert played.is_as_before(name), f"{name} is not as it was before, after the restore"
            assert played.fingerprint(name) == fingerprints[name]


def _is_released(story: Story, played: Played) -> None:
    assert story.failure is None, "a revision failed, and the release was done"
    assert not story.must_stop(), "something was lost, and the release was done"
    for name in played.files:
        found = played.differences(name)
        assert not found, f"{name}: {found}"
    assert played.fingerprint("dev").schema == played.fingerprint("prod").schema


def _is_stopped(story: Story, played: Played, finished: Finished) -> None:
    assert finished.error is not None
    reasons = story.may_stop()
    assert reasons or story.failure, f"a release was stopped for nothing: {finished.error}"
    assert finished.error.exit_code in (1, 3), finished.error
    if story.failure and not reasons:
        assert finished.error.exit_code == CODES[story.failure[1]], finished.error
    assert played.is_as_before("prod"), "production is not as it was before the release"
    if not played.is_as_before("dev"):
        assert story.failure is None or story.failure[1] != "dev"
        assert played.fingerprint("dev").revisions == (story.revisions[-1].name,)
        if not reasons:
            assert not played.differences("dev")
