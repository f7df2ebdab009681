"""Plays a story in a project of its own: release, look, restore, look again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from migrations_ops.analysis.schema_facts import lowered
from migrations_ops.backups.store import BackupStore
from migrations_ops.child.protocol.sql import tokens
from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import StepResult
from migrations_ops.operations.manual.restore import restore_environment
from migrations_ops.operations.release import ReleaseOptions, release_all
from migrations_ops.operations.run import Finished
from migrations_ops.project.project import Project
from tests.histories.model import Model, Table, Value, check, q
from tests.histories.story import BASE, Story
from tests.support import Sandbox, copy_project

VERSION_TABLE = "alembic_version"
# Tables of the tool itself, which no revision knows.
OWN = "migrations_ops"

Rows = dict[str, list[tuple[Any, ...]]]


class Quiet:
    """A report that nobody reads."""

    def begin(self, step: str, environment: str) -> None:
        pass

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        pass

    def expect(self, seconds: float) -> None:
        pass

    def say(self, line: str) -> None:
        pass

    def end(self, result: StepResult, summary: str) -> None:
        pass

    def finding(self, finding: Finding) -> None:
        pass


class Played:
    """A project in which a story begins."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.story = story
        self.sandbox = _project(story, folder)
        self.files = {"dev": self.sandbox.dev, "prod": self.sandbox.prod}
        for name, file in self.files.items():
            _fill(file, story.before, story.mode, every=2 if name == "dev" else 1)
        self.before = {name: content(file) for name, file in self.files.items()}

    def release(self) -> Finished:
        return release_all(Project.read(self.sandbox.folder), ReleaseOptions(), Quiet())

    def is_as_before(self, name: str) -> bool:
        return content(self.files[name]) == self.before[name]

    def restore(self, name: str) -> Finished | None:
        """Put the first backup back: the one from before the release; None if there is none."""
        project = Project.read(self.sandbox.folder)
        environment = project.settings.environment(name)
        backups = BackupStore.of(project.settings, environment).backups()
        if not backups:
            return None
        return restore_environment(project, environment, backups[0].name, Quiet())

    def fingerprint(self, name: str) -> Any:
        project = Project.read(self.sandbox.folder)
        database = project.database(project.settings.environment(name))
        return database.fingerprint(VERSION_TABLE)

    def differences(self, name: str) -> list[str]:
        """Where a released database is not what the story should end with."""
        after, file = self.story.after, self.files[name]
        before, has, wanted = self.story.before, _names(file), after.names()
        if self.story.may_stop():
            # What a revision made and the next one's rebuild lost was never in a database: the
            # release compares what was there before it with what is there after it.
            has, wanted = has & before.names(), wanted & before.names()
        found = [f"{each} is missing" for each in sorted(wanted - has)]
        found += [f"{each} is too much" for each in sorted(has - wanted)]
        if found:
            return found
        was, now = self.before[name]["rows"], content(file)
        for table in after.tables.values():
            found += _lost_values(table, was, now["rows"])
            found += _weakened(table, now["schema"]) if table.origin else []
        for thing in after.things.values():
            if thing.name not in before.things:
                continue
            sql = now["schema"][thing.kind, thing.name]
            for part in (thing.order, thing.more, thing.function):
                found += [] if _says(sql, part) else [f"{thing.name} has lost {part}"]
        return found


def _project(story: Story, folder: Path) -> Sandbox:
    sandbox = copy_project("shop", folder)
    for old in (folder / "alembic/versions").glob("*.py"):
        old.unlink()
    env = folder / "alembic/env.py"
    env.write_text(env.read_text().replace("=target_metadata", "=None"))
    tables = "".join(
        f'[tool.migrations_ops.environments.{name}]\nurl = "sqlite:///{file}"\ndrift = "off"\n'
        'allow = ["dropped-table", "dropped-column"]\n'
        for name, file in (
            ("dev", "data/repom/db.dev.sqlite3"), ("prod", "data/repom/db.sqlite3"),
        )
    )  # fmt: skip
    sandbox.configure(f"[tool.migrations_ops]\nwait = 1\n\n{tables}")
    base = f'revision = "{BASE}"\ndown_revision = None\n\n\ndef upgrade():\n    pass\n'
    sandbox.write(f"alembic/versions/{BASE}.py", base)
    for revision in story.revisions:
        sandbox.write(f"alembic/versions/{revision.name}.py", revision.text())
    return sandbox


def _fill(file: Path, model: Model, mode: str, *, every: int) -> None:
    """Build the database by hand; dev has some of production's rows."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("BEGIN")
        for statement in model.statements():
            connection.execute(statement)
        kept: dict[str, set[Value]] = {}
        for table in model.tables.values():
            kept[table.name] = set()
            for row in table.rows[::every]:
                filled = _with_parent(table, row, kept)
                marks = ", ".join("?" * len(filled))
                names = ", ".join(q(column.name) for column in table.stored())
                insert = f"INSERT INTO {q(table.name)} ({names}) VALUES ({marks})"
                connection.execute(insert, filled)
                kept[table.name].add(filled[0])
        connection.execute(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL)")
        connection.execute(f"INSERT INTO {VERSION_TABLE} VALUES ('{BASE}')")
        connection.execute("COMMIT")


def _with_parent(
    table: Table, row: tuple[Value, ...], kept: dict[str, set[Value]]
) -> tuple[Value, ...]:
    """The row; without its parent where that is not there."""
    if not table.parent:
        return row
    place = table.stored().index(table.column(table.link[0]))
    parent = row[place] if row[place] in kept[table.parent] else None
    return (*row[:place], parent, *row[place + 1 :])


def content(file: Path) -> dict[str, Any]:
    """Everything in a database: what it is made of, and each value with its type."""
    with closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True)) as connection:
        connection.text_factory = bytes
        schema = {
            (kind.decode(), name.decode()): sql and sql.decode()
            for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master")
            if not name.decode().startswith(OWN)
        }
        rows: Rows = {}
        for kind, name in schema:
            if kind == "table":
                found = connection.execute(f"SELECT * FROM {q(name)}")
                columns = tuple(column[0] for column in found.description)
                rows[name] = [columns, *sorted(found.fetchall(), key=repr)]
        return {"schema": schema, "rows": rows}


def _names(file: Path) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    made = content(file)
    for kind, name in made["schema"]:
        if name.startswith(("sqlite_", VERSION_TABLE)):
            continue
        found.add((kind, name))
        if kind == "table":
            found |= {("column", name, column) for column in made["rows"][name][0]}
    return found


def _lost_values(table: Table, was: Rows, now: Rows) -> list[str]:
    """Compare the columns that were there before and that no revision wrote to."""
    if not table.origin or table.recounted:
        return []
    kept = [column for column in table.columns if column.origin and not column.changed]
    old = _columns(was[table.origin], [column.origin[1] for column in kept if column.origin])
    new = _columns(now[table.name], [column.name for column in kept])
    return [] if old == new else [f"the values of {table.name} are not those of before"]


def _columns(rows: list[tuple[Any, ...]], names: list[str]) -> list[str]:
    places = [rows[0].index(name) for name in names]
    return sorted(repr([row[place] for place in places]) for row in rows[1:])


def _says(sql: str, part: str) -> bool:
    """Whether a statement has these words, one behind the other."""
    there, wanted = (f" {' '.join(lowered(tokens(text)))} " for text in (sql, part))
    return not part or wanted in there


def _weakened(table: Table, schema: dict[tuple[str, str], str]) -> list[str]:
    sql = schema["table", table.name]
    lost = [ending for ending in table.endings if ending not in sql]
    lost += [part for part in table.fragile() if part not in sql]
    lost += [
        f"the check of {column}" for _, column in table.checks if not _says(sql, check(column))
    ]
    lost += ["REFERENCES"] if table.parent and "REFERENCES" not in sql else []
    if table.parent and table.link[2] and table.link[2].strip() not in sql:
        lost.append(table.link[2])
    return [f"{table.name} has lost {what}" for what in lost]
