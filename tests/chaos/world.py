"""The world of one round: a populated project, a writer, and what must hold whatever happens."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.backups import file_digest
from migrations_ops.databases.sqlite import SQLite
from migrations_ops.results import Fingerprint
from tests.support import Sandbox, clean_environment, copy_project, query

WRITER = Path(__file__).with_name("writer.py")
FIRST, LAST = "c0journal000", "c3index00000"
ROWS = 400

REVISIONS = {
    FIRST: (
        None,
        """    op.create_table(
        "journal", sa.Column("id", sa.Integer, primary_key=True), sa.Column("token", sa.Text)
    )
    op.create_table(
        "parents", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text)
    )
    op.create_table(
        "children", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("parent_id", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["parents.id"], ondelete="CASCADE"),
    )""",
    ),
    "c1rows000000": (
        FIRST,
        """    op.add_column("parents", sa.Column("upper_name", sa.Text))
    bind = op.get_bind()
    for key, name in bind.execute(sa.text("SELECT id, name FROM parents")).fetchall():
        bind.execute(
            sa.text("UPDATE parents SET upper_name = :new WHERE id = :key"),
            {"new": name.upper(), "key": key},
        )""",
    ),
    "c2rebuild000": (
        "c1rows000000",
        """    with op.batch_alter_table("parents") as batch_op:
        batch_op.alter_column("name", existing_type=sa.Text, nullable=False)
        batch_op.create_check_constraint("ck_parents_id", "id > 0")""",
    ),
    LAST: (
        "c2rebuild000",
        """    op.create_index("ix_children_parent_id", "children", ["parent_id"])
    op.execute("UPDATE parents SET name = name || ' (' || id || ')'")""",
    ),
}


@dataclass
class World:
    """One project with both databases filled at the first revision."""

    sandbox: Sandbox
    schemas: dict[str, Fingerprint]

    @property
    def tokens(self) -> Path:
        """Where the writer notes what it was told is committed."""
        return self.sandbox.folder / "tokens.txt"

    def start_writer(self) -> subprocess.Popen[bytes]:
        """A process that writes into production without pause, and notes each commit."""
        return subprocess.Popen(
            [sys.executable, str(WRITER), str(self.sandbox.prod), str(self.tokens)],
            env=clean_environment(),
        )

    def problems(self) -> list[str]:
        """What does not hold; empty after every round, whatever was killed when."""
        found = []
        for file in (self.sandbox.dev, self.sandbox.prod):
            found += self._problems_of(file)
        return found + self._lost_tokens() + self._torn_backups()

    def _problems_of(self, file: Path) -> list[str]:
        with closing(sqlite3.connect(file, timeout=30)) as connection:
            [(sound,)] = connection.execute("PRAGMA integrity_check").fetchall()
            [(parents,)] = connection.execute("SELECT count(*) FROM parents").fetchall()
            [(children,)] = connection.execute("SELECT count(*) FROM children").fetchall()
        found = [] if sound == "ok" else [f"{file.name}: {sound}"]
        if (parents, children) != (ROWS, ROWS):
            found.append(f"{file.name}: {parents} parents, {children} children of {ROWS}")
        now = SQLite(file, file.name).fingerprint("alembic_version")
        [revision] = now.revisions
        if now.schema != self.schemas[revision].schema:
            found.append(f"{file.name}: the schema is not that of {revision}")
        return found

    def _lost_tokens(self) -> list[str]:
        told = set(self.tokens.read_text().split()) if self.tokens.exists() else set()
        kept = {row[0] for row in query(self.sandbox.prod, "SELECT token FROM journal")}
        lost = told - kept
        for backup in self._backups("db_*.sqlite3") if lost else ():
            lost -= {row[0] for row in query(backup, "SELECT token FROM journal")}
        return [f"{len(lost)} commits are nowhere: {sorted(lost)[:3]}"] if lost else []

    def _torn_backups(self) -> list[str]:
        found = []
        for backup in self._backups("*.sqlite3"):
            sidecar = backup.with_suffix(".json")
            if not sidecar.exists():
                found.append(f"{backup.name} has no sidecar")
            elif json.loads(sidecar.read_text())["sha256"] != file_digest(backup):
                found.append(f"{backup.name} is not what its sidecar says")
        return found

    def _backups(self, pattern: str) -> list[Path]:
        return sorted((self.sandbox.folder / "data/repom/backups").glob(pattern))


def make_template(folder: Path) -> World:
    """A project whose databases stand at the first revision, and the schema of each revision."""
    sandbox = copy_project("shop", folder)
    for old in (folder / "alembic/versions").glob("*.py"):
        old.unlink()
    env = folder / "alembic/env.py"
    env.write_text(env.read_text().replace("=target_metadata", "=None"))
    for revision, (down, body) in REVISIONS.items():
        file = sandbox.add_revision(revision, str(down), body)
        if down is None:
            file.write_text(file.read_text().replace('"None"', "None"))
    schemas = {}
    for revision in REVISIONS:
        ran = sandbox.alembic("upgrade", revision, EXEC_ENV="model")
        assert ran.code == 0, ran.err
        model = folder / "data/repom/db.model.sqlite3"
        schemas[revision] = SQLite(model, "model").fingerprint("alembic_version")
    for file in (sandbox.dev, sandbox.prod):
        name = "dev" if file == sandbox.dev else "prod"
        assert sandbox.alembic("upgrade", FIRST, EXEC_ENV=name).code == 0
        with closing(sqlite3.connect(file)) as connection, connection:
            numbers = range(1, ROWS + 1)
            rows = [(number, f"parent {number}") for number in numbers]
            connection.executemany("INSERT INTO parents VALUES (?, ?)", rows)
            pairs = [(number, number) for number in numbers]
            connection.executemany("INSERT INTO children VALUES (?, ?)", pairs)
    return World(sandbox, schemas)


def make_world(template: World, folder: Path, chance: random.Random) -> World:
    """A copy of the template, with its journal mode drawn."""
    shutil.copytree(template.sandbox.folder, folder)
    sandbox = Sandbox(folder)
    mode = chance.choice(["WAL", "DELETE"])
    for file in (sandbox.dev, sandbox.prod):
        query(file, f"PRAGMA journal_mode={mode}")
    return World(sandbox, template.schemas)
