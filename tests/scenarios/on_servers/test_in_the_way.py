"""What is in the way of a release on a server: a lock, the network, the login, the disk."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.disks import small_disk
from tests.scenarios.on_servers.support import (
    COLUMN,
    NEXT,
    attempts,
    content,
    copies,
    is_postgres,
    require_no_secret,
    start_with,
    version,
)
from tests.servers.databases import ServerDatabase
from tests.servers.proxy import Proxy
from tests.servers.shops import ServerShop
from tests.support import R2, R3, Ran, wait_for

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = pytest.mark.slow


@contextmanager
def blocked(database: ServerDatabase) -> Iterator[list[int]]:
    """A transaction that has read `parents` stays open; an application goes on reading, and
    counts how often it was answered."""
    answers: list[int] = []
    done = threading.Event()

    def application() -> None:
        # Not prepared: a plan of a table that has got a column since then is refused.
        plain = {"prepare_threshold": None} if is_postgres(database) else {}
        with database.server.session(database.name, **plain) as session:
            while not done.is_set():
                session.cursor().execute("SELECT * FROM parents WHERE id = 1")
                answers.append(1)
                time.sleep(0.01)

    def blocker() -> None:
        with database.server.session(database.name) as session:
            cursor = session.cursor()
            cursor.execute("BEGIN")
            cursor.execute("SELECT * FROM parents")
            cursor.fetchall()
            reads.set()
            done.wait(300)
            cursor.execute("COMMIT")

    reads = threading.Event()
    threads = [threading.Thread(target=each) for each in (application, blocker)]
    for thread in threads:
        thread.start()
    try:
        assert reads.wait(60)
        wait_for(lambda: answers)
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join()


def attempted(database: ServerDatabase) -> Callable[[], bool]:
    """Whether a change of a table has been attempted since now, and met whoever uses it."""
    if not is_postgres(database):
        known = attempts(database)
        return lambda: attempts(database) > known + 3
    sql = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'ALTER%' AND wait_event_type = 'Lock'"
    return lambda: bool(database.execute(sql))


def test_application_never_waits_longer_than_the_lock_timeout(at_head: ServerShop) -> None:
    at_head.add_revision(NEXT, R3, COLUMN)
    with blocked(at_head.dev_database) as answers:
        was_attempted = attempted(at_head.dev_database)
        running = at_head.start("upgrade-dev")
        wait_for(was_attempted)
        # Without the timeout, it would wait behind the ALTER for as long as the blocker takes.
        count = len(answers)
        wait_for(lambda: len(answers) > count + 10)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    assert version(at_head.dev_database) == NEXT


def test_table_that_stays_locked_fails_the_step_and_changes_nothing(
    postgres_at_head: ServerShop,
) -> None:
    filled = postgres_at_head
    filled.add_revision(NEXT, R3, COLUMN)
    before = content(filled.dev_database)
    with blocked(filled.dev_database):
        often = {"operations.attempts:ATTEMPTS": 4, "operations.attempts:_FIRST": 0.1}
        running = start_with(filled, often, "upgrade-dev")
        wait_for(lambda: running.poll() is not None)
        _, err = running.communicate()
    assert running.returncode == 3, err
    assert content(filled.dev_database) == before
    assert "Another session held a lock for the whole time, and it was tried 4 times" in err
    assert re.search(r"Last blocked by: session \d+ of \w+ \(.*in a transaction for \d+ s", err)
    assert "on parents)" in err
    assert "Fix it" not in err


def test_network_that_hangs_is_reported(mariadb_filled: ServerShop) -> None:
    """The contract of each engine has how long it is waited for."""
    shop = mariadb_filled
    server = shop.prod_database.server
    with Proxy(server.host, server.port) as proxy:
        prod = proxy.through(shop.prod_database.url())
        shop.point({"dev": shop.dev_database.url(), "prod": prod})
        proxy.hang()
        release = shop.start("release-migration")
        ran = shop.invoke("status-all", "--json")
        states = {each["name"]: each["state"] for each in ran.json["environments"]}
        assert states == {"dev": "behind", "prod": "unreachable"}
        out, err = release.communicate(timeout=90)
        assert release.returncode == 1, err
        require_no_secret(shop, ran, Ran(1, out, err))
    assert copies(shop) == set()


def test_wrong_password_is_reported_without_it(filled: ServerShop) -> None:
    url = filled.prod_database.url()
    word = next(each for each in ("hidden-word-of-postgres", "hidden-word-of-root") if each in url)
    filled.point({"dev": filled.dev_database.url(), "prod": url.replace(word, "wrong-word")})
    ran = filled.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert "Check user and password" in ran.err
    assert "wrong-word" not in ran.err + ran.out


def test_server_that_is_not_up_yet_is_waited_for(mariadb_filled: ServerShop) -> None:
    filled = mariadb_filled
    server = filled.prod_database.server
    pyproject = filled.folder / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(text.replace("wait = 1\n", "wait = 30\n"), encoding="utf-8")
    server.stop()
    running = filled.start("release-migration")
    time.sleep(1.5)
    assert running.poll() is None
    server.start()
    _, err = running.communicate(timeout=90)
    assert running.returncode == 0, err


def test_backup_folder_that_cannot_be_made_fails_before_anything_is_changed(
    postgres_filled: ServerShop,
) -> None:
    filled = postgres_filled
    pyproject = filled.folder / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    folder = '[tool.migrations_ops]\nbackups = "/dev/full/backups"\n'
    pyproject.write_text(text.replace("[tool.migrations_ops]\n", folder, 1), encoding="utf-8")
    before = content(filled.dev_database)
    ran = filled.invoke("release-migration")
    assert ran.code in (1, 3), ran.err
    assert content(filled.dev_database) == before


def test_full_disk_under_the_backups_fails_before_anything_is_changed(filled: ServerShop) -> None:
    """More than was foreseen: what no packing makes smaller came after the last backup."""
    assert filled.invoke("backup", "--env", "dev").code == 0
    folder = filled.folder / "data/repom/backups"
    dev, aside = filled.dev_database, filled.folder / "aside"
    folder.rename(aside)
    dev.execute(f"CREATE TABLE noise (it {'TEXT' if is_postgres(dev) else 'LONGTEXT'})")
    for _ in range(6):
        dev.execute("INSERT INTO noise VALUES (%s)", secrets.token_urlsafe(1_000_000))
    before = content(dev)
    with small_disk(folder, "3m"):
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        kept = set(folder.iterdir())

        ran = filled.invoke("release-migration")

        assert ran.code == 3, ran.err
        assert "No space left on device" in ran.err
        assert "was only read" in ran.err
        assert set(folder.iterdir()) == kept
    assert content(dev) == before
    assert not copies(filled)


def test_disk_that_cannot_hold_the_backup_is_reported_beforehand(filled: ServerShop) -> None:
    folder = filled.folder / "data/repom/backups"
    with small_disk(folder, "8k"):
        (folder / "other").write_bytes(b"x" * 8192)
        ran = filled.invoke("release-migration")
        assert ran.code == 1, ran.err
        assert "not enough space on the disk" in ran.err
        assert "for the backup of prod" in ran.err
    assert version(filled.dev_database) == R2
