"""Hooks of a real release: before it, and after it or its failure."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.scenarios.in_process import configure
from tests.scenarios.test_json_schemas import validate
from tests.support import R2, R3, Sandbox, query

HOOK = """
import json, os, subprocess, sys
record = json.load(sys.stdin)
shown = subprocess.run([sys.executable, "-m", "invoke", "status-all", "--json"], stdout=-1)
environments = json.loads(shown.stdout)["environments"]
with open("hooks.txt", "a") as file:
    seen = [each["current"][0] for each in environments]
    print(json.dumps([sys.argv[1], record["outcome"], seen, "EXEC_ENV" in os.environ]), file=file)
sys.exit(3 if sys.argv[1] == "after" else 0)
"""


def ran_in(sandbox: Sandbox) -> list[Any]:
    file = sandbox.folder / "hooks.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    file.unlink()
    return [json.loads(line) for line in lines]


def test_hooks_run_around_a_release_and_may_look_at_the_databases(filled: Sandbox) -> None:
    (filled.folder / "hook.py").write_text(HOOK, encoding="utf-8")
    lines = [
        f"{name} = {json.dumps([sys.executable, 'hook.py', name])}"
        for name in ("before", "after", "failed")
    ]
    configure(filled, "\n".join(["[tool.migrations_ops.hooks]", *lines]))
    query(filled.prod, "CREATE TRIGGER no_gaps AFTER DELETE ON parents BEGIN SELECT 1; END")
    failed = filled.invoke("release-migration", "--json", EXEC_ENV="dev")
    assert failed.code == 1
    assert ran_in(filled) == [
        ["before", None, [R2, R2], False],
        ["failed", "refused", [R3, R2], False],
    ]
    done = filled.invoke("release-migration", "--json", "--allow", "lost-trigger:no_gaps")
    assert (done.code, done.json["outcome"]) == (0, "released")
    assert ran_in(filled) == [
        ["before", None, [R3, R2], False],
        ["after", "released", [R3, R3], False],
    ]
    # What failed is a warning, and the record has it.
    assert "hook-failed" in [each["code"] for each in done.json["findings"]]
    record = filled.invoke("releases", "--show", done.json["id"], "--json").json
    validate(record, "release")
    assert [(each["name"], each["exit"]) for each in record["hooks"]] == [
        ("before", 0),
        ("after", 3),
    ]
