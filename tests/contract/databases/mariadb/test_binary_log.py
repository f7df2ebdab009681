"""On a server with a binary log, a role that may not make triggers is named before a release."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.model.errors import StepFailed
from tests.contract.databases.mariadb.support import make_role, run
from tests.servers.databases import ServerDatabase, swept
from tests.servers.fixtures import started
from tests.servers.mariadb import MariaServer, account

pytestmark = pytest.mark.slow  # a server of its own


@pytest.fixture(scope="module")
def logging_server() -> Iterator[MariaServer]:
    server = started(lambda: MariaServer(skip_log_bin="0", log_bin="binlog"))
    yield server
    server.close()


@pytest.fixture
def logged(logging_server: MariaServer) -> Iterator[ServerDatabase]:
    with swept(logging_server):
        yield ServerDatabase(logging_server, logging_server.create_database())


def test_triggers_that_no_copy_could_have_are_named_with_what_to_type(
    logged: ServerDatabase, tmp_path: Path
) -> None:
    run(logged, "CREATE TABLE t (a INT)",
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1")  # fmt: skip
    make_role(logged, "ALL")
    logged.execute(f"GRANT ALL ON `migrations\\_ops\\_%`.* TO {account('plain')}")
    logged.execute(f"GRANT SET USER ON *.* TO {account('plain')}")
    database = MariaDB.from_url(logged.server.url(logged.name, user="plain", password="word"))
    [found] = database.find_obstacles()
    assert "make tr again" in found.message
    with database.locked("backup", 30), pytest.raises(StepFailed) as caught:
        database.back_up(tmp_path / "a", "", None)
    cure = re.search(r"SET GLOBAL \w+ = 1", found.message)
    assert cure is not None
    assert cure[0] in caught.value.next
    logged.execute(cure[0])
    assert database.find_obstacles() == []
    with database.locked("backup", 30):
        database.back_up(tmp_path / "b", "", None)
