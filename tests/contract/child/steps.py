"""What these tests share: an env.py of one's own, and a child started as a release starts it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from migrations_ops.project.project import Project
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.step import start_step
from tests.servers import guard
from tests.support import Sandbox, dump, query, wait_for

R4 = "r4dddddddddd"

# The guide's env.py up to the place where the engine is made.
_TOP = """\
import os
import sqlite3
import sys
from pathlib import Path

from alembic import context
from sqlalchemy import (
    Column, ForeignKey, Integer, MetaData, Table, Text, create_engine, event, pool, text,
)

target_metadata = MetaData()
Table("parents", target_metadata, Column("id", Integer, primary_key=True),
      Column("name", Text, nullable=False), Column("note", Text))
Table("children", target_metadata, Column("id", Integer, primary_key=True),
      Column("parent_id", Integer, ForeignKey("parents.id", ondelete="CASCADE"), nullable=False))

def file_of(name):
    folder = Path(__file__).resolve().parent.parent / "data" / "repom"
    return folder / ("db.sqlite3" if name == "prod" else f"db.{name}.sqlite3")

file = file_of(os.environ.get("EXEC_ENV", "prod"))
url = f"sqlite:///{file.as_posix()}"

def migrate(connection, **options):
    context.configure(connection=connection, target_metadata=target_metadata, **options)
    with context.begin_transaction():
        context.run_migrations()

"""

# What a usual env.py ends with.
USUAL = """
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    migrate(connection)
"""

# Two statements that a transaction has to hold together, and a failure after both. The
# failing line is left out once the revision has been fixed.
HALF_DONE = """\
    op.create_table("half", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO half VALUES (1)")
    op.execute("UPDATE children SET parent_id = 1 WHERE id = 2")
"""
FAILING = HALF_DONE + '    raise RuntimeError("in the middle")'


def write_env(sandbox: Sandbox, ending: str) -> None:
    """Replace the project's env.py by one with this ending."""
    sandbox.write("alembic/env.py", _TOP + ending)


def run_child(
    sandbox: Sandbox,
    environment: str = "dev",
    command: Sequence[str] = ("upgrade", "head"),
    *,
    ledger_entry: dict[str, str] | None = None,
) -> CommandRun:
    """Run one Alembic command in a child, as a step of a release does; nothing is restored."""
    project = Project.read(sandbox.folder)
    chosen = project.settings.environment(environment)
    step = start_step(project, chosen, (command,), sandbox.folder / "child.log")
    try:
        return step.run(instructions_for(project, chosen, ledger_entry=ledger_entry))
    finally:
        step.close()


def everything(sandbox: Sandbox) -> list[list[str] | None]:
    """The content of both databases."""
    return [dump(sandbox.dev), dump(sandbox.prod)]


def revision_of(file: Path) -> str:
    return ", ".join(str(row[0]) for row in query(file, "SELECT version_num FROM alembic_version"))


# More than SQLite's cache holds, so that the database file itself is half written by then.
BIG = """\
    op.create_table("half", sa.Column("id", sa.Integer), sa.Column("b", sa.LargeBinary))
    op.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO half SELECT i, randomblob(300) FROM n"
    )
    op.execute("UPDATE children SET parent_id = 1 WHERE id = 2")
"""
# Time to kill the process, where a file asks for it; {act} is what it does meanwhile.
PAUSE = """\
    import os
    import time
    from pathlib import Path
    stage = os.environ["EXEC_ENV"]
    file = op.get_bind().connection.dbapi_connection.execute("PRAGMA database_list").fetchall()
    stage = "rehearsal" if "rehearsal" in file[0][2] else stage
    if Path(f"pause.{stage}").exists():
        Path("half-paused").write_text(str(os.getpid()))
        os.rename("half-paused", f"paused.{stage}")
        {act}
"""
PAUSING = BIG + PAUSE.replace("{act}", "time.sleep(60)")
# The same pause while verify compares the models with the database.
PAUSING_CHECK = """
import time
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    driver = connection.connection.driver_connection
    opened = driver.execute("PRAGMA database_list").fetchall()[0][2]
    stage = "rehearsal" if "rehearsal" in opened else os.environ["EXEC_ENV"]
    stage = f"{context.config.cmd_opts.cmd[0].__name__}.{stage}"
    if Path(f"pause.{stage}").exists():
        Path("half-paused").write_text(str(os.getpid()))
        os.rename("half-paused", f"paused.{stage}")
        time.sleep(60)
    migrate(connection)
"""


def wait_for_pause(sandbox: Sandbox, stage: str) -> int:
    """Wait until the child sleeps in the middle of that stage; returns its process id."""
    file, log = sandbox.folder / f"paused.{stage}", sandbox.folder / "child.log"

    def paused() -> bool:
        assert not log.exists() or "Traceback" not in log.read_text(encoding="utf-8"), log
        return file.exists()

    wait_for(paused)
    return int(file.read_text())


def is_alive(pid: int) -> bool:
    """A process that has ended, and that nobody has asked how, is not."""
    return guard.alive(pid)
