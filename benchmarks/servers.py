"""Backup, rehearsal and release on a server, beside the same typed by hand.

The server is one of the tests' own, with the safety of a real one: each commit is flushed. Both
sides use the same server, the same database and the same client programs. By hand nothing is
compared with anything: what was dumped and could be read back is believed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import projects
from benchmarks.measure import Case, Command, CommandFailed, Comparison
from benchmarks.projects import variables
from tests.servers.mariadb import MariaServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import MissingServerError

BEFORE, HEAD = "b1aaaaaaaaaa", "b2bbbbbbbbbb"
DEV, PROD, COPY = "bench_dev", "bench_prod", "bench_copy"
DEV_SHARE = 0.001
# Bytes of a row with its part of the indexes, as both servers store it, nearly enough.
_ROWS = {"customers": (0.10, 190), "orders": (0.30, 125), "events": (0.60, 420)}

_CONFIGURATION = """\
[tool.migrations_ops.environments.dev]
url = {{ variable = "DEV_URL" }}
variables = {{ DATABASE_URL = "{{url}}" }}
drift = "off"

[tool.migrations_ops.environments.prod]
url = {{ variable = "PROD_URL" }}
variables = {{ DATABASE_URL = "{{url}}" }}
drift = "off"
{more}"""
_TASKS = "from migrations_ops.tasks import namespace\n\nns = namespace(__file__)\n"
_INI = "[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n"
_ENV = """\
import os

from alembic import context
from sqlalchemy import create_engine, pool

with create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
_REVISION = """\
import sqlalchemy as sa
from alembic import op

revision = {name!r}
down_revision = {down!r}


def upgrade() -> None:
{up}


def downgrade() -> None:
{back}
"""
_TABLES = """\
    op.create_table("customers", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("name", sa.String(80)), sa.Column("email", sa.String(120)))
    op.create_index("ix_customers_email", "customers", ["email"])
    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("customer_id", sa.Integer, sa.ForeignKey("customers.id")),
                    sa.Column("placed", sa.DateTime), sa.Column("total", sa.Numeric(10, 2)),
                    sa.Column("state", sa.String(20)))
    op.create_index("ix_orders_customer", "orders", ["customer_id"])
    op.create_table("events", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("order_id", sa.Integer), sa.Column("payload", sa.Text))
    op.create_index("ix_events_order", "events", ["order_id"])"""
_PENDING = """\
    op.add_column("orders", sa.Column("note", sa.String(200)))
    op.create_index("ix_orders_placed", "orders", ["placed"])"""
_UNDONE = """\
    op.drop_index("ix_orders_placed", "orders")
    op.drop_column("orders", "note")"""
# Both servers understand these; the payload compresses about as that of applications does.
_FILL = {
    "customers": "SELECT n, concat('Customer number ', n), concat(md5(concat(n)), '@example.org')",
    "orders": "SELECT n, n % {customers} + 1, {placed}, n % 9973 / 100.0,"
    " CASE n % 4 WHEN 0 THEN 'open' WHEN 1 THEN 'paid' ELSE 'delivered' END",
    "events": "SELECT n, n % {orders} + 1, concat("
    """'{{"kind": "order changed", "actor": {{"type": "customer", "session": "', md5(concat(n)),"""
    """'", "address": "10.0.12.44"}}, "before": {{"state": "open", "total": ', n % 997,"""
    """'}}, "after": {{"state": "paid", "reference": "', md5(concat(n, 7)), md5(concat(n, 9)),"""
    """'"}}, "agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}}')""",
}


@dataclass(frozen=True)
class Kind:
    """One kind of server: what is typed by hand there, and how rows are made.

    ``settings`` are those of a server on which something depends.
    """

    name: str
    make: Callable[..., PostgresServer | MariaServer]
    settings: Mapping[str, str]
    numbers: str
    placed: str
    dump: str
    load: str


POSTGRESQL = Kind(
    "PostgreSQL",
    PostgresServer,
    {"fsync": "on", "full_page_writes": "on", "shared_buffers": "512MB", "max_wal_size": "2GB"},
    "generate_series(1, {rows}) n",
    "timestamp '2024-01-01' + n * interval '7 seconds'",
    f"pg_dump -Fc -f copy.dump {PROD}",
    f"pg_restore --exit-on-error -d {COPY} copy.dump",
)
MARIADB = Kind(
    "MariaDB",
    MariaServer,
    {
        "innodb_flush_log_at_trx_commit": "1",
        "innodb_doublewrite": "1",
        "innodb_buffer_pool_size": "512M",
        "innodb_log_file_size": "256M",
    },
    "(SELECT seq AS n FROM seq_1_to_{rows}) numbers",
    "'2024-01-01' + INTERVAL n * 7 SECOND",
    "set -o pipefail; mariadb-dump $LOGIN --single-transaction --quick --routines --triggers"
    f" --events {PROD} | gzip -1 > copy.sql.gz",
    f"set -o pipefail; gzip -dc copy.sql.gz | mariadb $LOGIN {COPY}",
)


@dataclass(frozen=True)
class Bench:
    """A server with the two databases of a release, and the folders of both sides."""

    kind: Kind
    server: PostgresServer | MariaServer
    place: Path

    def variables(self, **more: str) -> dict[str, str]:
        """Of a shell in which somebody works with this server."""
        secret = self.server.password
        path = f"{self.server.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        login = {
            "PATH": path, "PGHOST": self.server.host, "PGPORT": str(self.server.port),
            "PGUSER": "postgres", "PGPASSWORD": secret,
"MYSQL_PWD": secret,
            "LOGIN": f"--host={self.server.host} --port={self.server.port} --user=root",
            "DEV_URL": self.server.url(DEV), "PROD_URL": self.server.url(PROD),
        }  # fmt: skip
        return variables(**(login | more))

    def project(self, name: str, more: str | None = None) -> Path:
        """A folder with the project; None for one that knows nothing of this tool."""
        folder = self.place / name
        (folder / "alembic/versions").mkdir(parents=True)
        (folder / "alembic.ini").write_text(_INI, encoding="utf-8")
        (folder / "alembic/env.py").write_text(_ENV, encoding="utf-8")
        for revision, down, up, back in (
            (BEFORE, None, _TABLES, "    raise NotImplementedError"),
            (HEAD, BEFORE, _PENDING, _UNDONE),
        ):
            text = _REVISION.format(name=revision, down=down, up=up, back=back)
            (folder / f"alembic/versions/{revision}.py").write_text(text, encoding="utf-8")
        if more is not None:
            text = _CONFIGURATION.format(more=more)
            (folder / "pyproject.toml").write_text(text, encoding="utf-8")
            (folder / "tasks.py").write_text(_TASKS, encoding="utf-8")
        return folder

    def invoke(self, folder: Path, *words: str, shows: str, code: int = 0) -> Command:
        argv = (sys.executable, "-m", "invoke", *words)
        return Command(argv, folder, self.variables(), shows, code)

    def alembic(self, folder: Path, database: str, *words: str) -> Command:
        argv = (sys.executable, "-c", projects.ALEMBIC, *words)
        return Command(argv, folder, self.variables(DATABASE_URL=self.server.url(database)))

    def shell(self, folder: Path, line: str) -> Command:
        return Command(("bash", "-c", line), folder, self.variables())

    def fill(self, plain: Path, megabytes: int) -> None:
        """Let production grow to about so many megabytes, and dev to a thousandth of that."""
        for name, size in ((DEV, megabytes * DEV_SHARE), (PROD, megabytes)):
            self.server.create_database(name)
            self.alembic(plain, name, "upgrade", BEFORE).run()
            rows = {
                table: max(100, int(size * 1_000_000 * share / width))
                for table, (share, width) in _ROWS.items()
            }
            for table, select in _FILL.items():
                source = self.kind.numbers.format(rows=rows[table])
                select = select.format(placed=self.kind.placed, **rows)
                self.server.execute(f"INSERT INTO {table} {select} FROM {source}", database=name)
        statistics = "ANALYZE" if self.kind is POSTGRESQL else "ANALYZE TABLE orders, events"
        self.server.execute(statistics, database=PROD)

    def reset(self, plain: Path) -> None:
        """As before any run: both databases one revision behind, nothing of a run left."""
        for name in (DEV, PROD):
            if self.server.execute("SELECT version_num FROM alembic_version", database=name) != [
                (BEFORE,)
            ]:
                self.alembic(plain, name, "downgrade", BEFORE).run()
            self.server.execute("DROP VIEW IF EXISTS migrations_ops_ledger", database=name)
        for name in self.server.databases():
            if name.startswith(("migrations_ops_", COPY)):
                self.server.drop_database(name)
        for data in self.place.glob("*/data"):
            shutil.rmtree(data)
        for file in self.place.glob("*/copy.*"):
            file.unlink()


def on_server(kind: Kind, place: Path, megabytes: int, stack: ExitStack) -> list[Comparison]:
    """What a release has to do on a database of so many megabytes.

    :param stack: ends the server.
    :raises CommandFailed: the server is not installed.
    """
    try:
        server = kind.make(**kind.settings)
    except MissingServerError as missing:
        raise CommandFailed(str(missing)) from None
    stack.callback(server.close)
    bench = Bench(kind, server, place)
    plain = bench.project("plain")
    ours, asking = bench.project("ours", ""), bench.project("asking", "ask = true\n")
    bench.fill(plain, megabytes)

    def case(title: str, *commands: Command, first: Command | None = None) -> Case:
        def prepare() -> None:
            bench.reset(plain)
            if first is not None:
                first.run()
            else:
                server.create_database(COPY)

        return Case(f"{kind.name}, {megabytes:,} MB: {title}", commands, prepare)

    copied = (bench.shell(plain, kind.dump), bench.shell(plain, kind.load))
    tried = (*copied, bench.alembic(plain, COPY, "upgrade", "head"))
    nothing = bench.shell(plain, "true")
    dev = bench.alembic(plain, DEV, "upgrade", "head")
    prod = bench.alembic(plain, PROD, "upgrade", "head")
    by_hand = [
        case("dump, and restore it", *copied),
        case("the same, and upgrade the copy", *tried),
        case("the same, and upgrade prod", dev, *tried, prod),
    ]
    backup = bench.invoke(
        ours, "backup", "--env", "prod", shows=".dump" if kind is POSTGRESQL else ".sql.gz"
    )
    # prod is configured to ask, and nobody is there: it ends after the rehearsal.
    rehearsal = bench.invoke(asking, "upgrade-prod", shows="is configured to ask", code=1)
    passed = bench.invoke(asking, "upgrade-dev", shows="verify")
    release = bench.invoke(ours, "release-migration", shows="Released")
    measured = [
        case("verified backup", backup, first=nothing),
        case("backup and rehearsal", rehearsal, first=passed),
        case("release", release, first=nothing),
    ]
    return [Comparison(mine, other) for mine, other in zip(measured, by_hand, strict=True)]


SERVERS: Mapping[str, Kind] = {"postgresql": POSTGRESQL, "mariadb": MARIADB}
