"""Containers that start at once share the server alone: each has backups and records of its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenarios.test_replicas import require_one_release, run_together
from tests.servers.shops import ServerShop


@pytest.mark.slow
def test_of_three_that_start_at_once_one_upgrades(filled: ServerShop, tmp_path: Path) -> None:
    url = json.loads((filled.folder / "urls.json").read_text(encoding="utf-8"))["prod"]
    filled.point({"prod": url})
    replicas = [
        replace(filled, folder=shutil.copytree(filled.folder, tmp_path / f"replica{number}"))
        for number in range(3)
    ]
    require_one_release(run_together(replicas))
