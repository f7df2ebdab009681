"""What is forked from a process that has imported it does as if Python had been started for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.forked import Program
from tests.support import INVOKE, Ran, Sandbox, clean_environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only POSIX forks")
# Says where and how it runs, and changes what another run would have to find as it was.
TELLING = """\
import os, sys, json
print(json.dumps([os.getcwd(), sys.path[0], sys.argv[1:], os.environ.get("A"), __name__]))
print(sys.stdin.read(), oct(os.umask(0)), hasattr(json, "mine"), file=sys.stderr)
os.environ["A"], json.mine = "left", 1
sys.exit(len(sys.argv))
"""


@contextmanager
def asked_for(umask: int) -> Iterator[None]:
    before = os.umask(umask)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    "call", [("status-all", "--json"), ("nonsense",), ("verify", "--env", "x")], ids=" ".join
)
def test_a_forked_task_answers_as_a_started_one(filled: Sandbox, call: tuple[str, ...]) -> None:
    assert filled.invoke(*call) == filled.run(sys.executable, "-m", "invoke", *call)


def test_alembic_by_hand_goes_where_its_own_variable_says(filled: Sandbox) -> None:
    for name in ("dev", "prod", "dev"):
        forked = filled.alembic("current", EXEC_ENV=name)
        command = (sys.executable, "-m", "alembic", "current")
        assert forked == filled.run(*command, EXEC_ENV=name)
        assert f"reaches {name}" in forked.err


def test_nothing_of_one_run_is_left_to_the_next(tmp_path: Path) -> None:
    program = Program("telling", clean_environment(A="at the start"), "json")
    for name, umask in (("one", 0o022), ("two", 0o077)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "telling.py").write_text(TELLING, encoding="utf-8")
        with asked_for(umask):
            code, out, err = program.run((name,), folder, clean_environment(), 60)
        said = f'["{folder}", "{folder}", ["{name}"], null, "__main__"]\n'
        assert (code, out, err) == (2, said, f" {oct(umask)} False\n")


def test_who_comes_meanwhile_starts_a_process(shop: Sandbox) -> None:
    with INVOKE.free:
        ran: Ran = shop.invoke("nonsense")
    assert ran == shop.invoke("nonsense")
