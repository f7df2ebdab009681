"""Endings of env.py that plain Alembic accepts: each handles transactions in a way of its own."""

from __future__ import annotations

import sys
import textwrap


def connects(made: str = "create_engine(url)", options: str = "", before: str = "") -> str:
    """It connects, does something, and migrates."""
    before = textwrap.indent(before, "    ")
    return f"with {made}.connect() as connection:\n{before}    migrate(connection{options})\n"


def listens(event: str, arguments: str, does: str, made: str = "create_engine(url)") -> str:
    """The engine has a listener of its own."""
    listener = f"@event.listens_for(engine, {event!r})\ndef listener({arguments}):\n    {does}\n"
    return f"engine = {made}\n{listener}"


def asynchronous(options: str = "") -> str:
    return f"""
import asyncio
from sqlalchemy.ext.asyncio import create_async_engine

async def main():
    engine = create_async_engine(url, poolclass=pool.NullPool{options})
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(main())
"""


AUTOCOMMIT = ', isolation_level="AUTOCOMMIT"'
BEGIN = "with create_engine(url).begin() as connection:\n    migrate(connection)\n"
PER_REVISION = connects(options=", transaction_per_migration=True")
NOT_TRANSACTIONAL = connects(options=", transactional_ddl=False")
BY_ITSELF = f"""
with create_engine(url{AUTOCOMMIT}).connect() as connection:
    context.configure(connection=connection)
    context.run_migrations()
"""
KEYS_ON = 'driver.execute("PRAGMA foreign_keys=ON")'
IN_AUTOCOMMIT = connects(f"create_engine(url{AUTOCOMMIT})")

SQLITE = {
    "usual": connects("create_engine(url, poolclass=pool.NullPool)"),
    "engine.begin": BEGIN,
    "pooled engine": connects("create_engine(url, poolclass=pool.QueuePool)"),
    "engine in AUTOCOMMIT": IN_AUTOCOMMIT,
    "connection in AUTOCOMMIT": """
engine = create_engine(url)
with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
    migrate(connection)
""",
    "SQLAlchemy's recipe": listens("connect", "driver, record", "driver.isolation_level = None")
    + '@event.listens_for(engine, "begin")\n'
    + 'def begin(connection):\n    connection.exec_driver_sql("BEGIN")\n'
    + connects("engine"),
    "BEGIN IMMEDIATE of its own": connects(before='connection.execute(text("BEGIN IMMEDIATE"))\n')
    + "    connection.commit()\n",
    "BEGIN and COMMIT of its own": connects(
        f"create_engine(url{AUTOCOMMIT})", before='connection.exec_driver_sql("BEGIN")\n'
    )
    + '    connection.exec_driver_sql("COMMIT")\n',
    "BEGIN in the driver": connects(
        before=f"driver = connection.connection.driver_connection\n{KEYS_ON}\n"
        'driver.execute("BEGIN")\n'
    ),
    "foreign keys on": listens("connect", "driver, record", KEYS_ON) + connects("engine"),
    "PRAGMA, committed, before configure": connects(
        before='connection.execute(text("PRAGMA foreign_keys=ON"))\nconnection.commit()\n'
    ),
    "one transaction for each revision": PER_REVISION,
    "no transactional DDL": NOT_TRANSACTIONAL,
    "creator": 'import sqlite3\nfile = url.partition(":///")[2]\n'
    + connects('create_engine("sqlite://", creator=lambda: sqlite3.connect(file))'),
    "configured by position": """
with create_engine(url).connect() as connection:
    context.configure(connection, url, None, None)
    with context.begin_transaction():
        context.run_migrations()
""",
}
if sys.version_info >= (3, 12):
    for value in (False, True):
        SQLITE[f"the driver's autocommit={value}"] = connects(
            f"create_engine(url, connect_args={{'autocommit': {value}}})"
        )
POSTGRESQL = {
    "engine.begin": BEGIN,
    "engine in AUTOCOMMIT": IN_AUTOCOMMIT,
    "AUTOCOMMIT without begin_transaction": BY_ITSELF,
    "AUTOCOMMIT and something before": connects(
        f"create_engine(url{AUTOCOMMIT})",
        before='connection.execute(text("SET search_path TO public"))\n',
    ),
    "one transaction for each revision": PER_REVISION,
    "no transactional DDL": NOT_TRANSACTIONAL,
    "serializable": connects('create_engine(url, isolation_level="SERIALIZABLE")'),
    "a schema made before": connects(
        before='connection.execute(text("CREATE SCHEMA IF NOT EXISTS audit"))\n'
        "connection.commit()\n"
    ),
    "creator in autocommit": 'import psycopg\nplain = url.replace("+psycopg", "")\n'
    + connects(
        'create_engine("postgresql+psycopg://",'
        " creator=lambda: psycopg.connect(plain, autocommit=True))"
    ),
    "a token at the last moment": listens(
        "do_connect",
        "dialect, record, cargs, cparams",
        'cparams["password"] = cparams["password"].replace("wrong-word", "hidden-word")',
        'create_engine(url.replace("hidden-word", "wrong-word"), poolclass=pool.NullPool)',
    )
    + connects("engine"),
}
MARIADB = {
    "engine.begin": BEGIN,
    "engine in AUTOCOMMIT": IN_AUTOCOMMIT,
    "AUTOCOMMIT without begin_transaction": BY_ITSELF,
    "one transaction for each revision": PER_REVISION,
    "transactional DDL, so it says": connects(options=", transactional_ddl=True"),
    "a listener of its own": """
def applied(**step_facts):
    print("applied", step_facts["step"].up_revision_id, flush=True)
"""
    + connects(options=", on_version_apply=applied"),
    "creator": """
import pymysql
from sqlalchemy import make_url
to = make_url(url)
"""
    + connects(
        'create_engine("mysql+pymysql://", creator=lambda: pymysql.connect(host=to.host,'
        " port=to.port, user=to.username, password=to.password, database=to.database,"
        " autocommit=True))"
    ),
}
# Under plain Alembic each ends with 0 though a revision has failed, and keeps the half of it.
SWALLOWING = {
    "in the transaction": """
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        try:
            context.run_migrations()
        except Exception as error:
            kept = error
""",
    "in engine.begin": """
with create_engine(url).begin() as connection:
    try:
        migrate(connection)
    except Exception:
        pass
""",
}
