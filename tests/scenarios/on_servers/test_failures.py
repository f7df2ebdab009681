"""What fails in the middle leaves nothing, or says what it leaves; and applications go on."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.disks import small_disk
from tests.scenarios.on_servers.support import (
    NEXT,
    content,
    copies,
    is_postgres,
    require_no_secret,
    sleeping,
    wait_for,
)
from tests.scenarios.on_servers.test_release import COLUMN, is_asleep
from tests.servers.databases import ServerDatabase
from tests.servers.proxy import Proxy
from tests.servers.shops import ServerShop
from tests.support import R2, R3

# A revision that fails in the real production alone, which no rehearsal can know.
REAL_ALONE = """\
    import os
    bind = op.get_bind()
    here = bind.scalar(sa.text({here!r}))
    if os.environ["EXEC_ENV"] == "prod" and not here.startswith("migrations_ops_copy"):
        op.execute("UPDATE no_such_table SET id = 1")"""
INDEX = """\
    import os
    here = op.get_bind().scalar(sa.text("SELECT current_database()"))
    real = os.environ["EXEC_ENV"] == "prod" and not here.startswith("migrations_ops_copy")
    with op.get_context().autocommit_block():
        op.execute("CREATE UNIQUE INDEX CONCURRENTLY uq_parent ON children (parent_id)")
        if real:
            op.execute("SELECT 1 / 0")"""


def here_of(database: ServerDatabase) -> str:
    """The question which database a session is in."""
    return "SELECT current_database()" if is_postgres(database) else "SELECT DATABASE()"


def only_in_production(database: ServerDatabase) -> str:
    return REAL_ALONE.format(here=here_of(database))


def version(database: ServerDatabase) -> str:
    return str(database.execute("SELECT version_num FROM alembic_version")[0][0])


def test_failed_upgrade_leaves_postgres_prod_as_it_was(postgres_filled: ServerShop) -> None:
    shop = postgres_filled
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    before = content(shop.prod_database)
    ran = shop.invoke("release-migration")
    assert ran.code == 3, ran.err
    assert "everything was rolled back" in ran.err
    assert content(shop.prod_database) == before
    require_no_secret(shop, ran)


@pytest.mark.slow
def test_batch_that_fails_tells_what_failed_first(postgres_filled: ServerShop) -> None:
    batch = (
        '    with op.batch_alter_table("parents", recreate="always") as batch:\n'
        '        batch.add_column(sa.Column("more", sa.Integer))'
    )
    postgres_filled.add_revision(NEXT, R3, batch)
    ran = postgres_filled.invoke("upgrade-dev")
    assert ran.code == 3, ran.err
    assert "because other objects depend on it" in ran.err, ran.err
    assert "current transaction is aborted" not in ran.err


def test_half_applied_revision_makes_mariadb_prod_dirty(mariadb_filled: ServerShop) -> None:
    shop = mariadb_filled
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert "column parents.more is new" in ran.err
    assert "invoke restore --env prod" in ran.err
    rows = shop.invoke("status-all", "--json").json["environments"]
    assert [(each["state"], each["dirty"]) for each in rows] == [
        ("at head", False),
        ("dirty", True),
    ]
    again = shop.invoke("upgrade-prod")
    assert again.code == 1, again.err
    assert "half applied" in again.err
    require_no_secret(shop, ran, again)


@pytest.mark.slow
def test_dirty_database_is_clean_after_a_restore(mariadb_filled: ServerShop) -> None:
    shop = mariadb_filled
    before = content(shop.prod_database)
    file = shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    command = ran.err.partition("invoke restore ")[2].partition(";")[0].split()
    back = shop.invoke("restore", *command)
    assert back.code == 0, back.err
    assert content(shop.prod_database) == before
    file.write_text(file.read_text().replace(only_in_production(shop.prod_database), ""))
    done = shop.invoke("release-migration", "--allow", "edited-revision")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_repair_by_hand_is_taken_back_only_when_nothing_is_left(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    assert shop.invoke("release-migration").code == 4
    neither = shop.invoke("resolve", "--env", "prod")
    assert neither.code == 2, neither.err
    early = shop.invoke("resolve", "--env", "prod", "--rolled-back")
    assert early.code == 1, early.err
    assert "parents.more" in early.err
    shop.prod_database.execute("ALTER TABLE parents DROP COLUMN more")
    done = shop.invoke("resolve", "--env", "prod", "--rolled-back")
    assert done.code == 0, done.err
    assert "rows of prod were not compared" in done.err, done.err  # a revision came between
    rows = shop.invoke("status-all", "--json").json["environments"]
    assert rows[1]["state"] == "behind"


@pytest.mark.slow
def test_copy_of_what_is_half_applied_is_none_to_go_back_to(mariadb_filled: ServerShop) -> None:
    shop = mariadb_filled
    before = content(shop.prod_database)
    file = shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    assert shop.invoke("release-migration").code == 4

    kept = shop.invoke("backup")

    assert kept.code == 0, kept.err
    assert "is suspect, and never the latest: half of r4dddddddddd is applied" in kept.err
    early = shop.invoke("resolve", "--env", "prod", "--rolled-back")
    assert early.code == 1, early.err
    assert "parents.more" in early.err
    back = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert back.code == 0, back.err
    assert content(shop.prod_database) == before
    file.write_text(file.read_text().replace(only_in_production(shop.prod_database), ""))
    done = shop.invoke("release-migration", "--allow", "edited-revision")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_database_that_was_resolved_is_restored_clean(mariadb_filled: ServerShop) -> None:
    shop = mariadb_filled
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    assert shop.invoke("release-migration").code == 4
    shop.prod_database.execute("ALTER TABLE parents DROP COLUMN more")
    assert shop.invoke("resolve", "--env", "prod", "--rolled-back").code == 0

    back = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")

    assert back.code == 0, back.err
    rows = shop.invoke("status-all", "--json").json["environments"]
    assert (rows[1]["state"], rows[1]["dirty"]) == ("behind", False)


@pytest.mark.slow
def test_any_alembic_command_is_refused_while_half_a_revision_stands(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    ran = shop.invoke("alembic", "--env", "prod", "--args", "upgrade head", "--yes")
    assert ran.code == 4, ran.err
    assert "half of a revision is applied in prod" in ran.err
    assert "column parents.more is new" in ran.err
    before = content(shop.prod_database)

    again = shop.invoke("alembic", "--env", "prod", "--args", "upgrade head", "--yes")

    assert again.code == 1, again.err
    assert "is half applied" in again.err
    assert "invoke resolve --env prod" in again.err
    assert content(shop.prod_database) == before


@pytest.mark.slow
def test_rows_that_differ_after_a_repair_are_named(mariadb_at_head: ServerShop) -> None:
    shop = mariadb_at_head
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    assert shop.invoke("release-migration").code == 4
    shop.prod_database.execute("ALTER TABLE parents DROP COLUMN more")
    shop.prod_database.execute("UPDATE parents SET name = 'another' LIMIT 1")
    done = shop.invoke("resolve", "--env", "prod", "--rolled-back")
    assert done.code == 0, done.err
    assert re.search(r"the rows of parents are not as in db_\S+: if the rev", done.err), done.err


@pytest.mark.slow
def test_revision_that_was_finished_by_hand_is_taken_for_applied(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{only_in_production(shop.prod_database)}")
    assert shop.invoke("release-migration").code == 4
    done = shop.invoke("resolve", "--env", "prod", "--applied")
    assert done.code == 0, done.err
    assert version(shop.prod_database) == NEXT
    assert shop.invoke("status-all", "--check").code == 0


@pytest.mark.slow
def test_revisions_before_the_one_that_failed_stay_whole_on_mariadb(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    file = shop.add_revision(NEXT, R3, only_in_production(shop.prod_database))
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert f"is at {R3}" in ran.err
    assert version(shop.prod_database) == R3
    file.write_text(file.read_text().replace("UPDATE no_such_table SET id = 1", "SELECT 1"))
    again = shop.invoke("release-migration", "--allow", "edited-revision")
    assert again.code == 0, again.err


@pytest.mark.slow
def test_invalid_index_is_dropped_when_nothing_else_is_left(postgres_at_head: ServerShop) -> None:
    shop = postgres_at_head
    # Unique on the copy; in the real production each row has the same value.
    shop.add_revision(
        NEXT,
        R3,
        "    import os\n"
        '    here = op.get_bind().scalar(sa.text("SELECT current_database()"))\n'
        '    copied = here.startswith("migrations_ops_copy") or os.environ["EXEC_ENV"] == "dev"\n'
        '    what = "parent_id" if copied else "(parent_id * 0)"\n'
        "    with op.get_context().autocommit_block():\n"
        '        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY uq_odd ON children ({what})")',
    )
    before = content(shop.prod_database)
    ran = shop.invoke("release-migration")
    assert ran.code == 3, ran.err
    assert "uq_odd, INVALID" in ran.err
    indexes = "SELECT indexname FROM pg_indexes WHERE indexname = 'uq_odd'"
    assert shop.prod_database.execute(indexes) == []
    assert shop.dev_database.execute(indexes) == [("uq_odd",)]
    assert content(shop.prod_database) == before
    require_no_secret(shop, ran)


@pytest.mark.slow
def test_column_committed_before_a_failing_index_is_named(postgres_filled: ServerShop) -> None:
    shop = postgres_filled
    shop.add_revision(NEXT, R3, f"{COLUMN}\n{INDEX}")
    ran = shop.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert "column parents.more is new" in ran.err
    refused = shop.invoke("upgrade-prod")
    assert refused.code == 1, refused.err
    back = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert back.code == 0, back.err
    assert version(shop.prod_database) == R2


@pytest.mark.slow
@pytest.mark.parametrize("served", [True, False], ids=["served", "not protected"])
def test_what_applications_wrote_is_not_put_back_unasked_when_verify_fails(
    at_head: ServerShop, served: bool
) -> None:
    if not served:
        text = (at_head.folder / "pyproject.toml").read_text(encoding="utf-8")
        (at_head.folder / "pyproject.toml").write_text(f"{text}protected = false\n", "utf-8")
    here = here_of(at_head.prod_database)
    # The real production ends with another column than its copy did in the rehearsal.
    at_head.add_revision(
        NEXT,
        R3,
        "    import os\n"
        f'    here = op.get_bind().scalar(sa.text("{here}"))\n'
        '    copied = here.startswith("migrations_ops_copy") or os.environ["EXEC_ENV"] == "dev"\n'
        '    op.add_column("parents", sa.Column("more" if copied else "odd", sa.Integer))',
    )
    before = content(at_head.prod_database)
    ran = at_head.invoke("release-migration")
    assert ran.code == (4 if served else 3), ran.err
    assert "not as it was in the rehearsal" in ran.err
    assert ("was restored from" in ran.err) is not served
    assert (content(at_head.prod_database) == before) is not served
    if served:
        assert "prod stays upgraded" in ran.err
        command = ran.err.partition("invoke restore ")[2].partition(" (")[0].split()
        back = at_head.invoke("restore", *command)
        assert back.code == 0, back.err
        assert content(at_head.prod_database) == before


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["child", "server"])
def test_what_is_killed_in_the_middle_leaves_postgres_as_it_was(
    postgres_filled: ServerShop, victim: str
) -> None:
    shop = postgres_filled
    shop.add_revision(NEXT, R3, f'{COLUMN}\n    op.execute("SELECT pg_sleep(60)")')
    before = content(shop.dev_database)
    running = shop.start("release-migration")
    wait_for(lambda: is_asleep(shop))
    if victim == "server":
        shop.dev_database.server.kill()
    else:
        kill_child(running.pid)
    _, told = running.communicate(timeout=90)
    if victim == "server":
        shop.dev_database.server.start()
    assert running.returncode in (3, 4), told
    assert "Traceback" not in told
    assert content(shop.dev_database) == before


def asleep_in_production(shop: ServerShop) -> Path:
    """Add a revision that sleeps in the real production alone, until this file is removed."""
    mark, prod = shop.write("asleep", ""), shop.prod_database
    shop.add_revision(
        NEXT,
        R3,
        f"{COLUMN}\n    from pathlib import Path\n"
        f"    here = op.get_bind().scalar(sa.text({here_of(prod)!r}))\n"
        f"    if here == {prod.name!r} and Path({str(mark)!r}).exists():\n"
        f"    {sleeping(120, prod)}",
    )
    return mark


def killed_under_production(shop: ServerShop) -> tuple[int, str]:
    """Kill the server while the upgrade of production sleeps; returns how the release ended."""
    prod = shop.prod_database
    running = shop.start("release-migration")
    # Not a query like "%sleep%": the last look at them, whose session ends, is one of those too.
    asleep = (
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        f" AND state = 'active' AND datname = '{prod.name}'"
        if is_postgres(prod)
        else "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"
        f" AND db = '{prod.name}'"
    )
    wait_for(lambda: prod.server.execute(asleep), 90)
    prod.server.kill()
    _, told = running.communicate(timeout=90)
    prod.server.start()
    assert "does not answer" in told
    assert "invoke restore" not in told
    return running.returncode, told


@pytest.mark.slow
def test_server_that_dies_under_prod_is_said_so_and_no_restore_is_advised(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    mark, before = asleep_in_production(shop), content(shop.prod_database)
    code, told = killed_under_production(shop)
    assert code == 3, told
    assert content(shop.prod_database) == before
    mark.unlink()
    again = shop.invoke("release-migration")
    assert again.code == 0, again.err


@pytest.mark.slow
def test_mariadb_that_dies_under_prod_tells_afterwards_that_half_stands_there(
    mariadb_filled: ServerShop,
) -> None:
    shop = mariadb_filled
    asleep_in_production(shop)
    code, told = killed_under_production(shop)
    assert code == 4, told
    rows = shop.invoke("status-all", "--json").json["environments"]
    assert rows[1]["state"] == "dirty"
    again = shop.invoke("release-migration")
    assert again.code == 1, again.err
    assert "half applied" in again.err


def kill_child(parent: int) -> None:
    """Kill the step at work: the child of the release that has opened the server."""
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                fields = stat.read().rpartition(")")[2].split()
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                command = line.read().split(b"\0")
        except OSError:
            continue
        if int(fields[1]) == parent and b"upgrade" in command and b"downgrade" not in command:
            os.kill(pid, signal.SIGKILL)


@contextmanager
def blocked(database: ServerDatabase, seconds: float) -> Iterator[list[float]]:
    """A transaction that has read `parents` stays open for so long; an application goes on
    reading, and its waiting times are kept."""
    waits: list[float] = []
    done = threading.Event()

    def application() -> None:
        # Not prepared: a plan of a table that has got a column since then is refused.
        plain = {"prepare_threshold": None} if is_postgres(database) else {}
        with database.server.session(database.name, **plain) as session:
            while not done.is_set():
                begun = time.monotonic()
                session.cursor().execute("SELECT * FROM parents WHERE id = 1")
                waits.append(time.monotonic() - begun)
                time.sleep(0.01)

    def blocker() -> None:
        with database.server.session(database.name) as session:
            cursor = session.cursor()
            cursor.execute("BEGIN")
            cursor.execute("SELECT * FROM parents")
            cursor.fetchall()
            done.wait(seconds)
            cursor.execute("COMMIT")

    threads = [threading.Thread(target=each) for each in (application, blocker)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    try:
        yield waits
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
def test_application_never_waits_longer_than_the_lock_timeout(at_head: ServerShop) -> None:
    at_head.add_revision(NEXT, R3, COLUMN)
    with blocked(at_head.dev_database, 6) as waits:
        ran = at_head.invoke("upgrade-dev")
    assert ran.code == 0, ran.err
    # Half a second is the timeout on PostgreSQL; the rest is for a busy machine. Without it, the
    # application waits behind the ALTER for as long as the blocker takes.
    assert max(waits) < 3
    assert version(at_head.dev_database) == NEXT


# As it is typed, but for the number of attempts and the time between: else it takes a minute.
FOUR_TIMES = """\
import sys
from migrations_ops.operations import attempts
attempts.ATTEMPTS, attempts._FIRST = 4, 0.1
from invoke.main import program
sys.argv = ["invoke", "upgrade-dev"]
program.run()
"""


@pytest.mark.slow
def test_table_that_stays_locked_fails_the_step_and_changes_nothing(
    postgres_at_head: ServerShop,
) -> None:
    filled = postgres_at_head
    filled.add_revision(NEXT, R3, COLUMN)
    before = content(filled.dev_database)
    with blocked(filled.dev_database, 300):
        running = filled.start_python("-c", FOUR_TIMES)
        wait_for(lambda: running.poll() is not None, 120)
        _, told = running.communicate()
    assert running.returncode == 3, told
    assert content(filled.dev_database) == before
    assert "Another session held a lock for the whole time, and it was tried 4 times" in told
    assert re.search(r"In the way last: session \d+ of \w+ \(.*in a transaction for \d+ s", told)
    assert "on parents)" in told
    assert "Fix it" not in told


@pytest.mark.slow
def test_network_that_hangs_is_said_so(filled: ServerShop) -> None:
    server = filled.prod_database.server
    with Proxy(server.host, server.port) as proxy:
        urls = {
            "dev": filled.dev_database.url(),
            "prod": proxy.through(filled.prod_database.url()),
        }
        filled.point(urls)
        assert filled.invoke("status-all").code == 0
        proxy.hang()
        ran = filled.invoke("status-all", "--json")
        states = {each["name"]: each["state"] for each in ran.json["environments"]}
        assert states == {"dev": "behind", "prod": "unreachable"}
        refused = filled.invoke("release-migration")
        assert refused.code == 1, refused.err
        require_no_secret(filled, ran, refused)
    assert copies(filled) == set()


def test_wrong_password_is_said_without_it(filled: ServerShop) -> None:
    url = filled.prod_database.url()
    word = next(each for each in ("hidden-word-of-postgres", "hidden-word-of-root") if each in url)
    filled.point({"dev": filled.dev_database.url(), "prod": url.replace(word, "wrong-word")})
    ran = filled.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert "Check user and password" in ran.err
    assert "wrong-word" not in ran.err + ran.out


@pytest.mark.slow
def test_server_that_is_not_up_yet_is_waited_for(filled: ServerShop) -> None:
    server = filled.prod_database.server
    pyproject = filled.folder / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(text.replace("wait = 1\n", "wait = 30\n"), encoding="utf-8")
    server.stop()
    running = filled.start("release-migration")
    time.sleep(1.5)
    assert running.poll() is None
    server.start()
    _, told = running.communicate(timeout=90)
    assert running.returncode == 0, told


@pytest.mark.slow
def test_backup_folder_that_cannot_be_made_fails_before_anything_is_changed(
    filled: ServerShop,
) -> None:
    pyproject = filled.folder / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    folder = '[tool.migrations_ops]\nbackups = "/dev/full/backups"\n'
    pyproject.write_text(text.replace("[tool.migrations_ops]\n", folder, 1), encoding="utf-8")
    before = content(filled.dev_database)
    ran = filled.invoke("release-migration")
    assert ran.code in (1, 3), ran.err
    assert content(filled.dev_database) == before


@pytest.mark.slow
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


def test_disk_that_cannot_hold_the_backup_is_told_beforehand(filled: ServerShop) -> None:
    folder = filled.folder / "data/repom/backups"
    with small_disk(folder, "8k"):
        (folder / "other").write_bytes(b"x" * 8192)
        ran = filled.invoke("release-migration")
        assert ran.code == 1, ran.err
        assert "not enough room on the disk" in ran.err
        assert "for the backup of prod" in ran.err
    assert version(filled.dev_database) == R2
