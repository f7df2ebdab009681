"""What a rebuild by hand loses, and what stays behind with a renamed table, is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import pytest

from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.child.protocol.events import OperationAsked, StatementRan, Traced
from migrations_ops.databases.sqlite.inspection import read_fingerprint
from migrations_ops.model.findings import Finding
from tests.unit.analysis.losses_support import START, found

# -- a rebuild by hand --------------------------------------------------------------------------

OWNED = (
    "CREATE TABLE owned (id INTEGER PRIMARY KEY, v VARCHAR(9) NOT NULL DEFAULT 'x' COLLATE NOCASE"
    " CHECK (length(v) < 9), p INTEGER REFERENCES parents (id) ON DELETE CASCADE,"
    " d INTEGER DEFAULT (1 + 1), g TEXT GENERATED ALWAYS AS (upper(v)) VIRTUAL, UNIQUE (v, p))"
)
V = "v VARCHAR(9) NOT NULL DEFAULT 'x' COLLATE NOCASE CHECK (length(v) < 9)"
P = "p INTEGER REFERENCES parents (id) ON DELETE CASCADE"
D = "d INTEGER DEFAULT (1 + 1)"
G = "g TEXT GENERATED ALWAYS AS (upper(v)) VIRTUAL"


def rebuilt_by_hand(
    columns: str, *more: str, before: str = OWNED, operations: tuple[OperationAsked, ...] = ()
) -> dict[str, str]:
    """The findings after a rebuild of owned with these columns, with their messages."""
    statements = (
        f"CREATE TABLE owned2 ({columns})",
        "INSERT INTO owned2 (id, v) SELECT id, v FROM owned",
        "DROP TABLE owned",
        "ALTER TABLE owned2 RENAME TO owned",
        *more,
    )
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in (*START, before):
            connection.execute(statement)
        schemas = [read_fingerprint(connection, "alembic_version")]
        for statement in statements:
            connection.execute(statement)
        schemas.append(read_fingerprint(connection, "alembic_version"))
    ran = [StatementRan(each) for each in statements]
    declared = read_declared([*operations, *ran], schemas[0].schema, schemas[1].schema)
    return {
        f"{each.code}:{each.where}": each.message
        for each in find_losses(schemas[0], schemas[1], declared, "prod")
        if each.severity == "error"
    }


@pytest.mark.parametrize(
    ("columns", "code", "lost"),
    [
        (f"{V.replace('NOT NULL', '')}, {P}, {D}, {G}, UNIQUE (v, p)",
         "weakened-column:owned.v", "NOT NULL"),
        (f"{V.replace('COLLATE NOCASE', '')}, {P}, {D}, {G}, UNIQUE (v, p)",
         "weakened-column:owned.v", "COLLATE"),
        (f"{V.replace(chr(39) + 'x' + chr(39), 'NULL')}, {P}, {D}, {G}, UNIQUE (v, p)",
         "changed-column:owned.v", "no default"),
        (f"{V}, {P}, d INTEGER, {G}, UNIQUE (v, p)", "changed-column:owned.d", "no default"),
        (f"{V.partition(' CHECK')[0]}, {P}, {D}, {G}, UNIQUE (v, p)",
         "lost-check:owned: length(v) < 9", "vanish"),
        (f"{V}, {P}, {D}, {G}", "lost-unique:owned(v, p)", "vanish"),
        (f"{V}, p INTEGER, {D}, {G}, UNIQUE (v, p)",
         "lost-foreign-key:owned(p) to parents", "vanish"),
        (f"{V}, p INTEGER REFERENCES parents, {D}, {G}, UNIQUE (v, p)",
         "weakened-foreign-key:owned(p) to parents", "CASCADE"),
        (f"{V}, {P}, {D}, g TEXT, UNIQUE (v, p)", "weakened-column:owned.g", "GENERATED"),
        (f"{V}, {P}, {D}, {G.replace('upper', 'lower')}, UNIQUE (v, p)",
         "weakened-column:owned.g", "its expression ( upper ( v ) )"),
    ],
)  # fmt: skip
def test_a_rebuild_by_hand_loses_no_property_unnoticed(columns: str, code: str, lost: str) -> None:
    errors = rebuilt_by_hand(f"id INTEGER PRIMARY KEY, {columns}")
    assert list(errors) == [code]
    assert lost in errors[code]


@pytest.mark.parametrize(
    ("columns", "more"),
    [
        (f"id INTEGER PRIMARY KEY, {V}, {P}, {D}, {G}, UNIQUE (v, p)", ()),
        # The same in another notation.
        ("[ID] integer not null, V text collate nocase default ('x') not null, \"p\" INTEGER,"
         " d INT DEFAULT (1+1), g TEXT AS ( (upper(v)) ) STORED, primary key (id),"
         " constraint c1 check (length( v )<9), constraint c2 unique (v, p),"
         " constraint c3 foreign key (p) references parents (id) on delete cascade", ()),
        # Columns that are left out, with what needs them; another type and default.
        (f"id INTEGER PRIMARY KEY, {V}", ()),
        (f"id INTEGER PRIMARY KEY, {V.replace(chr(39) + 'x', chr(39) + 'y')},"
         f" {P}, d REAL DEFAULT 3", ("CREATE UNIQUE INDEX ux ON owned (v, p)",)),
        # Other constraints in their place.
        (f"id INTEGER, {V.replace('< 9', '< 12')}, {P}, {D}, {G}, UNIQUE (p), PRIMARY KEY (id, v)",
         ()),
    ],
    ids=["all", "another notation", "left out", "another default", "other constraints"],
)  # fmt: skip
def test_a_rebuild_by_hand_may_write_what_it_means(columns: str, more: tuple[str, ...]) -> None:
    assert rebuilt_by_hand(columns, *more) == {}


# -- a rebuild by operations ---------------------------------------------------------------------

PROMPT = (
    "CREATE TABLE prompt (id INTEGER NOT NULL PRIMARY KEY, command VARCHAR(9) NOT NULL,"
    " title TEXT NOT NULL, kind TEXT DEFAULT 'x', size INTEGER CHECK (size > 0));"
    "CREATE UNIQUE INDEX prompt_command ON prompt (command);"
    "CREATE INDEX prompt_title ON prompt (title); CREATE INDEX prompt_size ON prompt (size);"
    "CREATE TRIGGER prompted AFTER INSERT ON prompt BEGIN SELECT 1; END;"
    "INSERT INTO prompt VALUES (1, '/a', 'A', 'y', 1), (2, '/b', 'B', 'z', 2)"
)
BY_OPERATIONS: tuple[Traced, ...] = (
    OperationAsked("drop_table", "prompt"),
    StatementRan("DROP TABLE prompt"),
    OperationAsked("rename_table", "prompt_new", to="prompt"),
    StatementRan("ALTER TABLE prompt_new RENAME TO prompt"),
)
UNIQUE = "CREATE UNIQUE INDEX ix_prompt_new_command ON prompt_new (command)"
FILL = "INSERT INTO prompt_new (id, command, kind, size) SELECT id, command, kind, size FROM prompt"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        # As a project has it: another key, a column of another name, the same index in another way.
        (("CREATE TABLE prompt_new (id TEXT NOT NULL PRIMARY KEY, command VARCHAR NOT NULL UNIQUE,"
          " name TEXT NOT NULL, kind TEXT DEFAULT 'x', size INTEGER CHECK (size >= 0))",
          "INSERT INTO prompt_new VALUES ('x', 'a', 'A', 'y', 1), ('y', 'b', 'B', 'z', 2)"),
         {"lost-trigger:prompted": "error", "lost-index:prompt_size": "warning"}),
        # What its author does not write, the new table does not have.
        (("CREATE TABLE prompt_new (id INTEGER PRIMARY KEY, command VARCHAR, kind TEXT,"
          " size INTEGER)", FILL, "CREATE INDEX s ON prompt_new (size)"),
         {"lost-trigger:prompted": "error", "lost-index:prompt_command": "error",
          "weakened-column:prompt.command": "warning", "changed-column:prompt.kind": "error",
          "lost-check:prompt: size > 0": "error"}),
        (("CREATE TABLE prompt_new (id INTEGER PRIMARY KEY, command VARCHAR NULL,"
          " kind TEXT DEFAULT 'y', size INTEGER CHECK (size IN (1, 2)))", UNIQUE,
          f"{FILL} WHERE id = 1"),
         {"lost-trigger:prompted": "error", "lost-index:prompt_size": "warning",
          "lost-rows:prompt": "error"}),
    ],
    ids=["in other words", "silently", "rows"],
)  # fmt: skip
def test_a_table_that_operations_replace_has_what_the_old_one_had(
    statements: tuple[str, ...], expected: dict[str, str]
) -> None:
    """An index that serves reading alone, and NULL, are a word of warning."""
    events: list[Traced] = [*map(StatementRan, statements), *BY_OPERATIONS]
    schemas = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(PROMPT)
        schemas.append(read_fingerprint(connection, "alembic_version"))
        for event in events:
            if isinstance(event, StatementRan):
                connection.execute(event.sql)
        schemas.append(read_fingerprint(connection, "alembic_version"))
    declared = read_declared(events, schemas[0].schema, schemas[1].schema)
    findings = find_losses(schemas[0], schemas[1], declared, "prod")
    found_all = {f"{each.code}:{each.where}": each.severity for each in findings}
    assert {
        key: found_all[key] for key in found_all if not key.startswith("dropped-column")
    } == expected


# -- a new table under the name of another one --------------------------------------------------

MOVED = ("ALTER TABLE parents RENAME TO archive",)
NEW = "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT, note TEXT, code TEXT)"
LEFT = {"lost-index:ix_note", "lost-index:ix_lower", "lost-trigger:tr",
        "weakened-foreign-key:children(parent_id) to parents", "weakened-view:names"}  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ((*MOVED, NEW), LEFT),
        (MOVED, set()),
        ((*MOVED, NEW, "CREATE INDEX ix2 ON parents (note)",
          "CREATE TRIGGER tr2 AFTER UPDATE ON parents BEGIN SELECT 1; END"),
         LEFT - {"lost-index:ix_note", "lost-trigger:tr"}),
        # By the same name, on the new table.
        ((*MOVED, NEW, "DROP INDEX ix_note", "CREATE INDEX ix_note ON parents (note)",
          "DROP TRIGGER tr", "CREATE TRIGGER tr AFTER UPDATE ON parents BEGIN SELECT 1; END"),
         LEFT - {"lost-index:ix_note", "lost-trigger:tr"}),
        ((*MOVED, NEW, "CREATE TABLE children2 (id INTEGER PRIMARY KEY AUTOINCREMENT,"
          " parent_id INTEGER REFERENCES parents (id) ON DELETE CASCADE)",
          "INSERT INTO children2 SELECT * FROM children", "DROP TABLE children",
          "ALTER TABLE children2 RENAME TO children"),
         LEFT - {"weakened-foreign-key:children(parent_id) to parents"}),
        (("ALTER TABLE parents RENAME TO archive", "ALTER TABLE [odd one] RENAME TO parents"),
         set()),
    ],
    ids=["all of it", "no new table", "anew", "anew by name", "key", "another table"],
)  # fmt: skip
def test_what_goes_with_a_renamed_table_is_missed_on_the_new_one(
    statements: tuple[str, ...], expected: set[str]
) -> None:
    errors = {key for key, severity in found(*statements).items() if severity == "error"}
    assert errors == expected


def test_what_reads_a_renamed_table_is_missed_on_the_new_one() -> None:
    """SQLite writes the new name into views and into triggers of other tables."""
    writes = "CREATE TRIGGER log AFTER INSERT ON children BEGIN DELETE FROM parents; END"
    before = (*START, writes)
    renewed = ("DROP VIEW names", "DROP TRIGGER log",
               "CREATE VIEW names AS SELECT name FROM parents", writes)  # fmt: skip
    for statements, expected in (
        ((*MOVED, NEW), {"weakened-view:names", "weakened-trigger:log"}),
        ((*MOVED, NEW, *renewed), set[str]()),
        (MOVED, set[str]()),
    ):
        errors = errors_after(before, statements)
        assert {key for key in errors if key.endswith((":names", ":log"))} == expected
        if expected:
            message = "the view names would refer to archive in prod, not to the new parents"
            assert errors["weakened-view:names"] == message


def test_a_copy_beside_which_the_renamed_table_is_kept_is_a_rebuild() -> None:
    """The applications use the copy; what rows it lacks are in the other one, and not lost."""
    was = [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL, b TEXT, CHECK (b > ''))",
        "INSERT INTO t VALUES (1, 'x', 'y'), (2, 'z', 'w')",
        "CREATE INDEX ix ON t (b)",
    ]
    aside = "ALTER TABLE t RENAME TO kept"
    bare = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)"
    lost = {"weakened-column:t.a": "the column t.a would lose NOT NULL in prod"}
    assert errors_after(was, (aside, bare, "INSERT INTO t SELECT id, a FROM kept")) == lost
    # Nobody copied it: it is another table.
    assert errors_after(was, (aside, bare)) == {
        "lost-index:ix": "the index ix would belong to kept in prod, and the new t has none like it"
    }
    some = "INSERT INTO t SELECT id, a FROM kept WHERE id = 1"
    [warning] = [each for each in all_after(was, (aside, bare, some)) if each.severity == "warning"]
    assert warning.message == (
        "1 of 2 rows of t are left in kept, and not in the table that replaces it"
    )


def all_after(before: Sequence[str], statements: Sequence[str]) -> list[Finding]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in before:
            connection.execute(statement)
        was = read_fingerprint(connection, "alembic_version")
        for statement in statements:
            connection.execute(statement)
        now = read_fingerprint(connection, "alembic_version")
    declared = read_declared(map(StatementRan, statements), was.schema, now.schema)
    return find_losses(was, now, declared, "prod")


def errors_after(before: Sequence[str], statements: Sequence[str]) -> dict[str, str]:
    """The errors after these statements, with their messages."""
    found_all = all_after(before, statements)
    return {
        f"{each.code}:{each.where}": each.message for each in found_all if each.severity == "error"
    }


def test_an_operation_that_renames_a_table_leaves_as_much_behind() -> None:
    asked = OperationAsked("rename_table", "parents", to="archive")
    findings = found(*MOVED, NEW, reported=False, operations=(asked,))
    assert {key for key, severity in findings.items() if severity == "error"} == LEFT
