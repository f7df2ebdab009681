"""Who has the lock of a file is read from a file that others may have written."""

from __future__ import annotations

import json
from pathlib import Path

from migrations_ops.databases.sqlite.lock import holder_of


def test_holder_is_named_in_a_message_that_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "holder"
    assert holder_of(file) == "Another release"
    document = {"purpose": "x" * 10**6, "user": ["y"] * 10**5, "host": "h", "process": 10**4000}
    file.write_text(json.dumps(document))
    assert len(holder_of(file)) < 1000
    assert "on h (process 1" in holder_of(file)
