"""How often a step that found a table locked is tried again, and after which time.

While an ALTER waits for a lock, all later statements on the table wait as well. A short lock
timeout keeps that queue short, and retries make up for it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

ATTEMPTS = 12
# Seconds: the first wait, and the longest one.
_FIRST, _LONGEST = 0.5, 8.0


def delays() -> Iterator[float]:
    """The seconds before each further attempt: twice as long each time, and never the same."""
    for number in range(ATTEMPTS - 1):
        longest = min(_LONGEST, _FIRST * 2**number)
        yield random.uniform(longest / 2, longest)
