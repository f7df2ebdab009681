"""One release at a time, across processes: whoever has the lock is known, and frees it by dying."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from migrations_ops.child.protocol.identity import STEP_KEY, lock_name
from migrations_ops.databases.server import ServerDatabase
from migrations_ops.model.errors import Locked, Refused, StepFailed
from tests.contract.databases.engines import Live
from tests.contract.databases.support import running
from tests.support import wait_for

# A release in a process of its own.
_HOLDER = """
import sys
from pathlib import Path
from migrations_ops.databases.open import open_database
with open_database(sys.argv[1], Path(sys.argv[2])).locked("release-migration", 0):
    print("held", flush=True)
    sys.stdin.read()
"""
# How whoever has the lock is named.
NAMED = {"sqlite": "(process ", "postgresql": "(server process ", "mariadb": "(server session "}


@contextmanager
def holder(live: Live) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock; it is killed in the end."""
    with running(_HOLDER, live.url, str(live.root)) as process:
        yield process


def refusal(live: Live, wait: float = 0, url: str = "") -> str:
    """What whoever comes second is told."""
    with pytest.raises(Locked) as caught, live.open(url or None).locked("backup", wait):
        pass
    assert caught.value.exit_code == 5
    return caught.value.what


def take(live: Live, wait: float = 30) -> None:
    """Take the lock and give it up again."""
    with live.locked("backup", wait) as database:
        database.require_lock()


def test_another_process_is_kept_away_and_named(live: Live) -> None:
    with holder(live) as process:
        what = refusal(live)
        assert process.poll() is None
    assert what.startswith("release-migration of ") or live.engine == "mariadb"
    assert NAMED[live.engine] in what
    assert live.engine == "mariadb" or ", since 20" in what
    assert live.engine == "sqlite" or what.endswith(f"works on {live.open().label}.")


def test_a_role_that_sees_little_is_shown_who_holds_the_lock(served: Live) -> None:
    served.on.server.create_role("plain", "x")
    if served.engine == "mariadb":
        served.execute(f"GRANT ALL ON {served.on.name}.* TO plain@'%'")
    with holder(served):
        what = refusal(served, url=served.url_of(user="plain", password="x"))
    known = {"postgresql": "release-migration of ", "mariadb": "Another release (server session "}
    assert known[served.engine] in what


def test_a_killed_holder_frees_the_lock_for_whoever_waits(live: Live) -> None:
    with holder(live) as process:
        refusal(live)
        process.kill()
        process.wait()
        take(live, wait=60)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP here")
def test_a_holder_that_is_stopped_holds_it_still(live: Live) -> None:
    with holder(live) as process:
        os.kill(process.pid, signal.SIGSTOP)
        refusal(live, wait=0.3)
        os.kill(process.pid, signal.SIGCONT)


def test_a_lock_that_was_left_is_free_again(live: Live) -> None:
    for _ in range(20):
        take(live)


def test_whoever_waits_gets_it_when_it_is_free(live: Live) -> None:
    with ThreadPoolExecutor() as pool:
        with live.locked():
            waiting = pool.submit(take, live, 60)
        waiting.result(60)


def test_databases_are_locked_one_by_one_also_before_they_are_there(live: Live) -> None:
    urls = [live.url, live.missing_url]
    if live.server:
        urls += [live.url_of(name) for name in ("Test_Capital", "test_capital", "n" * 63)]
    with ExitStack() as stack:
        for url in urls:
            stack.enter_context(live.open(url).locked("release", 30))
        for url in urls:
            refusal(live, url=url)


@contextmanager
def step(served: Live) -> Iterator[int]:
    """What a step has whose release is dead; the number of its session."""
    with served.session() as session:
        if served.engine == "postgresql":
            session.ask(f"SELECT pg_advisory_lock({STEP_KEY})")
        else:
            name = lock_name("step", served.on.name)
            assert session.ask(f"SELECT GET_LOCK('{name}', 0)") == [(1,)]
        yield session.number


def test_a_step_that_outlived_its_release_is_waited_for(served: Live) -> None:
    with step(served) as number, ThreadPoolExecutor() as pool:
        with pytest.raises(Locked) as caught, served.locked(wait=0.3):
            pass
        assert "A step of an earlier release is still at work" in caught.value.what
        assert str(number) in caught.value.what
        waiting = pool.submit(take, served, 60)
        served.execute(caught.value.next.partition("session: ")[2].partition(";")[0])
        waiting.result(60)


def lock_sessions(served: Live) -> list[int]:
    """The sessions that keep others away."""
    if served.engine == "postgresql":
        sql = "SELECT pid FROM pg_stat_activity WHERE application_name ~ 'release of'"
    else:
        sql = f"SELECT IS_USED_LOCK('{lock_name('release', served.on.name)}')"
    return [number for (number,) in served.execute(sql)]


def test_a_lock_whose_session_was_ended_is_known_to_be_lost(served: Live) -> None:
    count = {"postgresql": 2, "mariadb": 1}[served.engine]
    for which in range(count):
        with served.locked() as database:
            database.require_lock()
            # Those of the lock before may still be on their way out.
            sessions = wait_for(
                lambda: sorted(s) if len(s := lock_sessions(served)) == count else []
            )
            served.end_session(sessions[which])
            with pytest.raises(StepFailed) as caught:
                database.require_lock()
            lost = f"The lock on {database.label} was lost: its connection broke."
            assert caught.value.what == lost
    take(served, wait=30)


def test_a_lock_is_lost_with_its_server_which_is_waited_for(served: Live) -> None:
    server = served.on.server
    with served.locked() as database:
        server.kill()
        with pytest.raises(StepFailed, match="was lost"):
            database.require_lock()
    with pytest.raises(Refused) as caught, served.locked(wait=0.3):
        pass
    assert "cannot be reached" in caught.value.what
    assert caught.value.untouched == "Nothing was started."
    assert "Check that the server is running" in caught.value.next
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(take, served, 60)
        server.start()
        waiting.result(60)


def test_nobody_waits_for_a_server_that_does_not_let_him_in(served: Live) -> None:
    database = served.open(served.url_of(password="hidden-and-wrong"))
    with pytest.raises(Refused) as caught, database.locked("upgrade", 600):
        pass
    assert "hidden" not in str(caught.value)


# -- who is in the way of a revision ---------------------------------------------------------------


def blocking(served: Live, url: str = "") -> list[str]:
    return served.open(url or None).find_blocking_sessions()


def test_who_is_in_a_transaction_is_named_the_oldest_first(served: Live) -> None:
    served.execute("CREATE TABLE parents (id INT)", "CREATE TABLE children (id INT)",
                   "INSERT INTO parents VALUES (1)", "INSERT INTO children VALUES (1)")  # fmt: skip
    assert blocking(served) == []
    with served.session() as first, served.session() as second:
        for session, tables in ((first, "parents"), (second, "children, parents")):
            session.ask("BEGIN")
            session.ask(f"SELECT * FROM {tables}")
        # Asked more often, MariaDB does not look at its transactions anew.
        named = wait_for(lambda: a if len(a := blocking(served)) == 2 else [], pause=0.2)
        assert [each.split(" of ")[0] for each in named] == [
            f"session {each.number}" for each in (first, second)
        ]
        assert all("in a transaction for " in each for each in named)
        if served.engine == "postgresql":
            assert named[0].endswith(", on parents)")
            assert named[1].endswith(", on children, parents)")
        served.on.server.create_role("plain", "word")
        if served.engine == "mariadb":
            served.execute(f"GRANT SELECT ON {served.on.name}.* TO plain@'%'")
        seen = blocking(served, served.url_of(user="plain", password="word"))
        # MariaDB tells a role without PROCESS nothing of the sessions of others.
        wanted = [f"session {each.number} of postgres (" for each in (first, second)]
        assert [each[: len(wanted[0])] for each in seen] == (
            wanted if served.engine == "postgresql" else []
        )


def test_a_server_that_cannot_be_asked_names_nobody(served: Live) -> None:
    assert blocking(served, served.url_of(password="wrong")) == []
    assert isinstance(served.open(), ServerDatabase)
