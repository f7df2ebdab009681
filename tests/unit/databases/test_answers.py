"""A task that has little time waits no longer for a database than that."""

from __future__ import annotations

import time

from migrations_ops.databases.answers import answered_until, seconds_for


def test_usual_time_is_the_most_and_what_is_left_the_limit() -> None:
    assert seconds_for(5) == 5
    with answered_until(time.monotonic() + 1000):
        assert seconds_for(5) == 5
        assert 990 < seconds_for(2000) <= 1000
        with answered_until(time.monotonic() - 1):
            assert seconds_for(5) == 0.1  # a look is a look
            assert seconds_for(0.01) == 0.01
        assert seconds_for(5) == 5
    assert seconds_for(5) == 5
